package amqp

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/rabbitmq/amqp091-go"
)

// batch are the messages of one Publish on their way. All but returned is only
// used by the goroutine that called Publish.
type batch struct {
	b     *Broker
	items []item
	left  int // items that are not settled
}

// item is one message:
//
//	waiting ──publish──► flying ──confirmed, returned or refused──► settled
//	   ▲                   │
//	   └──session ended────┘  (in doubt: goes out again, marked as a repeat)
type item struct {
	msg           *broker.Message
	exchange, key string        // on the wire
	delay         time.Duration // of the rung
	confirm       *amqp091.DeferredConfirmation
	settled       bool
	repeat        bool
	err           error
	unroutable    atomic.Bool // set by the publisher's returns
	inFlight      atomic.Bool // read by the publisher's returns
}

func newBatch(b *Broker, msgs []broker.Message) *batch {
	f := &batch{b: b, items: make([]item, len(msgs)), left: len(msgs)}
	for i := range msgs {
		it := &f.items[i]
		it.msg = &msgs[i]
		it.exchange, it.key = b.name.exchange(it.msg.Exchange), b.name.key(it.msg.Exchange, it.msg.Key)
		err := b.check(it.msg)
		if err == nil && it.msg.Delay > 0 {
			if it.delay, err = rung(it.msg.Delay); err == nil {
				it.exchange = b.name.wire(delayName(it.delay))
			}
		}
		if err != nil {
			f.settle(it, err)
		}
	}
	return f
}

// settle says what became of an item.
func (f *batch) settle(it *item, err error) {
	if err != nil {
		err = fmt.Errorf("message %s to %s: %w", it.msg.ID, where(it.msg), err)
	}
	it.settled, it.err = true, err
	f.left--
}

func where(m *broker.Message) string {
	if m.Exchange == "" {
		return "queue " + m.Key
	}
	return fmt.Sprintf("exchange %s with key %q", m.Exchange, m.Key)
}

// flyWith sends what is not settled through p and waits for the confirmations.
// What is still not settled afterwards is in doubt, or ctx has ended.
func (f *batch) flyWith(ctx context.Context, p *publisher) {
	p.add(f)
	defer p.remove(f)
	flying := 0 // the first that may be unconfirmed
	for i := range f.items {
		it := &f.items[i]
		if it.settled {
			continue
		}
		if !f.prepare(ctx, p, it) {
			if errors.Is(it.err, broker.ErrUnroutable) {
				continue
			}
			f.hold(i+1, it.err)
			break
		}
		if !f.room(ctx, p, &flying, i) || !f.send(p, it) {
			break
		}
	}
	for ; flying < len(f.items); flying++ {
		f.land(ctx, p, &f.items[flying])
	}
}

// hold fails what comes behind a message that could not be sent now: a record
// of a call must not arrive where the call before it does not.
func (f *batch) hold(from int, why error) {
	for i := from; i < len(f.items); i++ {
		if it := &f.items[i]; !it.settled {
			f.settle(it, fmt.Errorf("not sent, since one before it was not: %w", why))
		}
	}
}

// prepare makes sure that the message can be sent to its exchange.
func (f *batch) prepare(ctx context.Context, p *publisher, it *item) bool {
	if it.delay == 0 && it.exchange == "" {
		return true
	}
	var err error
	if it.delay > 0 {
		err = f.b.checkDelay(ctx, p, it.delay, it.msg.Key)
	} else {
		err = f.b.checkExchange(ctx, p, it.exchange)
	}
	if err != nil {
		f.settle(it, err)
	}
	return err == nil
}

// room waits for a place in the window, and for a blocked broker. Meanwhile it
// takes the batch's own confirmations, which hold places.
func (f *batch) room(ctx context.Context, p *publisher, flying *int, next int) bool {
	for {
		if why, unblocked := p.session.isBlocked(); why != "" {
			select {
			case <-unblocked:
				continue
			case <-p.gone:
				return false
			case <-ctx.Done():
				return false
			}
		}
		select {
		case p.window <- struct{}{}:
			return true
		default:
		}
		if *flying < next { // the oldest of ours holds a place, or is settled
			if !f.land(ctx, p, &f.items[*flying]) {
				return false
			}
			*flying++
			continue
		}
		select {
		case p.window <- struct{}{}:
			return true
		case <-p.gone:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// send hands one message to the library. The place in the window is taken.
func (f *batch) send(p *publisher, it *item) bool {
	it.unroutable.Store(false)
	it.inFlight.Store(true)
	confirm, err := p.ch.PublishWithDeferredConfirm(it.exchange, it.key, true, false, publishing(it.msg, it.repeat))
	if err != nil {
		it.inFlight.Store(false)
		<-p.window
		if !errors.Is(err, amqp091.ErrClosed) { // some of it may have been written
			it.repeat = true
		}
		return false
	}
	it.confirm = confirm
	return true
}

// land waits for the confirmation of an item, if it flies. It returns false when
// waiting is over: the session or ctx has ended.
func (f *batch) land(ctx context.Context, p *publisher, it *item) bool {
	if it.confirm == nil {
		return true
	}
	select {
	case <-it.confirm.Done():
	default:
		select {
		case <-it.confirm.Done():
		case <-ctx.Done():
			it.confirm = nil
			it.inFlight.Store(false)
			it.repeat = true
			<-p.window
			return false
		}
	}
	acked := it.confirm.Acked()
	p.landed.Add(1)
	it.confirm = nil
	it.inFlight.Store(false)
	<-p.window
	switch {
	case acked && it.unroutable.Load():
		f.landUnroutable(p, it)
	case acked:
		f.settle(it, nil)
	case p.ch.IsClosed() || p.session.ended(): // the library makes a refusal of what it lost
		return f.doubt(ctx, p, it)
	default:
		f.settle(it, broker.ErrFull)
	}
	return true
}

// landUnroutable settles a returned message. A delayed one can only come back
// when somebody removed the delay's queue: it is declared and used again.
func (f *batch) landUnroutable(p *publisher, it *item) {
	if it.delay > 0 {
		p.forget()
	}
	f.settle(it, broker.ErrUnroutable)
}

// doubt handles a message that was on its way when the channel ended.
func (f *batch) doubt(ctx context.Context, p *publisher, it *item) bool {
	it.repeat = true
	select {
	case <-p.gone:
	case <-ctx.Done():
		return false
	}
	if err := blame(p.cause, it.exchange, len(it.msg.Body)); err != nil {
		f.settle(it, err)
		return true
	}
	return false
}

// returned notes the return if it is about an item of this batch. It is called
// by the publisher, while the items fly.
func (f *batch) returned(r *amqp091.Return) bool {
	for i := range f.items {
		it := &f.items[i]
		if it.inFlight.Load() && it.msg.ID == r.MessageId && it.key == r.RoutingKey && it.exchange == r.Exchange && it.unroutable.CompareAndSwap(false, true) {
			return true
		}
	}
	return false
}

// failRest settles everything that is not, with the same error.
func (f *batch) failRest(err error) {
	for i := range f.items {
		if it := &f.items[i]; !it.settled {
			f.settle(it, err)
		}
	}
}

// result is nil or a *broker.PublishError.
func (f *batch) result() error {
	var errs []error
	for i := range f.items {
		if err := f.items[i].err; err != nil {
			if errs == nil {
				errs = make([]error, len(f.items))
			}
			errs[i] = err
		}
	}
	if errs == nil {
		return nil
	}
	return &broker.PublishError{Errs: errs}
}
