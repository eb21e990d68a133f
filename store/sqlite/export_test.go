package sqlite

import (
	"context"
	"database/sql"

	"gorm.io/gorm"

	"github.com/elasticcode/flow/store"
)

// OpenHeard is Open, and tells what the store asks for, and with which values.
func OpenHeard(ctx context.Context, path string, heard func(query string, values []any)) (*store.Store, error) {
	return openWith(ctx, path, func(read *gorm.DB) error {
		hear := func(db *gorm.DB) { heard(db.Statement.SQL.String(), db.Statement.Vars) }
		if err := read.Callback().Query().After("gorm:query").Register("hear", hear); err != nil {
			return err
		}
		return read.Callback().Row().After("gorm:row").Register("hear", hear)
	})
}

// Appender and Driver are the driver.
var (
	Appender store.Appender = driver{}
	Driver   store.Driver   = driver{}
)

// OpenWriter opens the connection that writes.
func OpenWriter(path string) (*sql.DB, error) {
	g, err := open(path, "_txlock=immediate", 1)
	if err != nil {
		return nil, err
	}
	return g.DB()
}
