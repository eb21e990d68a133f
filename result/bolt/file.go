package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// The buckets of the file.
var (
	// results has, by call, when the result ends and the result: see record.
	results = []byte("results")
	// ends has, by when they end, which calls were put together: see batch.
	ends = []byte("ends")
	// about has the numbers below.
	about = []byte("about")

	// sinceKey is from when on nothing was forgotten.
	sinceKey = []byte("since")
	// tokenKey is a token that is no smaller than any that was granted.
	tokenKey = []byte("token")
)

const (
	// patience is how long another process is waited for that has the file.
	patience = 2 * time.Second
	// leap is by how much tokens begin above what is on file: more than were
	// granted since that was written.
	leap = 1 << 20
)

// open opens the file, or throws away what cannot be trusted and begins a new one.
func (s *Store) open(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(s.cfg.Path), 0o700); err != nil {
		return err
	}
	if before, torn := s.torn(); torn {
		s.log.WarnContext(ctx, "results of calls are thrown away: the machine went down while their file was open", "file", s.cfg.Path, "then", before)
		if err := s.discard(); err != nil {
			return err
		}
	}
	err := s.try()
	if errors.Is(err, berrors.ErrInvalid) || errors.Is(err, berrors.ErrChecksum) || errors.Is(err, berrors.ErrVersionMismatch) {
		s.log.WarnContext(ctx, "results of calls are thrown away: their file is damaged", "file", s.cfg.Path, "err", err)
		if err := s.discard(); err != nil {
			return err
		}
		err = s.try()
	}
	if errors.Is(err, berrors.ErrTimeout) {
		return fmt.Errorf("another process has it open: stop that one first (%w)", err)
	}
	return err
}

// try opens the file and reads what it says about itself.
func (s *Store) try() error {
	db, err := bolt.Open(s.cfg.Path, 0o600, &bolt.Options{
		Timeout: patience, NoSync: true, NoGrowSync: true,
		// A list of free pages that is written with every change costs more, the
		// more results have ended; without one the file is read through when it
		// is opened, about a second for three million results.
		NoFreelistSync: true, FreelistType: bolt.FreelistMapType,
	})
	if err != nil {
		return err
	}
	if err := s.note(); err != nil { // before the first change
		return errors.Join(err, db.Close())
	}
	if err := s.load(db); err != nil {
		return errors.Join(err, db.Close())
	}
	s.db = db
	return nil
}

func (s *Store) load(db *bolt.DB) error {
	return db.Update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{results, ends, about} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		s.since = number(tx, sinceKey)
		s.token = max(number(tx, tokenKey)+leap, s.opened.UnixMicro())
		s.count = 0
		return tx.Bucket(ends).ForEach(func(_, v []byte) error {
			b, err := parseBatch(v)
			s.count += len(b.calls)
			return err
		})
	})
}

func number(tx *bolt.Tx, key []byte) int64 {
	if v := tx.Bucket(about).Get(key); len(v) == 8 {
		return int64(binary.BigEndian.Uint64(v))
	}
	return 0
}

func setNumber(tx *bolt.Tx, key []byte, n int64) error {
	return tx.Bucket(about).Put(key, binary.BigEndian.AppendUint64(nil, uint64(n)))
}

// shut writes everything to the disk, so that the file can be trusted also after
// the machine went down.
func (s *Store) shut() error {
	if err := errors.Join(s.db.Sync(), s.db.Close()); err != nil {
		return fmt.Errorf("close the results in %s: %w", s.cfg.Path, err)
	}
	return os.Remove(s.mark())
}

// discard removes the file and its note.
func (s *Store) discard() error {
	for _, name := range []string{s.cfg.Path, s.mark()} {
		if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// mark is the name of the note that the file is open.
func (s *Store) mark() string { return s.cfg.Path + ".open" }

// torn tells whether the file was open when the machine went down, and which
// start of the machine that was. Where starts have no name, it is so whenever the
// file was not closed.
func (s *Store) torn() (before string, torn bool) {
	raw, err := os.ReadFile(s.mark())
	if err != nil {
		return "", false
	}
	before = strings.TrimSpace(string(raw))
	now := boot()
	return before, now == "" || before != now
}

// note notes that the file is open. The note has to be on the disk before the
// first change is.
func (s *Store) note() error {
	f, err := os.Create(s.mark())
	if err != nil {
		return err
	}
	_, err = f.WriteString(boot() + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(s.mark()))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// boot names this start of the machine; empty where the system has no name for it.
func boot() string {
	raw, _ := os.ReadFile("/proc/sys/kernel/random/boot_id") // Linux
	return strings.TrimSpace(string(raw))
}
