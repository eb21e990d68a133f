// Package nats keeps results and claims in one JetStream stream.
//
// A call has one subject, and a subject has one message: the claim while the
// call runs, the result when it has ended. Every write says which message it
// replaces (Nats-Expected-Last-Subject-Sequence), so one comparison in the server
// decides everything: a claim can be taken only where there is neither a claim
// nor a result, and a result is never replaced. The store remembers the message
// of each claim it was granted, so the usual way of a call is two writes, and no
// read: claim in place of nothing, result in place of the claim. Only who loses
// a comparison reads, and tries again. Writes go out together, and their answers
// are awaited together.
//
// The token of a claim is the number of the message that took it. Numbers only
// grow; and a stream that is made anew begins at the microseconds of the clock,
// so they grow beyond those of a stream that was lost as well.
//
// Results are written to a file before they are acknowledged: they survive a
// kill -9 of the server's process, though not of its machine within the server's
// sync interval. Claims share the stream, so they survive too. They need not: a
// claim that is lost lets a call run twice at most, and its result is still
// taken once.
//
// Leases and ttls are judged by the clock of the server. The server removes what
// has ended, but only to the second, so readers look at the time themselves.
//
// Limits (buckets of tokens, and rooms) are values of a key-value bucket of their
// own, changed by comparing revisions. It is made when a limit is used first.
//
// NATS 2.11 or newer is needed (ttl per message).
package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/elasticcode/flow/result"
)

// Config says how the store behaves.
type Config struct {
	// Prefix is put before the names of the stream and its subjects, so that
	// several systems can share a NATS: letters, digits, '_' and '-'. Default: none.
	Prefix string
	// MaxCalls is how many calls are kept at most; the oldest go first, before
	// their ttl. The server's memory grows by about 250 bytes for each. Default:
	// 1,000,000.
	MaxCalls int64
	// MemoryStorage keeps results in the server's memory, so that they end with
	// the server. Default: files.
	MemoryStorage bool
	// Logger hears of lost connections. Default: silence.
	Logger *slog.Logger
}

// DefaultMaxCalls is how many calls are kept when Config says nothing.
const DefaultMaxCalls = 1_000_000

var validPrefix = regexp.MustCompile(`^[A-Za-z0-9_-]*$`)

