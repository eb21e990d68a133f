// Package nats is the event bus on NATS: one bounded JetStream stream of packed and
// squeezed entries (see event.Pack), on one subject; and another one that has the engine's
// own channels only.
//
// All channels share the subject, and listeners match their pattern themselves.
// A subject for each channel would store the same data three times and cost
// several times as much for each call; and channels need no mapping onto
// subjects, so any character may be in their names.
//
// Publishing is a plain NATS message that the stream picks up: nothing is
// awaited. The stream republishes the head of what it stored on a second
// subject, the bell, and a listener reads on in pages from where it is whenever
// the bell rings. Replay, live news, a slow listener and a lost connection are
// thereby the same thing, as on Redis.
//
// NATS 2.12 or newer is needed (batched direct get, asynchronous files).
package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/elasticcode/flow/event"
)

// Config says how the bus behaves.
type Config struct {
	// Prefix is put before the names of the stream and its subjects, so that
	// several systems can share a NATS: letters, digits, '_' and '-'. Default: none.
	Prefix string
	// Backlog is how many publishes are kept for replay: at least so many
	// messages, and more when several are published together, because up to 64
	// of them share a place. Default: 100,000.
	Backlog int
	// MemoryStorage keeps the backlog in the server's memory, so that it ends
	// with the server. Default: files, written soon after.
	MemoryStorage bool
	// Logger hears of lost connections. Default: silence.
	Logger *slog.Logger
}

// DefaultBacklog is the length of the backlog when Config names none.
const DefaultBacklog = 100_000

var validPrefix = regexp.MustCompile(`^[A-Za-z0-9_-]*$`)

func (c *Config) validate() error {
	if !validPrefix.MatchString(c.Prefix) {
		return fmt.Errorf("the prefix %q of events on NATS may have letters, digits, '_' and '-' only", c.Prefix)
	}
	if c.Backlog <= 0 {
		c.Backlog = DefaultBacklog
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Bus is an event.Bus. It holds nothing open while nobody subscribes, so there
// is nothing to close; the connection belongs to the caller, and should
// reconnect without end.
type Bus struct {
	conn   *nats.Conn
	js     jetstream.JetStream
	cfg    Config
	log    *slog.Logger
	all    track
	engine track // what is on channels that begin with "flow." as well
}

// track is a stream with its subjects.
type track struct {
	stream  string
	subject string // where entries are published
	bell    string // where the stream tells what it stored
}

// engineChannels is how the channels begin on which the engine tells itself of
// changes. They have a track of their own, too: servers listen to them all the
// time, and would read all that is told of calls for one change a day.
const engineChannels = "flow."

// trackOf is the shortest track that has all that matches the pattern.
func (b *Bus) trackOf(pattern string) track {
	if strings.HasPrefix(pattern, engineChannels) {
		return b.engine
	}
	return b.all
}

var _ event.Bus = (*Bus)(nil)

// New returns a bus on the connection, and makes its stream or fits it to cfg.
func New(ctx context.Context, conn *nats.Conn, cfg Config) (*Bus, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, fmt.Errorf("use JetStream for events: %w", err)
	}
	b := &Bus{
		conn: conn, js: js, cfg: cfg, log: cfg.Logger.With("component", "event"),
		all:    track{cfg.Prefix + "FLOW_EVENTS", cfg.Prefix + "flow.events", cfg.Prefix + "flow.events.bell"},
		engine: track{cfg.Prefix + "FLOW_EVENTS_ENGINE", cfg.Prefix + "flow.events.engine", cfg.Prefix + "flow.events.engine.bell"},
	}
	for _, t := range []track{b.all, b.engine} {
		if _, err := b.ensure(ctx, t); err != nil {
			return nil, fmt.Errorf("make the stream of events: %w", wrap(ctx, err))
		}
	}
	return b, nil
}

// ensure makes the stream of a track what it should be.
func (b *Bus) ensure(ctx context.Context, t track) (jetstream.Stream, error) {
	cfg := jetstream.StreamConfig{
		Name: t.stream, Subjects: []string{t.subject},
		Description: "Flow: what happens, for listeners and for those who come late",
		Retention:   jetstream.LimitsPolicy, Discard: jetstream.DiscardOld,
		MaxMsgs: int64(b.cfg.Backlog), AllowDirect: true,
		RePublish: &jetstream.RePublish{Source: t.subject, Destination: t.bell, HeadersOnly: true},
	}
	if b.cfg.MemoryStorage {
		cfg.Storage = jetstream.MemoryStorage
	} else {
		cfg.PersistMode = jetstream.AsyncPersistMode // half the cost; news may be lost
	}
	return b.js.CreateOrUpdateStream(ctx, cfg)
}

// Publish hands the messages to the connection. What is published while the
// connection is lost is sent when it is back, as long as the connection's buffer
// has room.
func (b *Bus) Publish(ctx context.Context, msgs ...event.Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := b.add(b.all, msgs); err != nil {
		return err
	}
	var engine []event.Message
	for _, m := range msgs {
		if strings.HasPrefix(m.Channel, engineChannels) {
			engine = append(engine, m)
		}
	}
	return b.add(b.engine, engine)
}

// add puts the messages on a track.
func (b *Bus) add(to track, msgs []event.Message) error {
	for e, err := range event.Pack(msgs) {
		if err != nil {
			return err
		}
		kept := event.Squeeze(e)
		switch err := b.conn.Publish(to.subject, kept); {
		case errors.Is(err, nats.ErrMaxPayload):
			return fmt.Errorf("publish %d events: %d bytes together are more than NATS takes (%d)", len(msgs), len(kept), b.conn.MaxPayload())
		case err != nil:
			return fmt.Errorf("publish %d events: %w: %w", len(msgs), event.ErrUnavailable, err)
		}
	}
	return nil
}

// Health tells whether NATS and the stream answer, and returns ErrUnavailable when not.
func (b *Bus) Health(ctx context.Context) error {
	if !b.conn.IsConnected() {
		return fmt.Errorf("%w: the connection to NATS is %s", event.ErrUnavailable, b.conn.Status())
	}
	if _, err := b.js.Stream(ctx, b.all.stream); err != nil {
		return fmt.Errorf("ask NATS for events how it is: %w", wrap(ctx, err))
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
	return fmt.Errorf("%w: %w", event.ErrUnavailable, err)
}

// incarnation names one life of the stream. It is part of every id, because a
// stream that was lost and made again counts from 1 again.
func incarnation(created time.Time) string { return strconv.FormatInt(created.UnixNano(), 36) }
