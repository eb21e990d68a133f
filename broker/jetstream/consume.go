package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A request for messages stays open on the server for pullExpires, so that idle
// consumers cost nothing; a heartbeat every pullBeat shows that it still is.
const (
	pullExpires = 5 * time.Minute
	pullBeat    = 30 * time.Second
	// pullBytes bounds what one request may bring; the server pushes it all into
	// the connection at once.
	pullBytes = 32 << 20
)

// Consume delivers messages until ctx ends. Messages that were not sent to out by
// then go back to the queue.
func (b *Broker) Consume(ctx context.Context, queue string, prefetch int, out chan<- *broker.Delivery) error {
	if prefetch < 1 {
		return fmt.Errorf("consume %s: a prefetch of at least 1 is needed, not %d", queue, prefetch)
	}
	ledger := b.ledgers.of(queue)
	ledger.consuming(1)
	b.presence.tell()
	defer func() { ledger.consuming(-1); b.presence.tell() }()
	for {
		s, err := b.sessions.wait(ctx)
		if err == nil {
			err = b.consume(ctx, s, ledger, prefetch, out)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, broker.ErrNotFound), errors.Is(err, broker.ErrClosed):
			return fmt.Errorf("consume %s: %w", queue, err)
		case err != nil && s != nil && s.alive():
			b.logger.WarnContext(ctx, "consumer begins again", "queue", queue, "err", err)
			pause(ctx, 500*time.Millisecond)
		}
	}
}

// consume is one session of Consume.
func (b *Broker) consume(ctx context.Context, s *session, l *ledger, prefetch int, out chan<- *broker.Delivery) error {
	if err := b.exists(ctx, s, l.queue); err != nil {
		return failure(err)
	}
	p := &puller{
		b: b, session: s, ledger: l, prefetch: prefetch,
		inbox: b.nc.NewInbox() + ".", in: make(chan *nats.Msg, 2*prefetch+64), room: make(chan struct{}, 1),
	}
	sub, err := b.nc.ChanSubscribe(p.inbox+"*", p.in)
	if err != nil {
		return unavailable(err)
	}
	err = p.run(ctx, out)
	p.end(sub)
	return err
}

func (b *Broker) exists(ctx context.Context, s *session, queue string) error {
	ctx, cancel := context.WithTimeout(ctx, publishLimit)
	defer cancel()
	_, err := during(ctx, s, func(ctx context.Context) (*jetstream.ConsumerInfo, error) { return b.info(ctx, queue) })
	return err
}

// puller asks for as many messages as there is room for. One request is open at
// a time: what it asks for and what is unsettled are never more than prefetch.
type puller struct {
	b        *Broker
	session  *session
	ledger   *ledger
	prefetch int
	inbox    string
	in       chan *nats.Msg // what the server sends
	room     chan struct{}  // holds a token when a delivery was settled

	unsettled atomic.Int64
	waiting   []*broker.Delivery // received and not sent to out; only used by run and end
	handles   []*handle          // of those
	request   uint64             // number of the latest request; only used by run
	asked     int                // messages it may still bring; only used by run
	heard     time.Time          // when the server was last heard of; only used by run
}

func (p *puller) run(ctx context.Context, out chan<- *broker.Delivery) error {
	watch := time.NewTicker(pullBeat)
	defer watch.Stop()
	for {
		if err := p.ask(); err != nil {
			return err
		}
		var sink chan<- *broker.Delivery
		var next *broker.Delivery
		if len(p.waiting) > 0 {
			sink, next = out, p.waiting[0]
		}
		select {
		case <-ctx.Done():
			return nil
		case <-p.session.ended():
			return nil
		case sink <- next:
			p.waiting, p.handles = p.waiting[1:], p.handles[1:]
		case m := <-p.in:
			if err := p.receive(ctx, m); err != nil {
				return err
			}
		case <-p.room:
		case <-watch.C:
			if p.asked > 0 && time.Since(p.heard) > 2*pullBeat+5*time.Second {
				return fmt.Errorf("%w: the request for messages got lost", broker.ErrUnavailable)
			}
		}
	}
}

