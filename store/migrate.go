package store

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*/*.sql
var migrations embed.FS

func (s *Store) provider() (*goose.Provider, error) {
	dir, err := fs.Sub(migrations, "migrations/"+s.driver.Dialect())
	if err != nil {
		return nil, err
	}
	db, err := s.write.DB()
	if err != nil {
		return nil, err
	}
	dialect := goose.DialectPostgres
	if s.driver.Dialect() == "sqlite" {
		dialect = goose.DialectSQLite3
	}
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger())}
	if l := s.driver.MigrationLock(); l != nil {
		options = append(options, goose.WithSessionLocker(l))
	}
	return goose.NewProvider(dialect, db, dir, options...)
}

// Migrate brings the schema up to what this program needs. It changes nothing
// when it is up to date, and waits while another program migrates.
func (s *Store) Migrate(ctx context.Context) error {
	current, latest, err := s.Version(ctx)
	if err != nil {
		return err
	}
	if current > latest {
		return newer(current, latest)
	}
	p, err := s.provider()
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	db, err := s.write.DB()
	if err == nil {
		err = s.driver.Prepare(ctx, db)
	}
	if err == nil {
		err = s.up(ctx, p)
	}
	return s.fail(ctx, "migrate the database", err)
}

// up applies what is missing. SQLite has no lock for it: when two programs
// apply the same file, the transaction of one fails, and it looks again.
func (s *Store) up(ctx context.Context, p *goose.Provider) error {
	const tries = 5
	var err error
	for try := range tries {
		if _, err = p.Up(ctx); err == nil || s.driver.MigrationLock() != nil {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(try+1) * 20 * time.Millisecond):
		}
	}
	return err
}

// Version returns the version of the schema, 0 when there is none, and the one
// that this program needs.
func (s *Store) Version(ctx context.Context) (current, latest int64, err error) {
	p, err := s.provider()
	if err != nil {
		return 0, 0, fmt.Errorf("read migrations: %w", err)
	}
	sources := p.ListSources()
	latest = sources[len(sources)-1].Version
	err = s.read.WithContext(ctx).
		Raw("SELECT COALESCE(MAX(version_id), 0) FROM " + goose.DefaultTablename + " WHERE is_applied").Scan(&current).Error
	if err != nil && s.driver.MissingTable(err) {
		return 0, latest, nil
	}
	return current, latest, s.fail(ctx, "read the version of the database", err)
}

// Check tells whether the schema is the one that this program needs:
// ErrUnmigrated or ErrNewer, with both versions, when it is not.
func (s *Store) Check(ctx context.Context) error {
	current, latest, err := s.Version(ctx)
	switch {
	case err != nil:
		return err
	case current == 0:
		return fmt.Errorf("the database is empty: %w", ErrUnmigrated)
	case current < latest:
		return fmt.Errorf("the database has version %d of the schema, this program needs %d: %w", current, latest, ErrUnmigrated)
	case current > latest:
		return newer(current, latest)
	}
	return nil
}

func newer(current, latest int64) error {
	return fmt.Errorf("%w: it has version %d of the schema, this program knows %d; use a newer flow program", ErrNewer, current, latest)
}
