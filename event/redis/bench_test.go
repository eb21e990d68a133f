package redis_test

import (
	"context"
	"fmt"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/elasticcode/flow/event"
	"github.com/elasticcode/flow/event/redis"
	"github.com/elasticcode/flow/internal/testenv"
)

// BenchmarkPublish publishes what the engine tells of a batch of 100 calls: three
// events for each call, each of them on three channels. An operation is one event.
func BenchmarkPublish(b *testing.B) {
	for _, c := range []struct {
		name    string
		pattern string // of an ordinary Redis client that listens
		calls   int
	}{{"alone", "", 1}, {"batch of 100", "", 100}, {"batch of 100 and psubscribe", "*", 100}} {
		b.Run(c.name, func(b *testing.B) {
			client := client(b, testenv.Redis(b))
			prefix := testenv.Prefix(b) + "."
			bus := redis.New(client, redis.Config{Prefix: prefix})
			b.Cleanup(func() { client.Del(context.Background(), "{"+prefix+"flow:events}", "{"+prefix+"flow:events}:engine") })
			if c.pattern != "" {
				heard := client.PSubscribe(b.Context(), prefix+c.pattern)
				defer heard.Close()
				go drain(heard)
			}
			msgs := lifecycle(c.calls)
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; n += 3 * c.calls {
				if err := bus.Publish(b.Context(), msgs...); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func drain(heard *goredis.PubSub) {
	for {
		if _, err := heard.Receive(context.Background()); err != nil {
			return
		}
	}
}

func lifecycle(calls int) []event.Message {
	var msgs []event.Message
	for i := range calls {
		for _, state := range []string{"received", "running", "postrun"} {
			data := fmt.Appendf(nil, `{"channel":"task","state":%q,"date":"2026-11-02T10:00:00Z","room":"pyfi.queue1.proc1","call":"0193-%032d","tracking":"0193-%032d","module":"pyfi.processors.sample","task":"do_this","duration":1.25}`, state, i, i)
			for _, c := range []string{"pyfi.queue1.proc1.task", "proc1.task", "global"} {
				msgs = append(msgs, event.Message{Channel: c, Data: data})
			}
		}
	}
	return msgs
}
