package bolt

import (
	"context"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Since is when the file was begun, or the last time that a result had to go
// before its ttl was put.
func (s *Store) Since(ctx context.Context) (since, now time.Time, err error) {
	at, err := s.decide(ctx, s.opened.UnixMicro())
	return time.UnixMicro(at), time.Now(), err
}

// BeginAnew says that there is nothing that the store could have forgotten.
func (s *Store) BeginAnew(ctx context.Context) error {
	_, err := s.decide(ctx, 1) // 0 is undecided
	return err
}

// remembers is from when on nothing was forgotten, as far as that is decided. It needs mu.
func (s *Store) remembers() time.Time {
	if s.since == 0 {
		return s.opened
	}
	return time.UnixMicro(s.since)
}

// decide writes from when on nothing was forgotten, unless that is written.
func (s *Store) decide(ctx context.Context, from int64) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.since != 0 {
		return s.since, nil
	}
	if err := s.update(ctx, func(tx *bolt.Tx) error { return setNumber(tx, sinceKey, from) }); err != nil {
		return 0, fmt.Errorf("note since when the results are complete: %w", err)
	}
	s.since = from
	return from, nil
}
