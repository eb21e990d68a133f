package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	gosqlite "github.com/glebarez/go-sqlite"

	"github.com/elasticcode/flow/store"
)

var _ store.Appender = driver{}

// Append inserts the rows with statements that say nothing of rows that are there:
// half of compiling a merge is for those.
func (d driver) Append(ctx context.Context, db *sql.DB, batches []store.Batch) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after a commit
	for _, b := range batches {
		if err := d.Insert(ctx, tx, b, ""); err != nil {
			return fmt.Errorf("append to %s: %w", b.Table, err)
		}
	}
	return tx.Commit()
}

// The extended result codes of a key that is there.
const (
	constraintPrimaryKey = 1555
	constraintUnique     = 2067
)

// Taken tells that a unique index refused a row.
func (driver) Taken(err error) bool {
	var e *gosqlite.Error
	return errors.As(err, &e) && (e.Code() == constraintPrimaryKey || e.Code() == constraintUnique)
}

// askedAtOnce is how many ids one question has, for the reason of rowsAtOnce.
const askedAtOnce = 200

// Known looks the ids up in the index.
func (driver) Known(ctx context.Context, db *sql.DB, ids []string) ([]string, error) {
	var out []string
	for part := range slices.Chunk(ids, askedAtOnce) {
		args := make([]any, len(part))
		for i, id := range part {
			args[i] = id
		}
		known, err := column(ctx, db, "SELECT id FROM calls WHERE id IN ("+strings.TrimSuffix(strings.Repeat("?,", len(part)), ",")+")", args)
		if err != nil {
			return nil, err
		}
		out = append(out, known...)
	}
	return out, nil
}

func column(ctx context.Context, db *sql.DB, query string, args []any) ([]string, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}
