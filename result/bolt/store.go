// Package bolt keeps results in a file of this process (bbolt), and claims and
// limits in its memory. It is the store where everything runs in one process: a
// call then costs two visits to a map and its part of a transaction, and no
// message.
//
// Claims and places end with the process. They may: all who can hold one are
// parts of it, and end with it, too. What is delivered again after a start is
// claimed anew at once, instead of when a lease ends. Buckets of tokens are full
// again after a start.
//
// Results survive a kill -9: they are given to the operating system, page by
// page and the page that makes them count last, before they are acknowledged.
// They are not flushed to the disk, which would cost every batch some
// milliseconds; so a power failure may tear the file. Which start of the machine
// wrote it is noted beside it while it is open: a file that was open when the
// machine went down is thrown away. Then, and when a damaged file was thrown
// away, the store says since when it remembers (result.Memory), and who needs to
// know what was before asks the history.
//
// Large values are files of their own, in a folder beside it.
//
// Times are those of this process's clock.
package bolt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/elasticcode/flow/result"
)

// Config says where the store is. Only Path is needed.
type Config struct {
	// Path is the file of results. Beside it are PATH.open, while it is open, and
	// PATH.values, the folder of large values. One process at a time may use them.
	Path string
	// MaxCalls is about how many results are kept; the oldest go first, before
	// their ttl. A thousand take about 300 KB of disk. Default: 1,000,000.
	MaxCalls int
	// MaxValues is how many bytes of large values are kept; those whose ttl ends
	// first go first. Default: 4 GiB.
	MaxValues int64
	// Logger hears of a file that had to be thrown away. Default: silence.
	Logger *slog.Logger
}

// The defaults of Config.
const (
	DefaultMaxCalls  = 1_000_000
	DefaultMaxValues = 4 << 30
)

func (c *Config) validate() error {
	if c.Path == "" {
		return errors.New("results need a file to be kept in: give its path")
	}
	if c.MaxCalls <= 0 {
		c.MaxCalls = DefaultMaxCalls
	}
	if c.MaxValues <= 0 {
		c.MaxValues = DefaultMaxValues
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Store is a result.Store. Close it when it is done with.
type Store struct {
	cfg     Config
	log     *slog.Logger
	db      *bolt.DB
	opened  time.Time
	waiters *result.Waiters
	rooms   *result.Waiters // for places in them
	limits  limits
	values  values
	close   func() error // once

	mu     sync.Mutex // guards the fields below, and makes claims and results one story
	claims map[string]claim
	token  int64 // of the last grant
	grants int   // how many there were
	count  int   // about how many results the file has
	since  int64 // from when on nothing is forgotten, in microseconds; 0: not decided yet
}

var (
	_ result.Store   = (*Store)(nil)
	_ result.Memory  = (*Store)(nil)
	_ result.Limiter = (*Store)(nil)
	_ result.Blobs   = (*Store)(nil)
)

// Open opens the file, which is made when there is none.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s := &Store{
		cfg: cfg, log: cfg.Logger.With("component", "result"), opened: time.Now(),
		limits: newLimits(), claims: map[string]claim{},
	}
	s.values = values{dir: cfg.Path + ".values", most: cfg.MaxValues}
	if err := s.open(ctx); err != nil {
		return nil, fmt.Errorf("open the results in %s: %w", cfg.Path, err)
	}
	s.close = sync.OnceValue(s.shut)
	nothing := func(ctx context.Context) { <-ctx.Done() } // who puts tells who waits
	s.waiters = result.NewWaiters(nothing, s.Get)
	s.rooms = result.NewRooms(nothing)
	return s, nil
}

// Close closes the file. Who waits is left to his deadline.
func (s *Store) Close() error {
	s.waiters.Close()
	s.rooms.Close()
	return s.close()
}

// Health tells whether the file can be read.
func (s *Store) Health(ctx context.Context) error {
	if err := s.view(ctx, func(*bolt.Tx) error { return nil }); err != nil {
		return fmt.Errorf("ask the results in %s how they are: %w", s.cfg.Path, err)
	}
	return nil
}

// view reads the file.
func (s *Store) view(ctx context.Context, read func(*bolt.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return wrap(s.db.View(read))
}

// update changes the file.
func (s *Store) update(ctx context.Context, change func(*bolt.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return wrap(s.db.Update(change))
}

// wrap marks what shows that the file cannot serve now: a full disk, or a store
// that was closed.
func wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", result.ErrUnavailable, err)
}
