package jetstream

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// openDelays makes the stream in which delayed messages wait.
func (b *Broker) openDelays(ctx context.Context) error {
	_, err := b.js.CreateStream(ctx, jetstream.StreamConfig{
		Name:        b.names.delayStream(),
		Subjects:    []string{b.names.delaySubjects()},
		Retention:   jetstream.LimitsPolicy,
		Storage:     b.cfg.storage(),
		Replicas:    b.cfg.Replicas,
		Duplicates:  duplicateWindow,
		AllowDirect: true,
		Metadata:    map[string]string{metaPrefix: b.cfg.Prefix},
	})
	if err != nil && !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return fmt.Errorf("make the stream of delayed messages: %w", err)
	}
	return nil
}

// due is a delayed message: where it is and when it goes on. Its body stays in
// the stream until then.
type due struct {
	seq   uint64
	at    time.Time // with a monotonic reading: a clock that is set changes nothing
	queue string
}

// left is what remains at now of a delay that began when the message was stored.
// A clock that was set back meanwhile makes it no longer than it was.
func left(stored time.Time, delay time.Duration, now time.Time) time.Duration {
	return min(delay-now.Sub(stored), delay)
}

type dueHeap []due

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h dueHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(x any)        { *h = append(*h, x.(due)) }
func (h *dueHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// moveDelayed moves delayed messages to their queues when they are due, until ctx
// ends. A delay begins when the message is stored, so a restart resets none.
func (b *Broker) moveDelayed(ctx context.Context) {
	for ctx.Err() == nil {
		if err := b.moveSession(ctx); err != nil && ctx.Err() == nil {
			b.logger.WarnContext(ctx, "delayed messages are not moved", "err", err)
			pause(ctx, time.Second)
		}
	}
}

// moveSession reads the stream from its beginning and goes on with what is added.
func (b *Broker) moveSession(ctx context.Context) error {
	s, err := b.sessions.wait(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.over, cancel)()
	added := make(chan due, 256)
	failed := make(chan error, 1)
	go func() { failed <- b.readDelays(ctx, added) }()

	m := &mover{b: b, back: make(chan due, atOnce), slots: make(chan struct{}, atOnce)}
	defer func() {
		cancel()
		<-failed //nolint:errcheck // it was told to end
		m.wait()
	}()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if len(m.heap) > 0 {
			timer.Reset(time.Until(m.heap[0].at))
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			failed <- nil // for the deferred wait
			if ctx.Err() != nil {
				return nil
			}
			return err
		case d := <-added:
			heap.Push(&m.heap, d)
		case d := <-m.back:
			heap.Push(&m.heap, d)
		case <-timer.C:
			m.moveDue(ctx)
		}
	}
}

// readDelays reads the headers of all delayed messages, old and new ones.
func (b *Broker) readDelays(ctx context.Context, added chan<- due) error {
	c, err := b.js.OrderedConsumer(ctx, b.names.delayStream(), jetstream.OrderedConsumerConfig{HeadersOnly: true})
	if err != nil {
		return fmt.Errorf("read the delayed messages: %w", err)
	}
	msgs, err := c.Messages(jetstream.PullExpiry(pullExpires), jetstream.PullHeartbeat(pullBeat))
	if err != nil {
		return fmt.Errorf("read the delayed messages: %w", err)
	}
	defer msgs.Stop()
	for {
		m, err := msgs.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fmt.Errorf("read the delayed messages: %w", err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return fmt.Errorf("read the delayed messages: %w", err)
		}
		queue, delay, ok := delayOf(m.Headers())
		if !ok {
			b.logger.WarnContext(ctx, "a delayed message without a delay is left alone", "sequence", meta.Sequence.Stream)
			continue
		}
		now := time.Now()
		select {
		case added <- due{meta.Sequence.Stream, now.Add(left(meta.Timestamp, delay, now)), queue}:
		case <-ctx.Done():
			return nil
		}
	}
}

// mover moves due messages, several at a time.
type mover struct {
	b     *Broker
	heap  dueHeap       // only used by the loop of moveSession
	back  chan due      // what could not be moved and is to be tried again
	slots chan struct{} // one token per message on its way
}

// moveDue begins to move what is due, as long as there are slots.
func (m *mover) moveDue(ctx context.Context) {
	for len(m.heap) > 0 && !time.Now().Before(m.heap[0].at) {
		select {
		case m.slots <- struct{}{}:
		case d := <-m.back:
			heap.Push(&m.heap, d)
			continue
		case <-ctx.Done():
			return
		}
		d := heap.Pop(&m.heap).(due)
		go func() {
			err := m.b.moveOne(ctx, d)
			if err != nil && ctx.Err() == nil {
				m.b.logger.DebugContext(ctx, "a delayed message waits on", "queue", d.queue, "err", err)
				d.at = time.Now().Add(time.Second)
				select {
				case m.back <- d:
				case <-ctx.Done():
				}
			}
			<-m.slots
		}()
	}
}

// wait returns when nothing is on its way.
func (m *mover) wait() {
	for range cap(m.slots) {
		m.slots <- struct{}{}
	}
}

// moveOne publishes a delayed message to its queue, and then deletes it here. A
// crash between the two leads to another move, which the queue's stream takes
// for the repeat it is if it follows soon.
func (b *Broker) moveOne(ctx context.Context, d due) error {
	ctx, cancel := context.WithTimeout(ctx, publishLimit)
	defer cancel()
	stream := b.names.delayStream()
	m, _, err := b.direct(ctx, stream, fmt.Appendf(nil, `{"seq":%d}`, d.seq))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil // another Broker has moved it
	}
	if err != nil {
		return err
	}
	msg := decodeMessage(m.Header, m.Data)
	dedup := "delayed." + stream + "." + strconv.FormatUint(d.seq, 10)
	w := &wire{queue: d.queue, out: encodeMessage(msg, b.names.subject(d.queue), dedup)}
	if err := b.sendOne(ctx, w); err != nil {
		if !errors.Is(err, broker.ErrUnroutable) {
			return err
		}
		if err := b.sendOne(ctx, b.deadWire(msg, d.queue, broker.ReasonGone+": it was removed during the delay", dedup)); err != nil {
			return err
		}
	}
	return b.deleteMessage(ctx, stream, d.seq)
}

// sendOne publishes one ready-made message.
func (b *Broker) sendOne(ctx context.Context, w *wire) error {
	w.size = size(w.out)
	b.send(ctx, []*wire{w})
	errs := make([]error, 1)
	collect([]broker.Message{{ID: first(w.out.Header, nats.MsgIdHdr), Key: w.queue}}, []*wire{w}, errs)
	return errs[0]
}

func (b *Broker) deleteMessage(ctx context.Context, stream string, seq uint64) error {
	m, err := b.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.DELETE."+stream, fmt.Appendf(nil, `{"seq":%d,"no_erase":true}`, seq))
	if err != nil {
		return err
	}
	if f, err := readConfirm(m); f != stored {
		return err
	}
	return nil
}
