package broker

import (
	"context"
	"fmt"
	"maps"
	"sync/atomic"
	"time"
)

// Delivery is one message handed to a consumer. Exactly one of Ack, Retry, Dead
// and Release settles it; a second try returns ErrSettled.
type Delivery struct {
	Message
	// Queue is where it was consumed from.
	Queue string
	// Redelivered says that it was, or may have been, delivered before.
	Redelivered bool
	// Companions is how many other messages the broker delivered as one with it.
	Companions int

	settler Settler
	settled atomic.Bool
}

// Settler is what a driver gives a delivery to settle it with.
type Settler interface {
	// Ack removes the message from its queue.
	Ack(ctx context.Context) error
	// Release gives the message back to its queue at once.
	Release(ctx context.Context) error
	// Publish publishes with confirmation, as Broker.Publish does.
	Publish(ctx context.Context, msgs ...Message) error
}

// NewDelivery is for drivers: it ties a message to its way of being settled.
func NewDelivery(m Message, queue string, redelivered bool, s Settler) *Delivery {
	return &Delivery{Message: m, Queue: queue, Redelivered: redelivered, settler: s}
}

// Ack says that the message is done with.
func (d *Delivery) Ack(ctx context.Context) error {
	if d.settled.Swap(true) {
		return ErrSettled
	}
	return d.settler.Ack(ctx)
}

// Release gives a message back that was not begun, for another consumer.
func (d *Delivery) Release(ctx context.Context) error {
	if d.settled.Swap(true) {
		return ErrSettled
	}
	return d.settler.Release(ctx)
}

// Retry puts the message back into its queue after a delay, with the body and
// headers given (nil keeps those it has), and then acks this delivery. The copy
// is confirmed first: a crash between the two leaves a repeat, not a gap.
func (d *Delivery) Retry(ctx context.Context, delay time.Duration, body []byte, headers map[string]string) error {
	m := d.Message
	m.Exchange, m.Key, m.Delay = "", d.Queue, delay
	if body != nil {
		m.Body = body
	}
	if headers != nil {
		m.Headers = headers
	}
	return d.move(ctx, m, "retry")
}

// Publish publishes, with confirmation, what is to stand for the message once it
// is settled. ErrSessionGone says that it comes again instead.
func (d *Delivery) Publish(ctx context.Context, msgs ...Message) error {
	return d.settler.Publish(ctx, msgs...)
}

// Dead puts the message into DeadLetters with the reason, and then acks it.
func (d *Delivery) Dead(ctx context.Context, reason string) error {
	m := d.Message
	m.Exchange, m.Key, m.Delay = "", DeadLetters, 0
	m.Headers = maps.Clone(m.Headers)
	if m.Headers == nil {
		m.Headers = map[string]string{}
	}
	m.Headers[HeaderDeadReason] = reason
	m.Headers[HeaderDeadQueue] = d.Queue
	return d.move(ctx, m, "dead-letter")
}

func (d *Delivery) move(ctx context.Context, m Message, verb string) error {
	if d.settled.Swap(true) {
		return ErrSettled
	}
	if err := d.settler.Publish(ctx, m); err != nil {
		d.settled.Store(false) // nothing was moved: it can still be settled
		return fmt.Errorf("%s %s: %w", verb, d.ID, err)
	}
	return d.settler.Ack(ctx)
}
