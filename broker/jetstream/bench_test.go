package jetstream_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/broker/jetstream"
	"github.com/elasticcode/flow/stack/natsd"
)

// BenchmarkThroughput publishes, consumes and acks; one operation is one message
// through all three.
func BenchmarkThroughput(b *testing.B) {
	for _, queues := range []int{1, 100} {
		b.Run(fmt.Sprintf("queues=%d", queues), func(b *testing.B) { benchmark(b, queues) })
	}
}

func benchBroker(b testing.TB) *jetstream.Broker {
	quiet := slog.New(slog.DiscardHandler)
	s, err := natsd.Start(b.Context(), natsd.Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Shutdown)
	conn, err := s.Connect(jetstream.Options("bench", quiet)...)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(conn.Close)
	br, err := jetstream.Open(b.Context(), conn, jetstream.Config{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = br.Close() })
	return br
}

func declareMany(b testing.TB, br broker.Broker, n int) []string {
	var t broker.Topology
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("queue.%d", i)
		t.Queues = append(t.Queues, broker.Queue{Name: names[i]})
	}
	if err := br.Declare(b.Context(), t); err != nil {
		b.Fatal(err)
	}
	return names
}

func benchmark(b *testing.B, queues int) {
	br := benchBroker(b)
	names := declareMany(b, br, queues)
	ctx, cancel := context.WithCancel(b.Context())
	out := make(chan *broker.Delivery, 256)
	var consumers sync.WaitGroup
	for _, q := range names {
		consumers.Go(func() {
			if err := br.Consume(ctx, q, 256, out); err != nil {
				b.Error(err)
			}
		})
	}
	defer func() { cancel(); consumers.Wait() }()
	body := make([]byte, 300)

	b.ResetTimer()
	var publishers sync.WaitGroup
	const at, batch = 4, 50
	for p := range at {
		publishers.Go(func() {
			msgs := make([]broker.Message, 0, batch)
			for i := p; i < b.N; i += at {
				msgs = append(msgs, broker.Message{ID: fmt.Sprint(i), Key: names[i%queues], Body: body})
				if len(msgs) == batch || i+at >= b.N {
					if err := br.Publish(ctx, msgs...); err != nil {
						b.Error(err)
						return
					}
					msgs = msgs[:0]
				}
			}
		})
	}
	for range b.N {
		if err := (<-out).Ack(ctx); err != nil {
			b.Fatal(err)
		}
	}
	publishers.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
}

// BenchmarkRoundTrip is a lone message: published, delivered, acked.
func BenchmarkRoundTrip(b *testing.B) {
	br := benchBroker(b)
	declareMany(b, br, 1)
	ctx, cancel := context.WithCancel(b.Context())
	out := make(chan *broker.Delivery)
	done := make(chan error, 1)
	go func() { done <- br.Consume(ctx, "queue.0", 1, out) }()
	for b.Loop() {
		if err := br.Publish(ctx, broker.Message{ID: "1", Key: "queue.0"}); err != nil {
			b.Fatal(err)
		}
		if err := (<-out).Ack(ctx); err != nil {
			b.Fatal(err)
		}
	}
	cancel()
	<-done
}

// BenchmarkDeclare makes queues; one operation is one queue.
func BenchmarkDeclare(b *testing.B) {
	br := benchBroker(b)
	b.ResetTimer()
	begin := time.Now()
	declareMany(b, br, b.N)
	b.ReportMetric(float64(b.N)/time.Since(begin).Seconds(), "queues/s")
}
