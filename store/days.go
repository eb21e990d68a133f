package store

import (
	"context"
	"database/sql"
	"time"
)

// Partitioner is a Driver whose database keeps the history in parts by the time
// that ids of calls begin with. A part that is past its retention is dropped as
// a whole, which costs what it costs to remove a file.
type Partitioner interface {
	// Extend makes the parts for ids from the day of now to until, each of the
	// width (whole days), where there are none yet.
	Extend(ctx context.Context, db *sql.DB, now, until time.Time, width time.Duration) error
	// Expire drops the parts whose ids are all from before the time. What stays
	// of a part (see DropDays) is kept elsewhere; merge is the end of a statement
	// that inserts into calls. It returns how many calls were removed.
	Expire(ctx context.Context, db *sql.DB, before time.Time, merge string) (int, error)
}

// MakeDays prepares the database for the calls that are made from now to until.
// Where it fails, or was not called, calls are kept all the same; only they go
// one by one later. Databases without parts have nothing to prepare.
func (s *Store) MakeDays(ctx context.Context, now, until time.Time, width time.Duration) error {
	p, ok := s.driver.(Partitioner)
	if !ok {
		return nil
	}
	db, err := s.write.DB()
	if err == nil {
		err = p.Extend(ctx, db, now, until, width)
	}
	return s.fail(ctx, "make room for the history to come", err)
}

// DropDays removes whole days of calls that were made before the time, in all
// networks, with all that belongs to them, and returns how many calls that were.
// The same stay as with PruneCalls, and so do whole days that have too many of
// these: what DropDays leaves is for PruneCalls. Databases without parts leave all.
func (s *Store) DropDays(ctx context.Context, before time.Time) (int, error) {
	p, ok := s.driver.(Partitioner)
	if !ok {
		return 0, nil
	}
	db, err := s.write.DB()
	n := 0
	if err == nil {
		n, err = p.Expire(ctx, db, before, callConflict)
	}
	return n, s.fail(ctx, "drop days of the history", err)
}
