package jetstream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// answerTime is how long an answer of a stream may take before the message is
// sent again, with the connection still there.
const answerTime = 5 * time.Second

// Publish returns when all messages are on the server's disk (or in its memory,
// with MemoryStorage). It sends again what is in doubt until the deadline of ctx
// or its own of 15 s; the streams drop the repeats.
func (b *Broker) Publish(ctx context.Context, msgs ...broker.Message) error {
	if len(msgs) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, publishLimit)
	defer cancel()
	errs := make([]error, len(msgs))
	wires := make([]*wire, 0, len(msgs))
	caughtUp := false
	for i, m := range msgs {
		if errs[i] = check(m); errs[i] != nil {
			continue
		}
		queues, err := b.route(ctx, m, &caughtUp)
		if err != nil {
			errs[i] = fmt.Errorf("message %s: %w", m.ID, err)
			continue
		}
		for _, q := range queues {
			w, err := b.wire(i, m, q)
			if errs[i] = err; err != nil {
				break
			}
			wires = append(wires, w)
		}
	}
	b.send(ctx, wires)
	collect(msgs, wires, errs)
	for _, err := range errs {
		if err != nil {
			return &broker.PublishError{Errs: errs}
		}
	}
	return nil
}

func check(m broker.Message) error {
	switch {
	case m.ID == "":
		return errors.New("a message needs an id")
	case m.Exchange == "" && m.Key == "":
		return fmt.Errorf("message %s names neither an exchange nor a queue", m.ID)
	case m.Delay < 0:
		return fmt.Errorf("message %s has a negative delay", m.ID)
	case m.Delay > 0 && m.Exchange != "":
		return fmt.Errorf("message %s has a delay and an exchange: only a message to a queue can be delayed", m.ID)
	}
	return nil
}

// route names the queues of a message. When there is none it catches up with
// the table, once for all messages of a Publish.
func (b *Broker) route(ctx context.Context, m broker.Message, caughtUp *bool) ([]string, error) {
	find := func() []string {
		if m.Exchange != "" {
			return b.table.route(m.Exchange, m.Key)
		}
		if _, known := b.table.queue(m.Key); known || m.Delay == 0 {
			return []string{m.Key} // if there is no such queue, its subject has no listener
		}
		return nil
	}
	queues := find()
	if len(queues) == 0 && !*caughtUp {
		_, err := ask(ctx, b, func(ctx context.Context) (none, error) { return none{}, b.table.catchUp(ctx, b.js) })
		if err != nil {
			return nil, err
		}
		*caughtUp = true
		queues = find()
	}
	if len(queues) > 0 {
		return queues, nil
	}
	return nil, unroutable(m)
}

func unroutable(m broker.Message) error {
	if m.Exchange == "" {
		return fmt.Errorf("%w: there is no queue %s", broker.ErrUnroutable, m.Key)
	}
	return fmt.Errorf("%w: no queue is bound to exchange %s with key %q", broker.ErrUnroutable, m.Exchange, m.Key)
}

// wire makes a message ready for a queue's stream, or for that of the delays.
func (b *Broker) wire(at int, m broker.Message, queue string) (*wire, error) {
	w := &wire{msg: at, queue: queue}
	if m.Delay > 0 {
		w.out = encodeMessage(m, b.names.delaySubject(queue), b.nextID())
		setDelay(w.out, queue, m.Delay)
	} else {
		w.out = encodeMessage(m, b.names.subject(queue), b.nextID())
	}
	w.size = size(w.out)
	if limit := b.sessions.maxPayload(); limit > 0 && w.size > limit {
		return nil, fmt.Errorf("message %s: %w: %d bytes with its headers, %d are allowed", m.ID, broker.ErrTooLarge, w.size, limit)
	}
	return w, nil
}

