package amqp

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/internal/testenv"
	"github.com/rabbitmq/amqp091-go"
)

const (
	benchPrefetch = 256
	benchCallers  = 64
	benchBody     = 512
)

// BenchmarkThroughput publishes, consumes and acks b.N messages with this driver
// and with the bare client library in the same way: quorum queue, persistent,
// confirmed in a window of 256, prefetch 256, an ack per delivery.
//
//	go test -run - -bench Throughput -benchtime 20000x ./broker/amqp
func BenchmarkThroughput(b *testing.B) {
	b.Run("bare-library", benchBare)
	b.Run("batches-of-100", func(b *testing.B) { benchDriver(b, 1, 100) })
	b.Run(fmt.Sprintf("%d-callers-of-1", benchCallers), func(b *testing.B) { benchDriver(b, benchCallers, 1) })
}

func rate(b *testing.B, began time.Time) {
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "msgs/s")
	b.ReportMetric(0, "ns/op")
}

func benchDriver(b *testing.B, callers, batch int) {
	url, prefix := testenv.AMQP(b), testenv.Prefix(b)+"/"
	cleanDelays(b, url, prefix)
	br := openAt(b, url, prefix)
	ctx, cancel := context.WithCancel(b.Context())
	t := broker.Topology{Queues: []broker.Queue{{Name: "q"}}}
	if err := br.Declare(ctx, t); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = br.Remove(context.Background(), t) })
	out := make(chan *broker.Delivery, benchPrefetch)
	var wg sync.WaitGroup
	wg.Go(func() { _ = br.Consume(ctx, "q", benchPrefetch, out) })

	b.ReportAllocs()
	b.ResetTimer()
	began := time.Now()
	for c := range callers {
		wg.Go(func() { benchPublish(b.Context(), b, br, (b.N+c)/callers, batch) })
	}
	for range b.N {
		if err := (<-out).Ack(ctx); err != nil {
			b.Error(err)
		}
	}
	rate(b, began)
	b.StopTimer()
	cancel()
	wg.Wait()
}

func benchPublish(ctx context.Context, b *testing.B, br *Broker, n, batch int) {
	body := make([]byte, benchBody)
	for i := 0; i < n; i += batch {
		msgs := make([]broker.Message, min(batch, n-i))
		for j := range msgs {
			msgs[j] = broker.Message{ID: "0198d2a8-0000-7000-8000-000000000000", Key: "q", ContentType: "application/json", Body: body}
		}
		if err := br.Publish(ctx, msgs...); err != nil {
			b.Error(err)
			return
		}
	}
}

func benchBare(b *testing.B) {
	url, name := testenv.AMQP(b), testenv.Prefix(b)
	publishing, consuming := bareChannel(b, url), bareChannel(b, url)
	if _, err := consuming.QueueDeclare(name, true, false, false, false, amqp091.Table{"x-queue-type": "quorum"}); err != nil {
		b.Fatal(err)
	}
	if err := publishing.Confirm(false); err != nil {
		b.Fatal(err)
	}
	if err := consuming.Qos(benchPrefetch, 0, false); err != nil {
		b.Fatal(err)
	}
	out, err := consuming.Consume(name, "", false, false, false, false, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	began := time.Now()
	go barePublish(b, publishing, name)
	for range b.N {
		d := <-out
		if err := d.Ack(false); err != nil {
			b.Error(err)
		}
	}
	rate(b, began)
	b.StopTimer()
	_, _ = consuming.QueueDelete(name, false, false, false)
}

func bareChannel(b *testing.B, url string) *amqp091.Channel {
	conn, err := amqp091.Dial(url)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		b.Fatal(err)
	}
	return ch
}

func barePublish(b *testing.B, ch *amqp091.Channel, queue string) {
	body := make([]byte, benchBody)
	var window []*amqp091.DeferredConfirmation
	for range b.N {
		if len(window) == 256 {
			window[0].Wait()
			window = window[1:]
		}
		c, err := ch.PublishWithDeferredConfirm("", queue, true, false, amqp091.Publishing{
			MessageId: "0198d2a8-0000-7000-8000-000000000000", ContentType: "application/json", DeliveryMode: amqp091.Persistent, Body: body,
		})
		if err != nil {
			b.Error(err)
			return
		}
		window = append(window, c)
	}
}
