package amqp

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/rabbitmq/amqp091-go"
)

// Inspect returns the statistics of queues. AMQP does not tell of unsettled
// deliveries: Unacked is -1.
func (b *Broker) Inspect(ctx context.Context, queues ...string) ([]broker.Stats, error) {
	out := make([]broker.Stats, 0, len(queues))
	for part := range slices.Chunk(queues, chunk) {
		stats, err := control(ctx, b, func(ch *amqp091.Channel) ([]broker.Stats, error) { return b.inspect(ch, part) })
		if err != nil {
			return nil, fmt.Errorf("inspect: %w", err)
		}
		out = append(out, stats...)
	}
	return out, nil
}

func (b *Broker) inspect(ch *amqp091.Channel, queues []string) ([]broker.Stats, error) {
	out := make([]broker.Stats, len(queues))
	for i, name := range queues {
		q, err := ch.QueueDeclarePassive(b.name.wire(name), true, false, false, false, nil)
		if err != nil {
			return nil, classify(err, "queue "+name)
		}
		out[i] = broker.Stats{Queue: name, Messages: int64(q.Messages), Unacked: -1, Consumers: int64(q.Consumers)}
	}
	return out, nil
}

// peekTime is how long Peek reads.
const peekTime = rpcWait / 4

// Peek reads messages from the head of a queue and gives them back.
func (b *Broker) Peek(ctx context.Context, queue string, n int) ([]broker.Message, error) {
	msgs, err := control(ctx, b, func(ch *amqp091.Channel) ([]broker.Message, error) {
		if _, err := ch.QueueDeclarePassive(b.name.wire(queue), true, false, false, false, nil); err != nil {
			return nil, classify(err, "queue "+queue)
		}
		return b.peek(ch, queue, n)
	})
	if err != nil {
		return nil, fmt.Errorf("peek: %w", err)
	}
	return msgs, nil
}

func (b *Broker) peek(ch *amqp091.Channel, queue string, n int) ([]broker.Message, error) {
	var msgs []broker.Message
	var last uint64
	// A round trip each: more than that would be taken for a broker that hangs.
	for begun := time.Now(); len(msgs) < n && time.Since(begun) < peekTime; {
		d, ok, err := ch.Get(b.name.wire(queue), false)
		if err != nil {
			return nil, classify(err, "queue "+queue)
		}
		if !ok {
			break
		}
		last = d.DeliveryTag
		msgs = append(msgs, b.message(&d, queue))
	}
	if last > 0 {
		if err := ch.Nack(last, true, true); err != nil {
			return nil, classify(err, "queue "+queue)
		}
	}
	return msgs, nil
}

// Purge removes all ready messages of a queue.
func (b *Broker) Purge(ctx context.Context, queue string) (int64, error) {
	n, err := control(ctx, b, func(ch *amqp091.Channel) (int, error) {
		n, err := ch.QueuePurge(b.name.wire(queue), false)
		if err != nil {
			return 0, classify(err, "queue "+queue)
		}
		return n, nil
	})
	if err != nil {
		return 0, fmt.Errorf("purge: %w", err)
	}
	return int64(n), nil
}