// ask opens a request when none is open and there is room.
func (p *puller) ask() error {
	free := p.prefetch - int(p.unsettled.Load())
	if p.asked > 0 || free <= 0 {
		return nil
	}
	p.request++
	p.asked, p.heard = free, time.Now()
	body, err := json.Marshal(struct {
		Batch    int           `json:"batch"`
		MaxBytes int64         `json:"max_bytes"`
		Expires  time.Duration `json:"expires"`
		Beat     time.Duration `json:"idle_heartbeat"`
	}{free, max(pullBytes, 2*p.b.sessions.maxPayload()), pullExpires, pullBeat})
	if err != nil {
		return err
	}
	if err := p.b.nc.PublishRequest(pullSubject(p.b.names.stream(p.ledger.queue)), p.inbox+strconv.FormatUint(p.request, 36), body); err != nil {
		return unavailable(err)
	}
	return nil
}

func pullSubject(stream string) string { return "$JS.API.CONSUMER.MSG.NEXT." + stream + "." + durable }

// receive takes in a message, or what the server says of a request.
func (p *puller) receive(ctx context.Context, m *nats.Msg) error {
	p.heard = time.Now()
	if isDelivery(m) {
		p.asked = max(p.asked-1, 0)
		p.take(m)
		return nil
	}
	status := m.Header.Get("Status")
	if number, err := strconv.ParseUint(strings.TrimPrefix(m.Subject, p.inbox), 36, 64); err != nil || number != p.request {
		return nil // about an earlier request
	}
	switch status {
	case "100": // heartbeat
		return nil
	case "404", "408", "409":
		p.asked = 0
		if what := strings.ToLower(m.Header.Get("Description")); !strings.Contains(what, "deleted") && !strings.Contains(what, "leadership") && !strings.Contains(what, "shutdown") {
			return nil // expired, or complete: ask again
		}
	}
	p.asked = 0
	if err := p.b.exists(ctx, p.session, p.ledger.queue); err != nil {
		return failure(err)
	}
	return fmt.Errorf("%w: status %s %s", broker.ErrUnavailable, status, m.Header.Get("Description"))
}

// isDelivery tells a message from what the server says about a request.
func isDelivery(m *nats.Msg) bool { return strings.HasPrefix(m.Reply, "$JS.ACK.") }

// take makes a delivery of a message.
func (p *puller) take(m *nats.Msg) {
	meta, err := m.Metadata()
	if err != nil {
		p.b.logger.Warn("a message that is no delivery was ignored", "queue", p.ledger.queue, "err", err)
		return
	}
	h := &handle{b: p.b, ledger: p.ledger, session: p.session, reply: m.Reply, seq: meta.Sequence.Stream, settled: p.release}
	p.unsettled.Add(1)
	p.ledger.add(h)
	msg := decodeMessage(m.Header, m.Data)
	if msg.ID == "" {
		msg.ID = p.ledger.queue + "#" + strconv.FormatUint(h.seq, 10)
	}
	if msg.Key == "" && msg.Exchange == "" {
		msg.Key = p.ledger.queue
	}
	if q, ok := p.b.table.queue(p.ledger.queue); ok && q.Limits.MessageTTL > 0 && time.Since(meta.Timestamp) >= q.Limits.MessageTTL {
		p.b.wg.Go(func() { p.b.expire(h, msg) })
		return
	}
	repeated := meta.NumDelivered > 1 || msg.Headers[broker.HeaderRepeat] != "" || p.b.table.suspect(p.ledger.queue, h.seq)
	p.waiting = append(p.waiting, broker.NewDelivery(msg, p.ledger.queue, repeated, h))
	p.handles = append(p.handles, h)
}

func (p *puller) release() {
	p.unsettled.Add(-1)
	select {
	case p.room <- struct{}{}:
	default:
	}
}

// end gives back what was received and not sent on. It stops listening in an
// order that loses nothing: first the server drops the request, then all that it
// had sent before arrives, then the local end closes.
func (p *puller) end(sub *nats.Subscription) {
	_ = sub.Drain()
	if p.session.alive() {
		ctx, cancel := context.WithTimeout(p.session.over, 2*time.Second)
		_ = p.b.nc.FlushWithContext(ctx)
		cancel()
	}
	_ = sub.Unsubscribe()
	for {
		select {
		case m := <-p.in:
			if isDelivery(m) {
				p.take(m)
			}
			continue
		default:
		}
		break
	}
	for _, h := range p.handles {
		if p.session.alive() && p.ledger.remove(h) {
			_ = p.b.nc.Publish(h.reply, sayNak)
		}
	}
	if !p.session.alive() {
		p.b.giveBack() // if there is a session again already
	}
}
