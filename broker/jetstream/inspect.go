package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/elasticcode/flow/broker"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

// Inspect returns the statistics of the queues. How many deliveries are unsettled
// and how many consumers there are is the sum of what all processes say of
// themselves; the server alone knows only what was given out and never settled,
// be it held by somebody or released and waiting.
func (b *Broker) Inspect(ctx context.Context, queues ...string) ([]broker.Stats, error) {
	return ask(ctx, b, func(ctx context.Context) ([]broker.Stats, error) {
		stats := make([]broker.Stats, len(queues))
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(atOnce)
		for i, q := range queues {
			g.Go(func() error {
				info, err := b.info(ctx, q)
				if err != nil {
					return fmt.Errorf("inspect queue %s: %w", q, err)
				}
				stats[i] = b.stats(q, info)
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			return nil, err
		}
		return stats, nil
	})
}

// info asks about the consumer of a queue. A server that was restarted has
// forgotten it: then it is made again, and all that is in the queue now is marked
// for all Brokers as delivered before, as it may have been.
func (b *Broker) info(ctx context.Context, queue string) (*jetstream.ConsumerInfo, error) {
	c, err := b.js.Consumer(ctx, b.names.stream(queue), durable)
	if err == nil {
		return c.CachedInfo(), nil
	}
	if !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return nil, err
	}
	s, err := b.js.Stream(ctx, b.names.stream(queue))
	if err != nil {
		return nil, err
	}
	if state := s.CachedInfo().State; state.Msgs > 0 && !b.table.suspect(queue, state.LastSeq) {
		if err := b.table.put(ctx, suspectKey(queue), state.LastSeq); err != nil {
			return nil, err
		}
	}
	if c, err = b.js.CreateOrUpdateConsumer(ctx, b.names.stream(queue), b.consumerConfig()); err != nil {
		return nil, err
	}
	return c.CachedInfo(), nil
}

func (b *Broker) stats(queue string, info *jetstream.ConsumerInfo) broker.Stats {
	consumers, held := b.presence.counts(queue)
	unacked := min(int64(held), int64(info.NumAckPending))
	return broker.Stats{
		Queue:     queue,
		Messages:  int64(info.NumPending) + int64(info.NumAckPending) - unacked,
		Unacked:   unacked,
		Consumers: int64(max(consumers, info.NumWaiting)),
	}
}

// Peek returns messages from the head of the queue. Those that this process holds
// are left out; when another process holds some, all that were ever delivered are.
func (b *Broker) Peek(ctx context.Context, queue string, n int) ([]broker.Message, error) {
	msgs, err := ask(ctx, b, func(ctx context.Context) ([]broker.Message, error) { return b.peek(ctx, queue, n) })
	if err != nil {
		return nil, fmt.Errorf("peek into queue %s: %w", queue, err)
	}
	return msgs, nil
}

func (b *Broker) peek(ctx context.Context, queue string, n int) ([]broker.Message, error) {
	info, err := b.info(ctx, queue)
	if err != nil {
		return nil, err
	}
	held := map[uint64]bool{}
	for _, h := range b.ledgers.of(queue).handles() {
		held[h.seq] = true
	}
	from := uint64(1)
	if _, all := b.presence.counts(queue); all > len(held) {
		from = info.Delivered.Stream + 1
	}
	var msgs []broker.Message
	for len(msgs) < n {
		m, seq, err := b.next(ctx, queue, from)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			break
		}
		if err != nil {
			return nil, err
		}
		if from = seq + 1; !held[seq] {
			msgs = append(msgs, decodeMessage(m.Header, m.Data))
		}
	}
	return msgs, nil
}

// next reads the first message at or after a place in a queue's stream.
func (b *Broker) next(ctx context.Context, queue string, from uint64) (*nats.Msg, uint64, error) {
	body, err := json.Marshal(map[string]any{"seq": from, "next_by_subj": b.names.subject(queue)})
	if err != nil {
		return nil, 0, err
	}
	return b.direct(ctx, b.names.stream(queue), body)
}

// direct reads one message from a stream without consuming it.
func (b *Broker) direct(ctx context.Context, stream string, request []byte) (*nats.Msg, uint64, error) {
	m, err := b.nc.RequestWithContext(ctx, "$JS.API.DIRECT.GET."+stream, request)
	if errors.Is(err, nats.ErrNoResponders) {
		return nil, 0, broker.ErrNotFound
	}
	if err != nil {
		return nil, 0, err
	}
	if m.Header.Get("Nats-Sequence") == "" {
		if m.Header.Get("Status") == "404" {
			return nil, 0, jetstream.ErrMsgNotFound
		}
		return nil, 0, fmt.Errorf("read a message of stream %s: status %s %s", stream, m.Header.Get("Status"), m.Header.Get("Description"))
	}
	seq, err := strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64)
	return m, seq, err
}

// Purge removes all ready messages. What is delivered stays with who has it: if
// there is such a thing, the ready messages are taken and acked one by one.
func (b *Broker) Purge(ctx context.Context, queue string) (int64, error) {
	var total atomic.Int64 // a lost connection does not undo what was removed before
	_, err := ask(ctx, b, func(ctx context.Context) (none, error) {
		info, err := b.info(ctx, queue)
		if err != nil {
			return none{}, err
		}
		remove := b.purge
		if info.NumAckPending > 0 {
			remove = b.drain
		}
		n, err := remove(ctx, queue)
		total.Add(n)
		return none{}, err
	})
	if err != nil {
		err = fmt.Errorf("purge queue %s: %w", queue, err)
	}
	return total.Load(), err
}

// purge empties a stream.
func (b *Broker) purge(ctx context.Context, queue string) (int64, error) {
	m, err := b.nc.RequestWithContext(ctx, "$JS.API.STREAM.PURGE."+b.names.stream(queue), nil)
	if err != nil {
		return 0, err
	}
	var answer struct {
		Purged int64               `json:"purged"`
		Error  *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return 0, fmt.Errorf("read the answer to a purge: %w", err)
	}
	if answer.Error != nil {
		return 0, answer.Error
	}
	return answer.Purged, nil
}

// drain takes what is ready until nothing is.
func (b *Broker) drain(ctx context.Context, queue string) (removed int64, err error) {
	for {
		taken, err := b.fetch(ctx, queue, 500)
		if err != nil || len(taken) == 0 {
			return removed, err
		}
		for _, m := range taken {
			if err := m.Respond(sayAck); err != nil {
				return removed, err
			}
			removed++
		}
	}
}

// fetch takes up to n ready messages, without waiting for any. When ctx ends
// midway, those that were taken come back after AckWait.
func (b *Broker) fetch(ctx context.Context, queue string, n int) ([]*nats.Msg, error) {
	in := make(chan *nats.Msg, n+8)
	inbox := b.nc.NewInbox()
	sub, err := b.nc.ChanSubscribe(inbox, in)
	if err != nil {
		return nil, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	request := fmt.Appendf(nil, `{"batch":%d,"no_wait":true}`, n)
	if err := b.nc.PublishRequest(pullSubject(b.names.stream(queue)), inbox, request); err != nil {
		return nil, err
	}
	var taken []*nats.Msg
	for len(taken) < n {
		select {
		case m := <-in:
			if !isDelivery(m) {
				return taken, nil // there are no more
			}
			taken = append(taken, m)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return taken, nil
}
