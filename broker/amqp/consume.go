package amqp

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/rabbitmq/amqp091-go"
)

// Consume delivers messages of a queue until ctx ends.
func (b *Broker) Consume(ctx context.Context, queue string, prefetch int, out chan<- *broker.Delivery) error {
	prefetch = min(max(prefetch, 1), math.MaxUint16)
	link := b.place()
	defer link.channels.Add(-1)
	var wait backoff
	for ctx.Err() == nil {
		s, err := link.session(ctx)
		began := time.Now()
		if err == nil {
			err = b.consumeOnce(ctx, s, queue, prefetch, out)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, broker.ErrNotFound), errors.Is(err, broker.ErrClosed), code(err) == amqp091.AccessRefused:
			return fmt.Errorf("consume: %w", err)
		case b.ctx.Err() != nil:
			return fmt.Errorf("consume from queue %s: %w", queue, broker.ErrClosed)
		}
		if s == nil || link.lost(ctx, s) { // the link says so, and knows how long to wait
			continue
		}
		b.log.WarnContext(ctx, "consumer lost its channel; opening another", "queue", queue, "err", err)
		wait.ran(time.Since(began))
		wait.wait(ctx)
	}
	return nil
}

// place chooses a connection for one more consumer, and makes another when all
// are full.
func (b *Broker) place() *link {
	b.placing.Lock()
	defer b.placing.Unlock()
	for _, l := range append([]*link{b.consuming}, b.more...) {
		if l.channels.Add(1) <= l.room() {
			return l
		}
		l.channels.Add(-1)
	}
	l := b.link(fmt.Sprintf("consume%d", len(b.more)+2))
	l.channels.Add(1)
	b.more = append(b.more, l)
	return l
}

// consumeOnce consumes on one channel until it or ctx ends.
func (b *Broker) consumeOnce(ctx context.Context, s *session, queue string, prefetch int, out chan<- *broker.Delivery) error {
	c, err := call(ctx, s, b.run, func() (*consumer, error) {
		return b.openConsumer(s, queue, prefetch)
	}, (*consumer).finish)
	if err != nil {
		return err
	}
	err = c.pump(ctx, out)
	if ctx.Err() == nil {
		return err
	}
	// Give back what was not sent, before returning if the broker is quick.
	given := make(chan struct{})
	b.run(func() {
		defer close(given)
		c.finish()
	})
	t := time.NewTimer(2 * time.Second)
	defer t.Stop()
	select {
	case <-given:
	case <-s.done:
	case <-t.C:
	}
	return nil
}

// openConsumer opens a channel and subscribes. It talks to the broker.
func (b *Broker) openConsumer(s *session, queue string, prefetch int) (*consumer, error) {
	ch, err := s.conn.Channel()
	if err != nil {
		return nil, unavailable(b.ctx, err)
	}
	c := &consumer{b: b, session: s, ch: ch, queue: queue, acks: newAcks(ch, prefetch)}
	c.closes = ch.NotifyClose(make(chan *amqp091.Error, 1))
	c.cancels = ch.NotifyCancel(make(chan string, 1))
	if err := ch.Qos(prefetch, 0, false); err != nil {
		_ = ch.Close()
		return nil, classify(err, "queue "+queue)
	}
	s.carry(c.acks)
	if c.deliveries, err = ch.Consume(b.name.wire(queue), consumerTag, false, false, false, false, nil); err != nil {
		_ = ch.Close()
		return nil, classify(err, "queue "+queue)
	}
	return c, nil
}
