package bolt

import (
	"os"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Flush makes the store lose all that it knows.
func (s *Store) Flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.claims)
	s.limits.mu.Lock()
	clear(s.limits.rooms)
	clear(s.limits.buckets)
	s.limits.mu.Unlock()
	s.count, s.since, s.opened = 0, 0, time.Now()
	err := s.db.Update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{results, ends, about} {
			if err := tx.DeleteBucket(name); err != nil {
				return err
			}
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return os.RemoveAll(s.values.dir)
}

// Kept is how many results are in the file, and how many the store believes.
func (s *Store) Kept() (there, believed int) {
	_ = s.db.View(func(tx *bolt.Tx) error {
		there = tx.Bucket(results).Stats().KeyN
		return nil
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	return there, s.count
}

// Claims is how many claims are in memory.
func (s *Store) Claims() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.claims)
}
