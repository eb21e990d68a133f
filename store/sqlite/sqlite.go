// Package sqlite opens the store on a SQLite file: for one machine, and for
// tests. It is pure Go. Several processes may open the same file.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"strings"

	gosqlite "github.com/glebarez/go-sqlite"
	dialector "github.com/glebarez/sqlite"
	"github.com/pressly/goose/v3/lock"
	"gorm.io/gorm"

	"github.com/elasticcode/flow/store"
)

// Open opens the database in the file, which is made when there is none. Its
// schema is for Migrate to make.
func Open(ctx context.Context, path string) (*store.Store, error) {
	return openWith(ctx, path, func(*gorm.DB) error { return nil })
}

// openWith is Open; with changes how the store reads.
func openWith(ctx context.Context, path string, with func(read *gorm.DB) error) (*store.Store, error) {
	// One connection writes and others read: with write-ahead logging neither
	// waits for the other, and two writers of this process never meet.
	write, err := open(path, "_txlock=immediate", 1)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	read, err := open(path, "_pragma=query_only(1)", max(4, runtime.GOMAXPROCS(0)))
	if err != nil {
		if db, e := write.DB(); e == nil {
			_ = db.Close() // the error that counts is the one from opening
		}
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	s := store.New(driver{}, write, read)
	err = with(read)
	if err == nil {
		err = s.Ping(ctx)
	}
	if err != nil {
		_ = s.Close() // as above
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	return s, nil
}

func open(path, option string, conns int) (*gorm.DB, error) {
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)" +
		"&_pragma=cache_size(-16000)&" + option
	db, err := sql.Open(dialector.DriverName, dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	g, err := gorm.Open(dialector.Dialector{Conn: db}, store.Config())
	if err != nil {
		_ = db.Close() // the error that counts is the one from opening
		return nil, err
	}
	return g, nil
}

// driver is what is particular to SQLite.
type driver struct{}

var _ store.Driver = driver{}

func (driver) Dialect() string { return "sqlite" }

// Lock does nothing: a transaction that writes is alone from its beginning.
func (driver) Lock(context.Context, store.Execer, []string) error { return nil }

// MigrationLock is none: migrations are transactions that write, one at a time.
func (driver) MigrationLock() lock.SessionLocker { return nil }

func (driver) Prepare(context.Context, *sql.DB) error { return nil }

// The result codes of SQLite that matter here.
const (
	busy     = 5
	ioerr    = 10
	full     = 13
	cantOpen = 14
)

func (driver) Unavailable(err error) bool {
	var e *gosqlite.Error
	if !errors.As(err, &e) {
		return errors.Is(err, sql.ErrConnDone)
	}
	switch e.Code() & 0xff { // the rest says how
	case busy, ioerr, full, cantOpen:
		return true
	}
	return false
}

// Ping opens the file.
func (driver) Ping(ctx context.Context, db *sql.DB) error { return db.PingContext(ctx) }

func (driver) MissingTable(err error) bool {
	return err != nil && strings.Contains(err.Error(), "no such table")
}

// Deadlock is never: there are no two locks to take.
func (driver) Deadlock(error) bool { return false }
