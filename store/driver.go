package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/pressly/goose/v3/lock"
)

// Driver is what differs from database to database.
type Driver interface {
	// Dialect is the name of the folder in store/migrations and of goose's dialect.
	Dialect() string
	// Insert inserts the rows of the batch in as few statements as is fast;
	// conflict is the statement's end ("ON CONFLICT …"), the same on all.
	Insert(ctx context.Context, tx Execer, b Batch, conflict string) error
	// Known returns those of the ids of calls that are there.
	Known(ctx context.Context, db *sql.DB, ids []string) ([]string, error)
	// Lock makes the transaction the only one that holds the keys, until it ends.
	Lock(ctx context.Context, tx Execer, keys []string) error
	// MigrationLock keeps two programs from migrating at once; nil where the
	// database itself does.
	MigrationLock() lock.SessionLocker
	// Prepare makes the place that migrations go to, if it must be made.
	Prepare(ctx context.Context, db *sql.DB) error
	// Ping returns why the database cannot be worked with now, nil if it can.
	Ping(ctx context.Context, db *sql.DB) error
	// Unavailable tells whether the error says that the database cannot be reached.
	Unavailable(err error) bool
	// MissingTable tells whether the error says that a table does not exist.
	MissingTable(err error) bool
	// Deadlock tells whether the transaction failed only because of another one.
	Deadlock(err error) bool
}

// Appender is a Driver that has a cheaper way to insert rows that are all new.
type Appender interface {
	// Append inserts the rows of the batches in one transaction, in that order.
	// When one of them is there already nothing is inserted, and Taken tells so.
	Append(ctx context.Context, db *sql.DB, batches []Batch) error
	// Taken tells whether the error says that a row with the same key is there.
	Taken(err error) bool
}

// StateKeeper is a Driver whose call_states is a table that has to be kept in step
// with calls, and not a view of them.
type StateKeeper interface {
	// InsertCalls is Insert for rows of calls, and for what call_states says of them.
	InsertCalls(ctx context.Context, tx Queryer, b Batch, conflict string) error
	// KeepStates makes call_states say what calls says of these calls, which the
	// transaction has locked or removed.
	KeepStates(ctx context.Context, tx Execer, ids []string) error
}

// Execer is a transaction, as far as drivers need it.
type Execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// Queryer is an Execer that answers.
type Queryer interface {
	Execer
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Batch is rows to insert, by column.
type Batch struct {
	Table   string
	Columns []Column
	Rows    int
}

// Column is one column of a batch: Text, Int or Time has a value for each row.
type Column struct {
	Name string
	Text []string
	Int  []int64
	// Time is times as the store keeps them: in UTC, with microseconds, in years
	// that all databases have; nil is null.
	Time []*time.Time
	// Null says that an empty text stands for null.
	Null bool
}
