package jetstream

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// expiredReason is what the contract calls a message that waited too long.
const expiredReason = broker.ReasonExpired

// How often a queue with a limit in time is looked at, at least and at most.
const (
	lookOften  = 100 * time.Millisecond
	lookRarely = 30 * time.Second
)

// deadWire is a message on its way to the dead letters. The same dedup id for
// the same message makes one dead letter of several attempts.
func (b *Broker) deadWire(m broker.Message, queue, reason, dedup string) *wire {
	m.Exchange, m.Key = "", broker.DeadLetters
	m.Headers = maps.Clone(m.Headers)
	if m.Headers == nil {
		m.Headers = map[string]string{}
	}
	m.Headers[broker.HeaderDeadReason] = reason
	m.Headers[broker.HeaderDeadQueue] = queue
	return &wire{queue: broker.DeadLetters, out: encodeMessage(m, b.names.subject(broker.DeadLetters), dedup)}
}

func (b *Broker) expiredWire(m broker.Message, queue string, seq uint64) *wire {
	return b.deadWire(m, queue, expiredReason, "expired."+b.names.stream(queue)+"."+strconv.FormatUint(seq, 10))
}

// expire moves a delivery that is too late to the dead letters.
func (b *Broker) expire(h *handle, m broker.Message) {
	ctx, cancel := context.WithTimeout(h.session.over, publishLimit)
	defer cancel()
	if err := b.sendOne(ctx, b.expiredWire(m, h.ledger.queue, h.seq)); err != nil {
		b.logger.WarnContext(ctx, "an expired message stays in its queue for now", "queue", h.ledger.queue, "err", err)
		if h.session.alive() && h.ledger.remove(h) {
			nakLater(b.nc, h.reply, time.Second)
		}
		return
	}
	_ = h.Ack(ctx) // if not, it is found expired once more
}

// enforceLimits looks at queues whose messages or themselves expire, until ctx
// ends. While a queue has consumers, they find expired messages themselves.
func (b *Broker) enforceLimits(ctx context.Context) {
	e := &enforcer{b: b, looks: map[string]look{}}
	changed := make(chan struct{}, 1)
	b.table.onChange(func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	defer b.table.onChange(nil)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-timer.C:
		}
		timer.Reset(e.round(ctx))
	}
}

// enforcer remembers when to look at which queue; used by one goroutine.
type enforcer struct {
	b     *Broker
	looks map[string]look
}

type look struct {
	next time.Time
	used time.Time // when the queue was last seen in use, or first seen at all
}

// round looks at the queues whose time has come and tells how long to wait.
func (e *enforcer) round(ctx context.Context) time.Duration {
	queues := e.b.table.list(func(q queueEntry) bool { return q.Limits.MessageTTL > 0 || q.Limits.Expires > 0 })
	wait := lookRarely
	looks := make(map[string]look, len(queues))
	for _, q := range queues {
		l, known := e.looks[q.Name]
		if !known {
			l.used = time.Now() // after a restart its consumers need a moment to come back
		}
		if !time.Now().Before(l.next) && ctx.Err() == nil {
			l = e.look(ctx, q, l)
		}
		looks[q.Name] = l
		wait = min(wait, time.Until(l.next))
	}
	e.looks = looks
	return max(wait, lookOften/2)
}

// look enforces the limits of one queue.
func (e *enforcer) look(ctx context.Context, q queueEntry, l look) look {
	again := lookRarely
	ctx, cancel := context.WithTimeout(ctx, publishLimit)
	defer cancel()
	info, err := e.b.info(ctx, q.Name)
	if err != nil {
		l.next = time.Now().Add(time.Second)
		return l
	}
	stats := e.b.stats(q.Name, info)
	if q.Limits.MessageTTL > 0 {
		again = min(again, q.Limits.MessageTTL)
		if stats.Messages > 0 && info.NumWaiting == 0 {
			if again, err = e.sweep(ctx, q, info); err != nil {
				e.b.logger.DebugContext(ctx, "expired messages stay for now", "queue", q.Name, "err", err)
				again = time.Second
			}
		}
	}
	if q.Limits.Expires > 0 {
		again = min(again, q.Limits.Expires/4)
		if stats.Consumers > 0 || stats.Unacked > 0 {
			l.used = time.Now()
		} else if time.Since(e.lastUse(ctx, q, info, l)) > q.Limits.Expires {
			if err := e.b.removeQueue(ctx, q.Name); err != nil {
				e.b.logger.WarnContext(ctx, "a queue that nobody uses was not removed", "queue", q.Name, "err", err)
			}
		}
	}
	l.next = time.Now().Add(min(max(again, lookOften), lookRarely))
	return l
}

// lastUse is the latest that a queue was declared, published to or consumed.
func (e *enforcer) lastUse(ctx context.Context, q queueEntry, info *jetstream.ConsumerInfo, l look) time.Time {
	last := q.Declared
	for _, t := range []*time.Time{&l.used, info.Delivered.Last, info.AckFloor.Last} {
		if t != nil && t.After(last) {
			last = *t
		}
	}
	s, err := e.b.js.Stream(ctx, e.b.names.stream(q.Name))
	if err != nil {
		return time.Now()
	}
	if t := s.CachedInfo().State.LastTime; t.After(last) {
		last = t
	}
	return last
}

// sweep moves expired messages from the head of a queue that nobody consumes to
// the dead letters, and tells when the next one may expire. It looks before it
// takes, so that what has not expired is not marked as delivered.
func (e *enforcer) sweep(ctx context.Context, q queueEntry, info *jetstream.ConsumerInfo) (time.Duration, error) {
	if info.NumAckPending == 0 {
		head, _, err := e.b.next(ctx, q.Name, info.Delivered.Stream+1)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return q.Limits.MessageTTL, nil
		}
		if err != nil {
			return 0, err
		}
		if stored, err := time.Parse(time.RFC3339Nano, head.Header.Get("Nats-Time-Stamp")); err == nil {
			if left := q.Limits.MessageTTL - time.Since(stored); left > 0 {
				return left + time.Millisecond, nil
			}
		}
	}
	for {
		taken, err := e.b.fetch(ctx, q.Name, 1)
		if err != nil || len(taken) == 0 {
			return q.Limits.MessageTTL, err
		}
		if left, err := e.sweepOne(ctx, q, taken[0]); left > 0 || err != nil {
			return left, err
		}
	}
}

// sweepOne gives a taken message back when it has not expired.
func (e *enforcer) sweepOne(ctx context.Context, q queueEntry, m *nats.Msg) (left time.Duration, err error) {
	meta, err := m.Metadata()
	if err != nil {
		return 0, err
	}
	if left := q.Limits.MessageTTL - time.Since(meta.Timestamp); left > 0 {
		return left + time.Millisecond, m.Respond(sayNak)
	}
	w := e.b.expiredWire(decodeMessage(m.Header, m.Data), q.Name, meta.Sequence.Stream)
	if err := e.b.sendOne(ctx, w); err != nil {
		nakLater(e.b.nc, m.Reply, time.Second)
		return 0, err
	}
	return 0, m.Respond(sayAck)
}
