package amqp

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/rabbitmq/amqp091-go"
)

// consumerTag names the one consumer of a channel.
const consumerTag = "flow"

// consumer is one subscription on a channel of its own, from its beginning to
// its end. Its deliveries keep it, so a late ack can only go to the channel the
// delivery came from.
type consumer struct {
	b          *Broker
	session    *session
	ch         *amqp091.Channel
	queue      string
	deliveries <-chan amqp091.Delivery
	closes     <-chan *amqp091.Error
	cancels    <-chan string // the broker ended the subscription alone
	acks       *acks

	open     atomic.Int64 // deliveries handed out and not settled
	finished atomic.Bool  // nothing more will be handed out
	closing  atomic.Bool  // the channel is being closed
}

// pump sends deliveries to out until the channel or ctx ends.
func (c *consumer) pump(ctx context.Context, out chan<- *broker.Delivery) error {
	for {
		select {
		case d, ok := <-c.deliveries:
			if !ok {
				return c.cause()
			}
			if err := c.send(ctx, &d, out); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// send hands out one delivery. The error says why nothing can be handed out any more.
func (c *consumer) send(ctx context.Context, d *amqp091.Delivery, out chan<- *broker.Delivery) error {
	c.open.Add(1)
	s := &settler{c: c, tag: d.DeliveryTag}
	c.acks.add(s)
	select {
	case out <- broker.NewDelivery(c.b.message(d, c.queue), c.queue, d.Redelivered, s):
		return nil
	case e := <-c.closes: // it will be delivered again
		c.open.Add(-1)
		return closedBy(e)
	case <-c.cancels:
		c.giveBack(s)
		return c.cancelled()
	case <-ctx.Done():
		c.giveBack(s)
		return ctx.Err()
	}
}

func (c *consumer) giveBack(s *settler) {
	c.open.Add(-1)
	_ = c.acks.nack(s)
}

// cause is why the deliveries ended.
func (c *consumer) cause() error {
	select {
	case e := <-c.closes:
		return closedBy(e)
	default:
		return c.cancelled()
	}
}

func closedBy(e *amqp091.Error) error {
	if e == nil {
		return errors.New("the channel was closed")
	}
	return e
}

// cancelled cleans up after the broker has cancelled the consumer alone. Most
// likely the queue was removed: subscribing again will tell.
func (c *consumer) cancelled() error {
	c.finish()
	return errors.New("the broker cancelled the consumer")
}

// finish unsubscribes, gives back what was not handed out, and closes the
// channel when all that was handed out is settled. It talks to the broker.
func (c *consumer) finish() {
	dog := time.AfterFunc(rpcWait, c.session.net.abort)
	defer dog.Stop()
	_ = c.ch.Cancel(consumerTag, false)
	for d := range c.deliveries { // closed by Cancel, or with the channel
		_ = c.ch.Nack(d.DeliveryTag, false, true)
	}
	c.finished.Store(true)
	c.closeIfDone()
}

func (c *consumer) closeIfDone() {
	if c.finished.Load() && c.open.Load() == 0 && !c.closing.Swap(true) && !c.gone() {
		c.b.run(func() {
			c.acks.flushNow()
			c.session.drop(c.acks)
			dog := time.AfterFunc(rpcWait, c.session.net.abort)
			defer dog.Stop()
			_ = c.ch.Close()
		})
	}
}

// gone tells whether the channel has ended, and its deliveries with it.
func (c *consumer) gone() bool { return c.ch.IsClosed() || c.session.ended() }

// settler settles one delivery.
type settler struct {
	c            *consumer
	tag          uint64
	older, newer *settler // guarded by acks
}

// Ack removes the message from its queue.
func (s *settler) Ack(context.Context) error {
	return s.settle(s.c.acks.ack)
}

// Release gives the message back.
func (s *settler) Release(context.Context) error {
	return s.settle(s.c.acks.nack)
}

// settle sends an answer. ErrSessionGone means that it was not sent and the
// message will come again; an answer that was sent may still be lost with the
// connection, and then the message comes again too.
func (s *settler) settle(send func(*settler) error) error {
	if s.c.gone() || send(s) != nil {
		return broker.ErrSessionGone
	}
	s.c.open.Add(-1)
	if s.c.finished.Load() {
		s.c.closeIfDone()
	}
	return nil
}

// Publish publishes a copy of the message, unless the broker has it back anyhow.
func (s *settler) Publish(ctx context.Context, msgs ...broker.Message) error {
	if s.c.gone() {
		return broker.ErrSessionGone
	}
	return s.c.b.Publish(ctx, msgs...)
}