// send brings wires to their streams: their fate is known, or ctx has ended.
func (b *Broker) send(ctx context.Context, wires []*wire) {
	for again := false; len(wires) > 0; again = true {
		s, err := b.sessions.wait(ctx)
		if err != nil {
			for _, w := range wires {
				if w.err == nil {
					w.err = failure(err)
				}
			}
			return
		}
		b.fly(ctx, s, wires, again)
		var rest []*wire
		busyOnes := false
		for _, w := range wires {
			if w.fate == nobody {
				b.whyNobody(ctx, w)
			}
			if w.fate == inDoubt || w.fate == busy {
				rest = append(rest, w)
				busyOnes = busyOnes || w.fate == busy
			}
		}
		if wires = rest; busyOnes {
			pause(ctx, 50*time.Millisecond)
		}
	}
}

// whyNobody finds out whether a queue does not exist, or only nobody could tell.
func (b *Broker) whyNobody(ctx context.Context, w *wire) {
	if w.out.Header[headerDelay] != nil {
		w.fate, w.err = busy, fmt.Errorf("%w: the stream of delayed messages does not answer", broker.ErrUnavailable)
		return
	}
	_, err := ask(ctx, b, func(ctx context.Context) (jetstream.Stream, error) {
		return b.js.Stream(ctx, b.names.stream(w.queue))
	})
	if errors.Is(err, broker.ErrNotFound) {
		return
	}
	w.fate, w.err = busy, fmt.Errorf("%w: the stream of queue %s does not answer", broker.ErrUnavailable, w.queue)
}

// collect turns the fates of the wires into errors of the messages. A queue that
// an exchange reached and that has just been removed is no error while there are
// others.
func collect(msgs []broker.Message, wires []*wire, errs []error) {
	reached := make([]bool, len(msgs))
	for _, w := range wires {
		reached[w.msg] = reached[w.msg] || w.fate == stored
	}
	for _, w := range wires {
		switch {
		case w.fate == stored, errs[w.msg] != nil, w.fate == nobody && reached[w.msg]:
		case w.fate == nobody:
			errs[w.msg] = fmt.Errorf("message %s: %w", msgs[w.msg].ID, unroutable(msgs[w.msg]))
		case w.err != nil:
			errs[w.msg] = fmt.Errorf("message %s: %w", msgs[w.msg].ID, w.err)
		default:
			errs[w.msg] = fmt.Errorf("message %s: %w: it was not confirmed in time and may have been published or not", msgs[w.msg].ID, broker.ErrUnavailable)
		}
	}
}

// flight is one sending of several wires.
type flight struct {
	b    *Broker
	left atomic.Int64
	done chan struct{} // closed when left is 0
}

// landed is called once per wire, when its fate is known or given up.
func (f *flight) landed(w *wire) {
	f.b.window.Release(weight(w))
	f.less()
}

func (f *flight) less() {
	if f.left.Add(-1) == 0 {
		close(f.done)
	}
}

func weight(w *wire) int64 { return min(max(w.size, windowLeast), windowBytes) }

// fly sends the wires and waits for the answers, the end of the session or of
// ctx, or answerTime without the last of them.
func (b *Broker) fly(ctx context.Context, s *session, wires []*wire, again bool) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	defer context.AfterFunc(s.over, cancel)()
	f := &flight{b: b, done: make(chan struct{})}
	f.left.Store(1) // this function, while it sends
	sent := 0
	for _, w := range wires {
		w.fate = inDoubt
		if b.window.Acquire(ctx, weight(w)) != nil {
			break
		}
		sent++
		f.left.Add(1)
		b.confirms.expect(w, f)
		if b.outbox.put(ctx.Done(), mail{w.sending(again), w}) != nil {
			break
		}
	}
	f.less()
	select {
	case <-f.done:
	case <-ctx.Done():
		for _, w := range wires[:sent] {
			b.abandon(w, inDoubt, nil)
		}
		<-f.done // who was landing meanwhile has written to its wire by then
	}
}

// sending is the message to send now. What was sent before is not touched: it
// may still be in the outbox.
func (w *wire) sending(again bool) *nats.Msg {
	if !again {
		return w.out
	}
	out := *w.out
	out.Header = maps.Clone(out.Header)
	out.Header[broker.HeaderRepeat] = []string{"1"}
	return &out
}

// abandon stops waiting for the answer about a wire.
func (b *Broker) abandon(w *wire, as fate, err error) {
	if l, ok := b.confirms.forget(w.token); ok {
		w.fate, w.err = as, err
		l.flight.landed(w)
	}
}
