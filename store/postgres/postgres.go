// Package postgres opens the store on a PostgreSQL database.
package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3/lock"
	dialector "gorm.io/driver/postgres"
	"gorm.io/gorm"

	"github.com/elasticcode/flow/store"
)

// maxConns is how many connections a store holds at most: PostgreSQL allows 100
// in all where nobody changed it.
const maxConns = 20

// connectTimeout ends an attempt to connect that gets no answer.
const connectTimeout = 5 * time.Second

// Open opens the database at the URL (postgres://user:password@host:port/name).
// "search_path" in its query names the schema, which Migrate makes; without it
// that is "public". The tables are for Migrate to make.
func Open(ctx context.Context, url string) (*store.Store, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("the database URL is not valid: %s", withoutSecrets(url, err))
	}
	return open(ctx, config)
}

func open(ctx context.Context, config *pgx.ConnConfig) (*store.Store, error) {
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	// Times are compared and shown in UTC, wherever the server is.
	config.RuntimeParams["timezone"] = "UTC"
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "flow"
	}
	where := fmt.Sprintf("database %s on %s:%d", config.Database, config.Host, config.Port)
	db := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(compressFast))
	db.SetMaxOpenConns(maxConns)
	db.SetMaxIdleConns(maxConns / 2)
	db.SetConnMaxIdleTime(5 * time.Minute)
	if err := db.PingContext(ctx); err != nil {
		_ = db.Close() // the error that counts is the one from connecting
		if refused(err) {
			return nil, fmt.Errorf("open %s: %w: %w: %s", where, store.ErrUnavailable, store.ErrRefused, cause(err))
		}
		return nil, fmt.Errorf("open %s: %w: %s", where, store.ErrUnavailable, cause(err))
	}
	if err := checkVersion(ctx, db); err != nil {
		_ = db.Close() // as above
		return nil, fmt.Errorf("open %s: %w", where, err)
	}
	g, err := gorm.Open(dialector.New(dialector.Config{Conn: db}), store.Config())
	if err != nil {
		_ = db.Close() // as above
		return nil, fmt.Errorf("open %s: %w", where, err)
	}
	schema, _, _ := strings.Cut(config.RuntimeParams["search_path"], ",")
	return store.New(driver{schema: strings.Trim(schema, `" `), database: config.Database, waiting: &sync.Map{}}, g, g), nil
}

// compressFast has what this connection writes compressed by LZ4, where PostgreSQL
// has it (14 and later, as most are built): its own method takes several times as
// long, which was most of its time with calls of 20 KB.
func compressFast(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, "SELECT set_config(name, 'lz4', false) FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)")
	return err
}

// Ping asks for a writable session: a standby answers, too.
func (driver) Ping(ctx context.Context, db *sql.DB) error {
	var readOnly bool
	err := db.QueryRowContext(ctx, "SELECT current_setting('transaction_read_only')::bool").Scan(&readOnly)
	if err == nil && readOnly {
		return errors.New("it takes no writes: it is a standby, or was told to be read only; have the URL name the primary")
	}
	return err
}

// oldest is the first PostgreSQL that is supported.
const oldest = 13

// checkVersion refuses a PostgreSQL that is older.
func checkVersion(ctx context.Context, db *sql.DB) error {
	var version string
	var number int
	err := db.QueryRowContext(ctx, "SELECT current_setting('server_version'), current_setting('server_version_num')::int").Scan(&version, &number)
	if err != nil {
		return fmt.Errorf("%w: %s", store.ErrUnavailable, cause(err))
	}
	return versionFits(version, number)
}

func versionFits(version string, number int) error {
	if number < oldest*10000 {
		return fmt.Errorf("PostgreSQL %s is too old: Flow needs %d or later", version, oldest)
	}
	return nil
}

// driver is what is particular to PostgreSQL.
type driver struct {
	schema   string // empty: public
	database string
	waiting  *sync.Map // when a part was seen that cannot be dropped yet, by suffix
}

var _ store.Driver = driver{}

func (driver) Dialect() string { return "postgres" }

// key returns the number that stands for a name in advisory locks, which are
// shared by all schemas of a database.
func (d driver) key(name string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte("flow\x00" + d.schema + "\x00" + name)) // a hash never fails
	return int64(h.Sum64())
}

// Lock takes advisory locks, which end with the transaction.
func (d driver) Lock(ctx context.Context, tx store.Execer, keys []string) error {
	for _, k := range keys {
		if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", d.key(k)); err != nil {
			return fmt.Errorf("lock %s: %w", k, err)
		}
	}
	return nil
}

// Prepare makes the schema.
func (d driver) Prepare(ctx context.Context, db *sql.DB) error {
	if d.schema == "" || d.schema == "public" {
		return nil
	}
	_, err := db.ExecContext(ctx, "CREATE SCHEMA IF NOT EXISTS "+pgx.Identifier{d.schema}.Sanitize())
	if hasCode(err, "23505") { // another program made it at the same moment
		return nil
	}
	return err
}

func (d driver) MigrationLock() lock.SessionLocker { return migrationLock(d.key("migrate")) }

// migrationLock is an advisory lock that waits for as long as the context lets it.
type migrationLock int64

func (l migrationLock) SessionLock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", int64(l))
	return err
}

func (l migrationLock) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", int64(l))
	return err
}
