package jetstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"golang.org/x/sync/semaphore"
)

// Config says how to use the server. The zero value is fine.
type Config struct {
	// Prefix stands before every name on the server: systems with different
	// prefixes do not see each other.
	Prefix string
	// Logger hears of trouble that is no call's error.
	Logger *slog.Logger
	// MemoryStorage keeps everything in the server's memory only; for tests.
	MemoryStorage bool
	// Replicas is on how many servers of a cluster everything is kept. 0: 1.
	Replicas int
	// AckWait is how long the deliveries of a process that died stay away from
	// others. 0: 20 s. A process that lives keeps its deliveries for as long as it
	// needs. It becomes a property of a queue when that is declared.
	AckWait time.Duration
}

// publishLimit is how long Publish and the calls about queues try, whatever
// their context allows. The window in which a stream recognises a repeat must
// be longer.
const (
	publishLimit    = 15 * time.Second
	duplicateWindow = 20 * time.Second
)

// windowBytes bounds what is published and not confirmed yet; a message counts
// as at least windowLeast. Together they are 4,096 small messages, less than
// half of what a stream takes in before it refuses.
const (
	windowBytes = 64 << 20
	windowLeast = 16 << 10
)

// Options are the connection options that suit this driver: it reconnects for
// ever and soon, notices a dead peer within seconds, and does not store what was
// meant for a connection that is gone.
func Options(name string, logger *slog.Logger) []nats.Option {
	return []nats.Option{
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			logger.Warn("nats connection reports an error", "err", err) // the library prints to stderr otherwise
		}),
		nats.Name(name),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectJitter(100*time.Millisecond, 250*time.Millisecond),
		nats.PingInterval(5 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.FlusherTimeout(5 * time.Second),
		nats.ReconnectBufSize(-1),
	}
}

// Broker is a broker.Broker on a NATS connection.
type Broker struct {
	cfg    Config
	nc     *nats.Conn
	js     jetstream.JetStream
	names  names
	logger *slog.Logger
	table  *table

	id       string // of this Broker among all, and the first part of dedup ids
	counter  atomic.Uint64
	confirms *confirms
	window   *semaphore.Weighted
	outbox   *outbox
	sessions *sessions
	ledgers  *ledgers
	presence *presence

	running context.Context // ends with Close
	stop    context.CancelFunc
	wg      sync.WaitGroup
	close   sync.Once
}

var _ broker.Broker = (*Broker)(nil)

// Open makes a Broker on an open connection, which stays the caller's: Close
// does not close it. Give it a connection made with Options.
func Open(ctx context.Context, nc *nats.Conn, cfg Config) (*Broker, error) {
	if nc == nil {
		return nil, errors.New("open jetstream broker: a connection is needed")
	}
	cfg = cfg.withDefaults()
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("open jetstream broker: %w", err)
	}
	b := &Broker{
		cfg: cfg, nc: nc, js: js, names: names{cfg.Prefix}, logger: cfg.Logger,
		id: nuid.Next(), window: semaphore.NewWeighted(windowBytes), ledgers: newLedgers(),
	}
	b.running, b.stop = context.WithCancel(context.Background())
	b.sessions = newSessions(nc, b.giveBack)
	b.outbox = &outbox{nc: nc, abandon: b.abandon, mails: make(chan mail, 1024), over: b.running.Done()}
	b.presence = newPresence(b)
	if err := b.start(ctx); err != nil {
		_ = b.Close()
		return nil, fmt.Errorf("open jetstream broker: %w", err)
	}
	return b, nil
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.AckWait <= 0 {
		c.AckWait = 20 * time.Second
	}
	if c.Replicas == 0 {
		c.Replicas = 1
	}
	return c
}

func (c Config) storage() jetstream.StorageType {
	if c.MemoryStorage {
		return jetstream.MemoryStorage
	}
	return jetstream.FileStorage
}

func (b *Broker) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, publishLimit)
	defer cancel()
	b.wg.Go(func() { b.sessions.watch(b.running) })
	b.wg.Go(func() { b.outbox.run(b.running) })
	var err error
	if b.confirms, err = listenForConfirms(b.nc); err != nil {
		return unavailable(err)
	}
	if err := b.openTable(ctx); err != nil {
		return failure(err)
	}
	if err := b.openDelays(ctx); err != nil {
		return failure(err)
	}
	if err := b.presence.listen(); err != nil {
		return unavailable(err)
	}
	b.wg.Go(func() { b.keepAlive(b.running) })
	b.wg.Go(func() { b.presence.run(b.running) })
	b.wg.Go(func() { b.housekeep(b.running) })
	return b.Declare(ctx, broker.Topology{Queues: []broker.Queue{{Name: broker.DeadLetters}}})
}

// openTable finds or makes the table and waits for its content.
func (b *Broker) openTable(ctx context.Context) error {
	kv, err := b.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: b.names.bucket(), Storage: b.cfg.storage(), Replicas: b.cfg.Replicas,
		Description: "exchanges, queues and bindings of prefix " + strconv.Quote(b.cfg.Prefix),
	})
	if err != nil {
		return fmt.Errorf("open the table of bindings: %w", err)
	}
	b.table = newTable(kv)
	ready := make(chan struct{})
	b.wg.Go(func() { b.watchTable(b.running, sync.OnceFunc(func() { close(ready) })) })
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("open the table of bindings: %w", ctx.Err())
	}
}

// watchTable begins to watch again whenever the watcher fails.
func (b *Broker) watchTable(ctx context.Context, ready func()) {
	for ctx.Err() == nil {
		if err := b.table.watch(ctx, ready); err != nil && ctx.Err() == nil {
			b.logger.WarnContext(ctx, "table of bindings is not watched", "err", err)
			pause(ctx, time.Second)
		}
	}
}

// Close gives back what is not settled and ends everything this Broker runs. It
// leaves the connection open.
func (b *Broker) Close() error {
	b.close.Do(func() {
		last, _, _ := b.sessions.now()
		b.stop()
		b.sessions.end()
		b.wg.Wait()
		if last != nil {
			b.giveBackAll(last.server)
		}
		b.presence.close()
		if b.confirms != nil {
			b.confirms.close()
		}
		_ = b.nc.FlushTimeout(time.Second) // the last acks; without them there are repeats, no more
	})
	return nil
}

// nextID is unique among all messages of all Brokers.
func (b *Broker) nextID() string {
	return b.id + "." + strconv.FormatUint(b.counter.Add(1), 36)
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
