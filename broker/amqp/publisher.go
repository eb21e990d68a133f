package amqp

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/rabbitmq/amqp091-go"
)

// publisher is the publishing channel of one session, from its beginning to its
// end. It is in confirm mode.
type publisher struct {
	session *session
	ch      *amqp091.Channel
	window  chan struct{} // a token for each message that is not confirmed
	gone    chan struct{} // closed when the channel has ended, after cause was set
	cause   error         // why it ended; read after gone
	silence time.Duration // see overhear
	landed  atomic.Int64  // how many messages were confirmed or refused

	mu        sync.Mutex           // guards the fields below
	batches   map[*batch]struct{}  // what is in flight, to find what a return is about
	exchanges map[string]bool      // known to exist, by name on the wire
	queues    map[string]time.Time // known to exist at that time
}

// queueKnown is how long a queue that was seen is taken for existing. If it is
// removed meanwhile, what was delayed for it ends in the dead letters, not in
// nothing.
const queueKnown = 30 * time.Second

// keepPublisher opens a publisher whenever there is none, until Close. How often
// a lost connection is tried again is the link's business; only a channel that
// fails on a living connection is waited for here.
func (b *Broker) keepPublisher() {
	var wait backoff
	for b.ctx.Err() == nil {
		s, why := b.publishing.sessions.next(b.ctx, nil, nil)
		if s == nil {
			b.publishers.set(nil, why)
			continue
		}
		began := time.Now()
		err := b.publishOn(s)
		b.publishers.set(nil, err)
		if b.publishing.lost(b.ctx, s) {
			continue
		}
		b.log.WarnContext(b.ctx, "lost the channel to publish on; opening another", "err", err)
		wait.ran(time.Since(began))
		wait.wait(b.ctx)
	}
	b.publishers.set(nil, errClosed)
}

// publishOn has a publisher on a session until its channel ends, and returns why
// it did.
func (b *Broker) publishOn(s *session) error {
	p, err := b.openPublisher(s)
	if err != nil {
		return err
	}
	b.publishers.set(p, nil)
	<-p.gone
	return p.cause
}

// openPublisher declares what the driver relies on and opens a channel.
func (b *Broker) openPublisher(s *session) (*publisher, error) {
	return call(b.ctx, s, b.run, func() (*publisher, error) {
		setup, err := s.conn.Channel()
		if err != nil {
			return nil, err
		}
		d := declarer{ch: setup, name: b.name}
		if d.foundation(); d.err != nil {
			return nil, d.err
		}
		if err := setup.Close(); err != nil {
			return nil, err
		}
		ch, err := s.conn.Channel()
		if err != nil {
			return nil, err
		}
		if err := ch.Confirm(false); err != nil {
			return nil, err
		}
		p := &publisher{
			session: s, ch: ch,
			window: make(chan struct{}, b.cfg.Window), gone: make(chan struct{}), silence: b.cfg.PublishTimeout / 2,
			batches: map[*batch]struct{}{}, exchanges: map[string]bool{}, queues: map[string]time.Time{},
		}
		closes := ch.NotifyClose(make(chan *amqp091.Error, 1))
		// Twice the same: see returns.
		first, second := ch.NotifyReturn(make(chan amqp091.Return)), ch.NotifyReturn(make(chan amqp091.Return))
		b.run(func() { p.returns(first, second) })
		b.run(func() { p.watch(closes) })
		return p, nil
	}, func(p *publisher) { _ = p.ch.Close() })
}

// watch waits for the end of the channel.
func (p *publisher) watch(closes <-chan *amqp091.Error) {
	look := time.NewTicker(max(p.silence/looks, time.Millisecond))
	defer look.Stop()
	var heard hearing
	for {
		select {
		case e := <-closes:
			p.cause = errors.New("the publishing channel was closed")
			if e != nil {
				p.cause = e
			}
			close(p.gone)
			return
		case <-look.C:
			p.overhear(&heard)
		}
	}
}

// looks is how often a publisher looks during a silence before it believes in it. They are
// counted, and not the time: a process that stood still has not listened meanwhile.
const looks = 4

