package parcel

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/elasticcode/flow/broker"
)

// parcel is a delivery whose messages are settled one by one.
type parcel struct {
	delivery *broker.Delivery

	mu      sync.Mutex       // guards the fields below
	open    int              // messages that are not settled
	back    []broker.Message // messages that are given back, but not published yet
	sending bool             // somebody publishes them, now or in a moment
}

// open returns a delivery for each message of one.
func open(d *broker.Delivery) []*broker.Delivery {
	msgs, err := unpack(d.Message)
	if err != nil || len(msgs) == 1 {
		return []*broker.Delivery{d} // a damaged one is for those who know what is no call
	}
	p := &parcel{delivery: d, open: len(msgs)}
	out, parts := make([]*broker.Delivery, len(msgs)), make([]part, len(msgs))
	for i, m := range msgs {
		parts[i] = part{p, m}
		out[i] = broker.NewDelivery(m, d.Queue, d.Redelivered, &parts[i])
		out[i].Companions = len(msgs) - 1
	}
	return out
}

// part settles one message of a parcel.
type part struct {
	of *parcel
	m  broker.Message
}

// Ack counts; the last of a parcel acks it.
func (p *part) Ack(ctx context.Context) error { return p.of.settled(ctx, 1) }

// Publish publishes what is to stand for the message.
func (p *part) Publish(ctx context.Context, msgs ...broker.Message) error {
	return p.of.delivery.Publish(ctx, msgs...)
}

// Release gives the message back alone, together with others of the parcel that
// are given back at the same moment. Until it is published, the parcel is not
// acked.
func (p *part) Release(context.Context) error {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	m := p.m
	m.Exchange, m.Key, m.Together = "", p.of.delivery.Queue, false
	m.Headers = maps.Clone(m.Headers)
	if m.Headers == nil {
		m.Headers = map[string]string{}
	}
	m.Headers[broker.HeaderRepeat] = "1"
	p.of.back = append(p.of.back, m)
	if !p.of.sending {
		p.of.sending = true
		time.AfterFunc(moment, p.of.sendBack)
	}
	return nil
}

// moment is how long one that is given back waits for others.
const moment = 2 * time.Millisecond

// settled counts messages that are settled.
func (p *parcel) settled(ctx context.Context, n int) error {
	p.mu.Lock()
	p.open -= n
	last := p.open == 0
	p.mu.Unlock()
	if last {
		return p.delivery.Ack(ctx)
	}
	return nil
}

// sendBack publishes what was given back, until the broker has it or takes the
// whole parcel back itself, as it does when the session ends. It has no other
// end: to give up would keep the parcel from everybody.
func (p *parcel) sendBack() {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		p.mu.Lock()
		msgs := p.back
		p.back = nil
		p.sending = len(msgs) > 0
		p.mu.Unlock()
		if len(msgs) == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		err := p.delivery.Publish(ctx, msgs...)
		left := unsent(msgs, err)
		if n := len(msgs) - len(left); n > 0 {
			_ = p.settled(ctx, n) // if the ack does not arrive, all of it comes again
		}
		cancel()
		if errors.Is(err, broker.ErrSessionGone) || errors.Is(err, broker.ErrClosed) {
			return // all of it comes again
		}
		if len(left) > 0 {
			p.mu.Lock()
			p.back = append(left, p.back...)
			p.mu.Unlock()
			time.Sleep(wait)
		} else {
			wait = 50 * time.Millisecond
		}
	}
}

// unsent returns the messages that are still to be published.
func unsent(msgs []broker.Message, err error) []broker.Message {
	if err == nil {
		return nil
	}
	partly, ok := errors.AsType[*broker.PublishError](err)
	if !ok || len(partly.Errs) != len(msgs) {
		return msgs
	}
	var left []broker.Message
	for i, e := range partly.Errs {
		if e != nil && !errors.Is(e, broker.ErrUnroutable) { // the queue is gone, and what was in it with it
			left = append(left, msgs[i])
		}
	}
	return left
}
