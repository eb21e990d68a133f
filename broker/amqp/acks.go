package amqp

import (
	"sync"
	"time"

	"github.com/rabbitmq/amqp091-go"
)

const (
	ackDelay = time.Millisecond // how long an ack may wait for others
	ackMost  = 32               // how many may wait
)

// acks gathers the acks of one channel: what is acked up to the oldest open
// delivery goes out as one frame. A deep prefetch hides the short wait; with a
// shallow one every ack goes out at once.
type acks struct {
	ch   *amqp091.Channel
	most int

	mu      sync.Mutex // guards the fields below; held while frames are written, so they keep their order
	open    *settler   // oldest delivery that is handed out and not settled; a list by older, newer
	last    *settler   // newest of them
	waiting []uint64   // tags that are acked, but not yet on the wire
	timer   *time.Timer
	armed   bool
}

func newAcks(ch *amqp091.Channel, prefetch int) *acks {
	return &acks{ch: ch, most: min(ackMost, prefetch/8)}
}

// add notes a delivery that is about to be handed out. They come in the order of
// their tags.
func (a *acks) add(s *settler) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s.older = a.last; a.last != nil {
		a.last.newer = s
	} else {
		a.open = s
	}
	a.last = s
}

// remove forgets a delivery. mu is held.
func (a *acks) remove(s *settler) {
	if s.older != nil {
		s.older.newer = s.newer
	} else {
		a.open = s.newer
	}
	if s.newer != nil {
		s.newer.older = s.older
	} else {
		a.last = s.older
	}
	s.older, s.newer = nil, nil
}

// ack acks a delivery, now or in a moment.
func (a *acks) ack(s *settler) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.remove(s)
	if a.most <= 1 {
		return a.ch.Ack(s.tag, false)
	}
	a.waiting = append(a.waiting, s.tag)
	if len(a.waiting) >= a.most {
		return a.flush()
	}
	if !a.armed {
		a.armed = true
		if a.timer == nil {
			a.timer = time.AfterFunc(ackDelay, a.flushNow)
		} else {
			a.timer.Reset(ackDelay)
		}
	}
	return nil
}

// nack gives a delivery back. It stays open until the frame is written: an ack
// for all up to a later one must not overtake it.
func (a *acks) nack(s *settler) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	err := a.ch.Nack(s.tag, false, true)
	a.remove(s)
	return err
}

// flushNow sends the acks that wait.
func (a *acks) flushNow() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.armed = false
	_ = a.flush() // an error means that the channel is gone, and the messages come again
}

// flush sends the acks that wait. mu is held.
func (a *acks) flush() error {
	var upTo uint64
	for _, tag := range a.waiting {
		switch {
		case a.open == nil || tag < a.open.tag:
			upTo = max(upTo, tag)
		default: // an older one is still open
			if err := a.ch.Ack(tag, false); err != nil {
				return err
			}
		}
	}
	a.waiting = a.waiting[:0]
	if upTo == 0 {
		return nil
	}
	return a.ch.Ack(upTo, true)
}
