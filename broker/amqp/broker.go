package amqp

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/elasticcode/flow/broker"
)

var _ broker.Broker = (*Broker)(nil)

// Broker is a connection to RabbitMQ that outlives its sockets. Open makes one,
// Close ends it.
type Broker struct {
	cfg   Config
	name  namer
	log   *slog.Logger
	hosts []host

	publishing *link
	consuming  *link // the first of those for consumers, and for everything but publishing
	publishers *slot[publisher]

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	placing sync.Mutex // guards more
	more    []*link    // further connections for consumers

	mu     sync.Mutex // guards the fields below
	closed bool
	bound  map[string]map[broker.Binding]bool // by queue: what was declared here
}

// Open connects to RabbitMQ. It waits a while for a broker that is just being
// started, and then or when ctx ends returns an error that is ErrUnavailable.
func Open(ctx context.Context, cfg Config) (*Broker, error) {
	hosts, err := cfg.hosts()
	if err != nil {
		return nil, fmt.Errorf("open AMQP broker: %w", err)
	}
	cfg = cfg.withDefaults()
	b := &Broker{
		cfg: cfg, name: namer(cfg.Prefix), log: cfg.Logger, hosts: hosts,
		publishers: newSlot[publisher](errNotYet),
		bound:      map[string]map[broker.Binding]bool{},
	}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	b.publishing, b.consuming = b.link("publish"), b.link("consume")
	b.run(b.keepPublisher)
	if err := b.connected(ctx); err != nil {
		b.Close()
		return nil, fmt.Errorf("open AMQP broker: %w", err)
	}
	return b, nil
}

// link starts to keep one more connection up.
func (b *Broker) link(name string) *link {
	l := newLink(name, b.cfg, b.hosts, b.run)
	b.run(func() { l.Run(b.ctx) })
	return l
}

// run starts a goroutine that Close waits for. What begins after Close ends by
// itself, as all connections are closed.
func (b *Broker) run(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		go f()
		return
	}
	b.wg.Go(f)
}

// connected waits until messages can be published and consumed.
func (b *Broker) connected(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.openWait)
	defer cancel()
	// A refusal of our name or password does not change while we wait.
	if s, why := b.consuming.sessions.next(ctx, nil, hopeless); s == nil {
		return unavailable(ctx, why)
	}
	if p, why := b.publishers.next(ctx, nil, hopeless); p == nil {
		return unavailable(ctx, why)
	}
	return nil
}

// Close ends all consumers and connections. Deliveries that are not settled go
// back to their queues.
func (b *Broker) Close() error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.cancel()
	b.wg.Wait()
	return nil
}

// Health tells whether messages can be published and consumed now, and what the
// matter is otherwise.
func (b *Broker) Health() (ok bool, message string) {
	s, err := b.consuming.sessions.now()
	if s == nil {
		return false, fmt.Sprintf("not connected to RabbitMQ: %v; trying again", err)
	}
	p, err := b.publishers.now()
	if p == nil {
		return false, fmt.Sprintf("cannot publish to RabbitMQ: %v; trying again", err)
	}
	if why, _ := p.session.isBlocked(); why != "" {
		return false, fmt.Sprintf("RabbitMQ on %s takes no messages: %s", p.session.addr, why)
	}
	version, _ := s.conn.Properties["version"].(string)
	return true, fmt.Sprintf("connected to RabbitMQ %s on %s", version, s.addr)
}