// hearing is what a publisher had heard, and how many looks ago that was.
type hearing struct {
	landed int64
	looks  int
}

// overhear gives the connection up when messages are under way on it, and not one of
// them was confirmed for so long. It may stand and be of no use: RabbitMQ (3.10) can leave
// a channel waiting for ever for a queue that was deleted while it published there. What
// is under way is in doubt then, and goes out again on another connection.
func (p *publisher) overhear(h *hearing) {
	landed := p.landed.Load()
	why, _ := p.session.isBlocked()
	if landed != h.landed || len(p.window) == 0 || why != "" {
		*h = hearing{landed: landed}
		return
	}
	if h.looks++; h.looks >= looks {
		p.session.giveUp(fmt.Errorf("no message was confirmed for %s", p.silence))
	}
}

// returns notes what the broker returned as unroutable. RabbitMQ sends the
// return before the ack, but the library hands the two over by different ways,
// and the ack may overtake. So each return is taken twice: the library's reader
// gives it to first and then to second, and only goes on to the ack when both
// were taken, that is, when the return is noted.
func (p *publisher) returns(first, second <-chan amqp091.Return) {
	for r := range first {
		p.returned(&r)
		<-second
	}
}

func (p *publisher) returned(r *amqp091.Return) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for b := range p.batches {
		if b.returned(r) {
			return
		}
	}
}

func (p *publisher) add(b *batch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.batches[b] = struct{}{}
}

func (p *publisher) remove(b *batch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.batches, b)
}

// knows tells whether an exchange is known to exist.
func (p *publisher) knows(exchange string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return exchange == "" || p.exchanges[exchange]
}

func (p *publisher) learn(exchange string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.exchanges[exchange] = true
}

// forget makes the publisher look again whether exchanges and queues exist.
func (p *publisher) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.exchanges)
	clear(p.queues)
}

// checkExchange makes sure that an exchange exists: publishing to one that does
// not closes the channel, and throws everybody's messages into doubt.
func (b *Broker) checkExchange(ctx context.Context, p *publisher, wire string) error {
	if p.knows(wire) {
		return nil
	}
	_, err := control(ctx, b, func(ch *amqp091.Channel) (struct{}, error) {
		// The kind does not matter to a passive declaration.
		return struct{}{}, ch.ExchangeDeclarePassive(wire, amqp091.ExchangeDirect, true, false, false, false, nil)
	})
	switch {
	case err == nil:
		p.learn(wire)
		return nil
	case code(err) == amqp091.NotFound:
		return fmt.Errorf("exchange %s does not exist: %w", b.name.plain(wire), broker.ErrUnroutable)
	case errors.Is(err, broker.ErrUnavailable):
		return err
	}
	return classify(err, "exchange "+b.name.plain(wire))
}

// checkDelay makes sure that the queue of a rung exists, and the queue that the
// message returns to.
func (b *Broker) checkDelay(ctx context.Context, p *publisher, delay time.Duration, target string) error {
	p.mu.Lock()
	seen, known := p.queues[target], p.exchanges[b.name.wire(delayName(delay))]
	p.mu.Unlock()
	if known && time.Since(seen) < queueKnown {
		return nil
	}
	_, err := control(ctx, b, func(ch *amqp091.Channel) (struct{}, error) {
		if _, err := ch.QueueDeclarePassive(b.name.wire(target), true, false, false, false, nil); err != nil {
			return struct{}{}, classify(err, "queue "+target)
		}
		d := declarer{ch: ch, name: b.name}
		d.exchange(delayName(delay), amqp091.ExchangeFanout, nil)
		d.queue(delayName(delay), delayArguments(b.name, delay))
		d.bind(delayName(delay), delayName(delay), "")
		return struct{}{}, d.err
	})
	if errors.Is(err, broker.ErrNotFound) {
		return fmt.Errorf("queue %s does not exist: %w", target, broker.ErrUnroutable)
	}
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queues[target], p.exchanges[b.name.wire(delayName(delay))] = time.Now(), true
	return nil
}
