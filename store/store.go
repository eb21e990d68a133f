package store

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// Store is the model in a database. Its methods may be called at the same time
// from many goroutines.
type Store struct {
	driver Driver
	write  *gorm.DB
	read   *gorm.DB
}

// New returns the store on databases that a driver opened. read may be the same
// as write; the store closes both.
func New(driver Driver, write, read *gorm.DB) *Store {
	return &Store{driver: driver, write: write, read: read}
}

// Config is how drivers open gorm.
func Config() *gorm.Config {
	return &gorm.Config{
		TranslateError:         true,
		SkipDefaultTransaction: true, // every write here is one statement or an explicit transaction
		Logger:                 logger.Discard,
	}
}

// Close closes the database.
func (s *Store) Close() error {
	var errs []error
	for _, db := range []*gorm.DB{s.write, s.read} {
		conns, err := db.DB()
		if err == nil {
			err = conns.Close()
		}
		errs = append(errs, err)
		if s.write == s.read {
			break
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close the database: %w", err)
	}
	return nil
}

// Ping tells whether the database answers and takes writes.
func (s *Store) Ping(ctx context.Context) error {
	db, err := s.read.DB()
	if err == nil {
		err = s.driver.Ping(ctx, db)
	}
	if err == nil || ctx.Err() != nil {
		return s.fail(ctx, "ask the database", err)
	}
	return fmt.Errorf("ask the database: %w: %w", ErrUnavailable, err)
}

// tx runs fn in one transaction, again when the database chose it as the victim
// of a deadlock.
func (s *Store) tx(ctx context.Context, doing string, fn func(tx *gorm.DB) error) error {
	const tries = 5
	var err error
	for range tries {
		err = s.write.WithContext(ctx).Transaction(fn)
		if err == nil || !s.driver.Deadlock(err) || ctx.Err() != nil {
			break
		}
	}
	return s.fail(ctx, doing, err)
}
