// Package redis is the event bus on Redis: real pub/sub channels, so that any
// Redis client can listen in ("redis-cli psubscribe 'pyfi.queue1.proc1.task'"),
// and one bounded stream from which the engine's own listeners read.
//
// Reading the stream, and not the channels, gives every message an id and makes
// replay, live news, a slow listener and a lost connection the same thing: read
// on from where you are. A sharded channel is the bell that says when. It is
// sharded so that "psubscribe '*'" does not hear it and a cluster keeps it local.
//
// A batch is published by one script in one round trip. The stream gets a packed
// entry (see event.Pack) of up to 64 events, each with its channels, so data
// travels and is stored once even when it is published on three channels, and
// squeezed, so in a seventh of its size. Only when the script says that somebody
// listens to a channel, or to a pattern, a second one publishes there, for which the
// entries travel once more as they are. Whoever was subscribed when the first one
// ran is told.
//
// Redis 7.0 or newer is needed (sharded channels).
package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/elasticcode/flow/event"
)

// Config says how the bus behaves.
type Config struct {
	// Prefix is put before every channel and key on the wire, so that several
	// systems can share a Redis. Default: none.
	Prefix string
	// Backlog is how many publishes are kept for replay: at least so many
	// messages, and more when several are published together, because up to 64
	// of them share a place. Default: 100,000.
	Backlog int
	// Logger hears of lost connections. Default: silence.
	Logger *slog.Logger
}

// Bus is an event.Bus. It holds nothing open while nobody subscribes, so there
// is nothing to close; the client belongs to the caller.
type Bus struct {
	client *redis.Client
	cfg    Config
	log    *slog.Logger
	all    track
	engine track // what is on channels that begin with "flow." as well
}

// track is a stream and its bell.
type track struct {
	stream string // the key of the stream
	bell   string // the sharded channel that rings when the stream grew
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

// DefaultBacklog is the length of the backlog when Config names none.
const DefaultBacklog = 100_000

// New returns a bus that uses the client. The client should have
// ContextTimeoutEnabled, so that deadlines are kept.
func New(client *redis.Client, cfg Config) *Bus {
	if cfg.Backlog <= 0 {
		cfg.Backlog = DefaultBacklog
	}
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Bus{
		client: client, cfg: cfg, log: log.With("component", "event"),
		// The braces keep all in one slot of a cluster.
		all:    track{"{" + cfg.Prefix + "flow:events}", "{" + cfg.Prefix + "flow:events}:bell"},
		engine: track{"{" + cfg.Prefix + "flow:events}:engine", "{" + cfg.Prefix + "flow:events}:engine:bell"},
	}
}

// Health tells whether Redis answers, and returns ErrUnavailable when not.
func (b *Bus) Health(ctx context.Context) error {
	if err := b.client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("ask Redis for events how it is: %w", wrap(ctx, err))
	}
	return nil
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
	return fmt.Errorf("%w: %w", event.ErrUnavailable, err)
}

// temporary tells whether a refusal is about the server's state, not about the command.
func temporary(refusal string) bool {
	for _, p := range []string{"LOADING", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "READONLY", "ERR max number of clients"} {
		if strings.HasPrefix(refusal, p) {
			return true
		}
	}
	return false
}
