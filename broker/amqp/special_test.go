package amqp

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/internal/testenv"
)

// fresh opens a broker with one queue, and consumes flow.dead on demand.
func fresh(t *testing.T, cfg Config) *Broker {
	t.Helper()
	cfg.URLs, cfg.Prefix, cfg.Logger = []string{testenv.AMQP(t)}, testenv.Prefix(t)+"/", testenv.Logger(t)
	cleanDelays(t, cfg.URLs[0], cfg.Prefix)
	b, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	queues := broker.Topology{Queues: []broker.Queue{{Name: "q"}}}
	if err := b.Declare(t.Context(), queues); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Remove(context.Background(), queues) })
	return b
}

func TestBlockedIsAnError(t *testing.T) {
	t.Parallel()
	b := fresh(t, Config{PublishTimeout: 200 * time.Millisecond})
	p, _ := b.publishers.now()
	p.session.setBlocked("low on memory") // what watch does when the broker says so
	err := b.Publish(t.Context(), broker.Message{ID: "1", Key: "q"})
	if !errors.Is(err, broker.ErrBlocked) || !strings.Contains(err.Error(), "low on memory") {
		t.Errorf("publish to a blocked broker: %v", err)
	}
	if ok, message := b.Health(); ok || !strings.Contains(message, "low on memory") {
		t.Errorf("health of a blocked broker: %t, %s", ok, message)
	}
	published := make(chan error, 1)
	go func() { published <- b.Publish(t.Context(), broker.Message{ID: "2", Key: "q"}) }()
	p.session.setBlocked("")
	if err := <-published; err != nil {
		t.Errorf("publish to a broker that is not blocked any more: %v", err)
	}
	if ok, message := b.Health(); !ok {
		t.Errorf("health: %s", message)
	}
}

func TestDelayOutlivesItsQueue(t *testing.T) {
	t.Parallel()
	b := fresh(t, Config{})
	if err := b.Publish(t.Context(), broker.Message{ID: "1", Key: "q", Delay: 300 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	if err := b.Remove(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "q"}}}); err != nil {
		t.Fatal(err)
	}
	d := one(t, b, broker.DeadLetters)
	if d.ID != "1" || d.Headers[broker.HeaderDeadQueue] != "q" || !strings.Contains(d.Headers[broker.HeaderDeadReason], "removed") {
		t.Errorf("dead letter is %s with %v", d.ID, d.Headers)
	}
}

// one consumes and acks a single message.
func one(t *testing.T, b *Broker, queue string) *broker.Delivery {
	t.Helper()
	ctx, cancel := context.WithCancel(testenv.Context(t, 20*time.Second))
	out, done := make(chan *broker.Delivery), make(chan error, 1)
	go func() { done <- b.Consume(ctx, queue, 1, out) }()
	select {
	case d := <-out:
		if err := d.Ack(ctx); err != nil {
			t.Error(err)
		}
		cancel()
		<-done
		return d
	case err := <-done:
		t.Fatalf("consume returned %v", err)
	}
	cancel()
	return nil
}

func TestConsumersSpreadOverConnections(t *testing.T) {
	t.Parallel()
	b := fresh(t, Config{maxConsumers: 2})
	ctx, cancel := context.WithCancel(t.Context())
	out, done := make(chan *broker.Delivery), make(chan error)
	const n = 5
	for range n {
		go func() { done <- b.Consume(ctx, "q", 1, out) }()
	}
	for i := range n {
		if err := b.Publish(ctx, broker.Message{ID: string(rune('a' + i)), Key: "q"}); err != nil {
			t.Error(err)
		}
		<-out // held, so that every consumer gets one
	}
	b.placing.Lock()
	if len(b.more) != 2 {
		t.Errorf("%d consumers use %d connections, want 3", n, 1+len(b.more))
	}
	b.placing.Unlock()
	cancel()
	for range n {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestClosedBrokerSaysSo(t *testing.T) {
	t.Parallel()
	b := fresh(t, Config{})
	c := context.Background()
	_ = b.Remove(c, broker.Topology{Queues: []broker.Queue{{Name: "q"}}})
	consumed := make(chan error, 1)
	go func() { consumed <- b.Consume(c, "flow.dead", 1, make(chan *broker.Delivery)) }()
	_ = b.Close()
	_, inspected := b.Inspect(c, "q")
	for what, err := range map[string]error{
		"publish": b.Publish(c, broker.Message{ID: "1", Key: "q"}),
		"inspect": inspected,
		"consume": <-consumed,
		"declare": b.Declare(c, broker.Topology{}),
	} {
		if !errors.Is(err, broker.ErrClosed) {
			t.Errorf("%s on a closed broker: %v", what, err)
		}
	}
}

// A message may be given back more often than the 20 times after which RabbitMQ 4
// drops one from a queue that does not say otherwise.
func TestReleaseHasNoLimit(t *testing.T) {
	t.Parallel()
	b := fresh(t, Config{})
	if err := b.Publish(t.Context(), broker.Message{ID: "1", Key: "q"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(testenv.Context(t, 20*time.Second))
	out, done := make(chan *broker.Delivery), make(chan error, 1)
	go func() { done <- b.Consume(ctx, "q", 1, out) }()
	for i := range 50 {
		select {
		case d := <-out:
			if err := d.Release(ctx); err != nil {
				t.Fatal(err)
			}
		case <-ctx.Done():
			t.Fatalf("after %d times the message is gone", i)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if d := one(t, b, "q"); d.ID != "1" {
		t.Errorf("message %s is left, want 1", d.ID)
	}
}

// Acks that are gathered settle what they should, in whatever order they come.
func TestGatheredAcks(t *testing.T) {
	t.Parallel()
	b := fresh(t, Config{})
	const n, prefetch = 500, 256
	msgs := make([]broker.Message, n)
	for i := range msgs {
		msgs[i] = broker.Message{ID: "m", Key: "q", Body: []byte{byte(i), byte(i >> 8)}}
	}
	if err := b.Publish(t.Context(), msgs...); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(testenv.Context(t, 20*time.Second))
	out, done := make(chan *broker.Delivery), make(chan error, 1)
	go func() { done <- b.Consume(ctx, "q", prefetch, out) }()
	first, released := <-out, 0 // the first stays open all the time
	for i := 1; i < n+released; i++ {
		d := <-out
		settle := d.Ack
		if i%5 == 0 && !d.Redelivered {
			released++
			settle = d.Release
		}
		if err := settle(ctx); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := first.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := one(t, b, "q"); string(got.Body) != string(first.Body) {
		t.Errorf("message %v is left, want %v", got.Body, first.Body)
	}
	stats, err := b.Inspect(t.Context(), "q")
	if err != nil || stats[0].Messages != 0 {
		t.Errorf("the queue has %v (%v), want nothing", stats, err)
	}
}
