package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/elasticcode/flow/store"
)

var _ store.Partitioner = driver{}

// table is one of the partitioned tables of the history.
type table struct {
	name, key string
	storage   string
}

// tables are in the order in which recorders write to them, and so lock them.
// Each has the same partitions (see migration 7).
var tables = []table{
	{"calls", "id", "fillfactor = 45"}, // see migration 6
	{"call_parents", "parent", "fillfactor = 100"},
	{"call_logs", "call_id", "fillfactor = 100"},
	{"events", "call_id", "fillfactor = 100"},
}

// part is the partitions for the ids of some days: calls_SUFFIX and the like.
type part struct {
	suffix   string
	from, to string // the beginnings of ids
}

// The limits of what others may notice: how long a lock is waited for, with all
// others behind, and how long a statement may take that holds one.
const (
	lockTimeout      = "100ms"
	statementTimeout = "2s"
)

const day = 24 * time.Hour

// idAt returns how ids of calls begin that are made at the time.
func idAt(t time.Time) string {
	hex := fmt.Sprintf("%012x", max(t.UnixMilli(), 0))
	return hex[:8] + "-" + hex[8:]
}

// timeOf is idAt the other way round.
func timeOf(id string) (time.Time, error) {
	ms, err := strconv.ParseInt(strings.ReplaceAll(id, "-", ""), 16, 64)
	return time.UnixMilli(ms).UTC(), err
}

// parts lists the partitions by time, the oldest first.
func parts(ctx context.Context, q querier) ([]part, error) {
	const list = `SELECT substr(name, 7), lo, hi FROM (
		SELECT c.relname AS name, substring(bound FROM 'FROM \(''([^'']+)''\)') AS lo, substring(bound FROM 'TO \(''([^'']+)''\)') AS hi
		FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid, pg_get_expr(c.relpartbound, c.oid) AS bound
		WHERE i.inhparent = 'calls'::regclass
	) AS parts WHERE lo IS NOT NULL AND hi IS NOT NULL ORDER BY lo COLLATE "C"`
	var out []part
	err := each(ctx, q, func(rows *sql.Rows) error {
		var p part
		err := rows.Scan(&p.suffix, &p.from, &p.to)
		out = append(out, p)
		return err
	}, list)
	return out, err
}

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func each(ctx context.Context, q querier, fn func(*sql.Rows) error, query string, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // Err has what counts
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// alone runs fn on a connection of its own unless another program does the same
// right now, which then does what is to be done.
func (d driver) alone(ctx context.Context, db *sql.DB, fn func(conn *sql.Conn) error) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // only gives it back
	var ours bool
	if err := conn.QueryRowContext(ctx, "SELECT pg_try_advisory_lock($1)", d.key("days")).Scan(&ours); err != nil || !ours {
		return err
	}
	err = fn(conn)
	_, unlock := conn.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", d.key("days"))
	if err == nil {
		err = unlock
	}
	return err
}

// gently runs fn in a transaction that fails rather than keep others waiting.
func gently(ctx context.Context, conn *sql.Conn, fn func(tx *sql.Tx) error) error {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after the commit
	if _, err := tx.ExecContext(ctx, "SET LOCAL lock_timeout = '"+lockTimeout+"'; SET LOCAL statement_timeout = '"+statementTimeout+"'"); err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// patiently is gently, a few times: who holds the lock lets go of it soon.
func patiently(ctx context.Context, conn *sql.Conn, fn func(tx *sql.Tx) error) error {
	const tries = 5
	for try := 1; ; try++ {
		err := gently(ctx, conn, fn)
		if err == nil || try == tries || !hasCode(err, "55P03") && !hasCode(err, "40P01") {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(try) * 200 * time.Millisecond):
		}
	}
}
