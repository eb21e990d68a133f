package nats_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	gonats "github.com/nats-io/nats.go"

	"github.com/elasticcode/flow/event"
	"github.com/elasticcode/flow/event/nats"
)

// BenchmarkPublish publishes what the engine tells of a batch of 100 calls to a
// server in the same process: three events for each call, each of them on three
// channels. An operation is one event, stored.
func BenchmarkPublish(b *testing.B) {
	s := serve(b)
	conn := connect(b, "", gonats.InProcessServer(s))
	bus, err := nats.New(context.Background(), conn, nats.Config{})
	if err != nil {
		b.Fatal(err)
	}
	var msgs []event.Message
	for i := range 100 {
		for _, state := range []string{"received", "running", "postrun"} {
			data := fmt.Appendf(nil, `{"channel":"task","state":%q,"date":"2026-11-02T10:00:00Z","room":"pyfi.queue1.proc1","call":"0193-%032d","tracking":"0193-%032d","module":"pyfi.processors.sample","task":"do_this","duration":1.25}`, state, i, i)
			for _, c := range []string{"pyfi.queue1.proc1.task", "proc1.task", "global"} {
				msgs = append(msgs, event.Message{Channel: c, Data: data})
			}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	last := make(chan event.Message, 1)
	ready := make(chan struct{})
	done := make(chan error, 1)
	listening, stop := context.WithCancel(ctx)
	go func() {
		done <- bus.Subscribe(listening, event.Subscription{Pattern: "end"}, last, func() { close(ready) })
	}()
	<-ready
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += 300 {
		if err := bus.Publish(ctx, msgs...); err != nil {
			b.Fatal(err)
		}
	}
	if err := bus.Publish(ctx, event.Message{Channel: "end", Data: []byte("{}")}); err != nil {
		b.Fatal(err)
	}
	<-last
	b.StopTimer()
	stop()
	<-done
}
