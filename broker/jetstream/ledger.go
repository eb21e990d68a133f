package jetstream

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/nats-io/nats.go"
)

// What is published to a delivery's reply subject.
var (
	sayAck        = []byte("+ACK")
	sayNak        = []byte("-NAK")
	sayInProgress = []byte("+WPI")
)

// handle is one delivery that is not settled. It implements broker.Settler.
type handle struct {
	b       *Broker
	ledger  *ledger
	session *session
	reply   string
	seq     uint64 // of the message in its stream
	settled func() // tells the consumer that there is room

	beat atomic.Int64 // when the server last heard of it, in nanoseconds of the Go clock
}

var _ broker.Settler = (*handle)(nil)

// Ack removes the message. The server is told and not asked: an ack that gets
// lost leads to another delivery, and nothing worse.
func (h *handle) Ack(context.Context) error { return h.settle(sayAck) }

// Release gives the message back at once.
func (h *handle) Release(context.Context) error { return h.settle(sayNak) }

// Publish publishes what a retry or dead-letter puts elsewhere. A retry into the
// very queue that is full waits beside it: the place it needs is its own, which
// is free as soon as it is acked.
func (h *handle) Publish(ctx context.Context, msgs ...broker.Message) error {
	if !h.alive() {
		return broker.ErrSessionGone
	}
	err := h.b.Publish(ctx, msgs...)
	if errors.Is(err, broker.ErrFull) && len(msgs) == 1 && msgs[0].Exchange == "" && msgs[0].Key == h.ledger.queue && msgs[0].Delay == 0 {
		msgs[0].Delay = time.Millisecond
		err = h.b.Publish(ctx, msgs...)
	}
	return err
}

// settle cannot block, so it needs no context. What cannot be settled any more
// stays on the ledger, for giveBack.
func (h *handle) settle(say []byte) error {
	if !h.session.alive() {
		return broker.ErrSessionGone
	}
	fresh := h.alive()
	if !h.ledger.remove(h) || !fresh {
		return broker.ErrSessionGone
	}
	if h.b.outbox.put(h.session.ended(), mail{msg: &nats.Msg{Subject: h.reply, Data: say}}) != nil {
		h.ledger.add(h)
		return broker.ErrSessionGone
	}
	return nil
}

// alive tells whether the delivery can still be settled: the connection is the
// same, and the server has heard of it within AckWait (it may not have when the
// process was stopped for a while).
func (h *handle) alive() bool {
	return h.session.alive() && time.Since(started)-time.Duration(h.beat.Load()) < h.b.cfg.AckWait
}

// started is what beats are counted from: it has a monotonic clock reading.
var started = time.Now()

func (h *handle) touch() { h.beat.Store(int64(time.Since(started))) }

// ledger is what this process holds of one queue.
type ledger struct {
	queue string

	mu        sync.Mutex // guards the fields below
	held      map[*handle]struct{}
	consumers int // Consume calls that run
}

func (l *ledger) add(h *handle) {
	h.touch()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held[h] = struct{}{}
}

// remove takes a delivery off the ledger and tells whether it was on it.
func (l *ledger) remove(h *handle) bool {
	l.mu.Lock()
	_, ok := l.held[h]
	delete(l.held, h)
	l.mu.Unlock()
	if ok {
		h.settled()
	}
	return ok
}

func (l *ledger) consuming(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.consumers += n
}

func (l *ledger) counts() (consumers, held int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.consumers, len(l.held)
}

func (l *ledger) handles() []*handle {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]*handle, 0, len(l.held))
	for h := range l.held {
		out = append(out, h)
	}
	return out
}

// ledgers has a ledger per queue that was consumed from.
type ledgers struct {
	mu  sync.Mutex // guards all
	all map[string]*ledger
}

func newLedgers() *ledgers { return &ledgers{all: map[string]*ledger{}} }

func (ls *ledgers) of(queue string) *ledger {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.all[queue]
	if l == nil {
		l = &ledger{queue: queue, held: map[*handle]struct{}{}}
		ls.all[queue] = l
	}
	return l
}

func (ls *ledgers) list() []*ledger {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	out := make([]*ledger, 0, len(ls.all))
	for _, l := range ls.all {
		out = append(out, l)
	}
	return out
}

// keepAlive tells the server of deliveries that take long, so that it does not
// give them to another consumer.
func (b *Broker) keepAlive(ctx context.Context) {
	every := b.cfg.AckWait / 4
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, l := range b.ledgers.list() {
			for _, h := range l.handles() {
				since := time.Since(started) - time.Duration(h.beat.Load())
				if since > every/2 && h.alive() && b.nc.Publish(h.reply, sayInProgress) == nil {
					h.touch()
				}
			}
		}
	}
}

// giveBack returns to their queues the deliveries of sessions that have ended.
// The server keeps them for AckWait otherwise: it does not know of sessions.
func (b *Broker) giveBack() {
	s, _, _ := b.sessions.now()
	if s == nil {
		return
	}
	b.giveBackWhere(s.server, func(h *handle) bool { return h.session != s })
}

// giveBackAll is for Close.
func (b *Broker) giveBackAll(server string) {
	b.giveBackWhere(server, func(*handle) bool { return true })
}

// giveBackWhere tells the server only of what it has given itself: one that was
// restarted has begun to count anew, and has nothing out.
func (b *Broker) giveBackWhere(server string, which func(*handle) bool) {
	for _, l := range b.ledgers.list() {
		for _, h := range l.handles() {
			if which(h) && l.remove(h) && h.session.server == server {
				_ = b.nc.Publish(h.reply, sayNak)
			}
		}
	}
}

// nakLater gives a message back that is not to be delivered before a while.
func nakLater(nc *nats.Conn, reply string, delay time.Duration) {
	_ = nc.Publish(reply, append(append([]byte{}, sayNak...), []byte(" "+delay.String())...))
}