func (c *Config) validate() error {
	if !validPrefix.MatchString(c.Prefix) {
		return fmt.Errorf("the prefix %q of results on NATS may have letters, digits, '_' and '-' only", c.Prefix)
	}
	if c.MaxCalls <= 0 {
		c.MaxCalls = DefaultMaxCalls
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Store is a result.Store. The connection belongs to the caller, and should
// reconnect without end.
type Store struct {
	conn    *nats.Conn
	js      jetstream.JetStream
	cfg     Config
	log     *slog.Logger
	stream  string
	subject string // what the subjects of calls begin with
	bell    string // where the ids of calls are told that have a result now
	asks    asks
	waiters *result.Waiters
	exits   string          // where the rooms are told that somebody has left
	rooms   *result.Waiters // for places in them

	limits limits

	offset atomic.Int64 // the server's clock minus ours

	mu     sync.Mutex // guards the fields below
	held   map[string]grant
	grants int // how many were ever remembered
}

var _ result.Store = (*Store)(nil)

// New returns a store on the connection, and makes its stream or fits it to cfg.
// Close it when it is done with.
func New(ctx context.Context, conn *nats.Conn, cfg Config) (*Store, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, fmt.Errorf("use JetStream for results: %w", err)
	}
	s := &Store{
		conn: conn, js: js, cfg: cfg, log: cfg.Logger.With("component", "result"),
		stream:  cfg.Prefix + "FLOW_RESULTS",
		subject: cfg.Prefix + "flow.result.",
		bell:    cfg.Prefix + "flow.results.bell",
		exits:   cfg.Prefix + "flow.rooms.bell",
		held:    map[string]grant{},
	}
	if err := s.ensure(ctx); err != nil {
		return nil, fmt.Errorf("make the stream of results: %w", wrap(ctx, err))
	}
	if err := s.ensureBlobs(ctx); err != nil {
		return nil, fmt.Errorf("make the stream of large values: %w", wrap(ctx, err))
	}
	if err := s.asks.open(conn); err != nil {
		return nil, fmt.Errorf("listen to the answers of NATS: %w", wrap(ctx, err))
	}
	s.waiters = result.NewWaiters(func(ctx context.Context) { s.listen(ctx, bell{s.bell, s.waiters, s.fetch}) }, s.Get)
	s.rooms = result.NewRooms(func(ctx context.Context) {
		s.listen(ctx, bell{s.exits, s.rooms, func(_ context.Context, rooms []string) { s.rooms.Rang(rooms) }})
	})
	return s, nil
}

// ensure makes the stream what it should be, and sets our idea of its clock.
func (s *Store) ensure(ctx context.Context) error {
	cfg := jetstream.StreamConfig{
		Name: s.stream, Subjects: []string{s.subject + "*"},
		Description: "Flow: results of calls, and claims on calls that run",
		Retention:   jetstream.LimitsPolicy, Discard: jetstream.DiscardOld,
		MaxMsgsPerSubject: 1, MaxMsgs: s.cfg.MaxCalls,
		AllowDirect: true, AllowMsgTTL: true,
	}
	if s.cfg.MemoryStorage {
		cfg.Storage = jetstream.MemoryStorage
	}
	begin := time.Now()
	stream, err := s.js.Stream(ctx, s.stream)
	switch {
	case err == nil:
		cfg.FirstSeq = stream.CachedInfo().Config.FirstSeq
		begin = time.Now()
		stream, err = s.js.UpdateStream(ctx, cfg)
	case errors.Is(err, jetstream.ErrStreamNotFound):
		begin = time.Now()
		cfg.FirstSeq = uint64(begin.UnixMicro())
		stream, err = s.js.CreateStream(ctx, cfg)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another process was faster
			begin = time.Now()
			stream, err = s.js.Stream(ctx, s.stream)
		}
	}
	if err != nil {
		return err
	}
	s.compare(stream.CachedInfo().TimeStamp, begin)
	return nil
}

// compare takes the difference of the clocks from an answer to a question that
// was sent at begin. What the way there and back explains is no difference.
func (s *Store) compare(at, begin time.Time) {
	if at.IsZero() {
		return
	}
	way := time.Since(begin)
	offset := at.Sub(begin.Add(way / 2))
	if offset.Abs() <= way {
		offset = 0
	}
	s.offset.Store(int64(offset))
}

// now is the time by the server's clock.
func (s *Store) now() time.Time { return time.Now().Add(time.Duration(s.offset.Load())) }

// Close ends the store's subscriptions. The connection stays open.
func (s *Store) Close() error {
	s.waiters.Close()
	s.rooms.Close()
	s.asks.close()
	return nil
}

// Health tells whether NATS and the stream answer, and returns ErrUnavailable
// when not. It also compares the clocks again.
func (s *Store) Health(ctx context.Context) error {
	if err := s.connected(); err != nil {
		return err
	}
	begin := time.Now()
	stream, err := s.js.Stream(ctx, s.stream)
	if err != nil {
		return fmt.Errorf("ask NATS for results how it is: %w", wrap(ctx, err))
	}
	s.compare(stream.CachedInfo().TimeStamp, begin)
	return nil
}

// connected says so when the connection is lost: what is sent now would lie in a
// buffer until it is back, and nobody would know when it takes effect.
func (s *Store) connected() error {
	if !s.conn.IsConnected() {
		return fmt.Errorf("%w: the connection to NATS is %s", result.ErrUnavailable, s.conn.Status())
	}
	return nil
}

// wrap marks what shows that NATS cannot serve now, as opposed to having refused
// what was asked.
func wrap(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	var refusal *jetstream.APIError
	if errors.As(err, &refusal) && refusal.Code < 500 {
		return err
	}
	if errors.Is(err, result.ErrUnavailable) || errors.Is(err, nats.ErrMaxPayload) {
		return err
	}
	return fmt.Errorf("%w: %w", result.ErrUnavailable, err)
}
