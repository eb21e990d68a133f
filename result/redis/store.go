// Package redis keeps results and claims in Redis.
//
//	{CALL}:result   the result as JSON, expires after its ttl; before there is one,
//	                "TOKEN UNTIL HOLDER": the claim, UNTIL in ms of Redis' clock
//	{BUCKET}:bucket when a bucket of tokens will be full again, in µs of Redis' clock
//	{ROOM}:room     the guests that are in a room, by when their leases end
//	{HASH}:blob     a large value, by its SHA-256
//	{results}:since when Redis began to remember: gone after a flush, like all else
//	{results}:bell  a sharded channel: the ids of calls that have a result now
//	{rooms}:bell    a sharded channel: the rooms that somebody has left
//
// each behind "PREFIXflow:".
//
// Claim and Put are one script each for the whole batch, since looking at what is
// there and writing must be one step. A result takes the place of its claim: half
// as many keys are made, looked for and removed. Waiters in a process share one
// subscription to the bell, and fetch in one MGET what rang.
//
// Tokens are the microseconds of Redis' clock, or one more than the last token
// where that is larger: so they grow even when Redis lost everything it knew.
//
// Redis 7.0 or newer is needed (sharded channels).
package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/elasticcode/flow/result"
)

// Config says how the store behaves.
type Config struct {
	// Prefix is put before every key and channel, so that several systems can
	// share a Redis. Default: none.
	Prefix string
	// Logger hears of lost connections. Default: silence.
	Logger *slog.Logger
}

// Store is a result.Store. The client belongs to the caller.
type Store struct {
	client  *redis.Client
	prefix  string
	log     *slog.Logger
	bell    string
	waiters *result.Waiters
	exits   string          // the bell of rooms
	rooms   *result.Waiters // for places in them

	dialling *dialling
	starts   sync.Mutex // guards the fields below
	askedAt  int64      // how many connections had been made when it was asked since when Redis runs
	sure     time.Time  // when the last start will be Unsettled ago
}

var _ result.Store = (*Store)(nil)

// New returns a store that uses the client, which should have
// ContextTimeoutEnabled, so that deadlines are kept. Close it when it is done with.
func New(client *redis.Client, cfg Config) *Store {
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Store{client: client, prefix: cfg.Prefix + "flow:", log: log.With("component", "result"), dialling: &dialling{}, askedAt: -1}
	client.AddHook(s.dialling)
	s.bell, s.exits = s.prefix+"{results}:bell", s.prefix+"{rooms}:bell"
	s.waiters = result.NewWaiters(func(ctx context.Context) { s.listen(ctx, bell{s.bell, s.waiters, s.fetch}) }, s.Get)
	s.rooms = result.NewRooms(func(ctx context.Context) {
		s.listen(ctx, bell{s.exits, s.rooms, func(_ context.Context, rooms []string) { s.rooms.Rang(rooms) }})
	})
	return s
}

// Close ends the subscriptions that waiters share. The client stays open.
func (s *Store) Close() error {
	s.waiters.Close()
	s.rooms.Close()
	return nil
}

// Health tells whether Redis answers and takes claims, and returns ErrUnavailable when
// not: one that is full, or a replica, answers, too.
func (s *Store) Health(ctx context.Context) error {
	if err := result.Probe(ctx, s, "health"); err != nil {
		return fmt.Errorf("ask Redis for results how it is: %w", err)
	}
	return nil
}

// keys are where results and claims of calls are kept.
func (s *Store) keys(calls []string) []string {
	keys := make([]string, len(calls), len(calls)+1) // room for one that is not of a call
	for i, c := range calls {
		keys[i] = s.prefix + "{" + c + "}:result"
	}
	return keys
}

// wrap marks what shows that Redis cannot serve now, as opposed to having
// refused what was asked.
func wrap(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	var refusal redis.Error
	if errors.As(err, &refusal) && !errors.Is(err, redis.ErrPoolTimeout) && !temporary(refusal.Error()) {
		return err
	}
	if refusal != nil && strings.HasPrefix(refusal.Error(), "OOM") {
		return fmt.Errorf("%w: %w Give it more memory, or keep results for less time (--keep-results)", result.ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %w", result.ErrUnavailable, err)
}

// temporary tells whether a refusal is about the server's state, not about the command.
func temporary(refusal string) bool {
	for _, p := range []string{"LOADING", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "READONLY", "OOM", "ERR max number of clients"} {
		if strings.HasPrefix(refusal, p) {
			return true
		}
	}
	return false
}

// chunks calls do with pieces of at most n.
func chunks[T any](all []T, n int, do func([]T) error) error {
	for len(all) > 0 {
		piece := all[:min(n, len(all))]
		if err := do(piece); err != nil {
			return err
		}
		all = all[len(piece):]
	}
	return nil
}
