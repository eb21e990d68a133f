package redis_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/elasticcode/flow/event"
	"github.com/elasticcode/flow/event/redis"
	"github.com/elasticcode/flow/internal/testenv"
)

// TestOrdinaryClients listens as redis-cli does, by name and by pattern, and
// hears exactly the data from the moment it has subscribed.
func TestOrdinaryClients(t *testing.T) {
	t.Parallel()
	raw := testenv.Redis(t)
	c, ctx := client(t, raw), testenv.Context(t, 20*time.Second)
	prefix := testenv.Prefix(t) + "."
	t.Cleanup(func() { c.Del(context.Background(), "{"+prefix+"flow:events}", "{"+prefix+"flow:events}:engine") })
	bus := redis.New(c, redis.Config{Prefix: prefix})
	for name, subscribe := range map[string]func(context.Context, ...string) *goredis.PubSub{
		prefix + "q.p.task": c.Subscribe, prefix + "*": c.PSubscribe, "*" + prefix + "q.?.task": c.PSubscribe,
	} {
		heard := subscribe(ctx, name)
		if _, err := heard.Receive(ctx); err != nil { // the confirmation
			t.Fatal(err)
		}
		const n = 40
		var msgs []event.Message
		for i := range n {
			data := fmt.Appendf(nil, `{"channel": "task", "n": %d}`, i)
			msgs = append(msgs, event.Message{Channel: "q.p.task", Data: data}, event.Message{Channel: "other\x00", Data: data})
		}
		if err := bus.Publish(ctx, msgs...); err != nil {
			t.Fatal(err)
		}
		for i := 0; i < n; {
			m, err := heard.ReceiveMessage(ctx)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if m.Channel == prefix+"other\x00" {
				continue // of the pattern for everything
			}
			if want := fmt.Sprintf(`{"channel": "task", "n": %d}`, i); m.Channel != prefix+"q.p.task" || m.Payload != want {
				t.Fatalf("%s hears %q on %q, want %q", name, m.Payload, m.Channel, want)
			}
			i++
		}
		_ = heard.Close()
	}
}

// TestManyChannels publishes on more channels than it pays to ask for.
func TestManyChannels(t *testing.T) {
	t.Parallel()
	c, ctx := client(t, testenv.Redis(t)), testenv.Context(t, 20*time.Second)
	prefix := testenv.Prefix(t) + "."
	t.Cleanup(func() { c.Del(context.Background(), "{"+prefix+"flow:events}", "{"+prefix+"flow:events}:engine") })
	heard := c.Subscribe(ctx, prefix+"c7", prefix+"c199")
	defer heard.Close()
	for range 2 {
		if _, err := heard.Receive(ctx); err != nil {
			t.Fatal(err)
		}
	}
	var msgs []event.Message
	for i := range 200 {
		msgs = append(msgs, event.Message{Channel: fmt.Sprint("c", i), Data: []byte("{}")})
	}
	if err := redis.New(c, redis.Config{Prefix: prefix}).Publish(ctx, msgs...); err != nil {
		t.Fatal(err)
	}
	var got []string
	for range 2 {
		m, err := heard.ReceiveMessage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, m.Channel)
	}
	if !slices.Equal(got, []string{prefix + "c7", prefix + "c199"}) {
		t.Errorf("heard %q", got)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	ctx := testenv.Context(t, 20*time.Second)
	if err := redis.New(client(t, testenv.Redis(t)), redis.Config{}).Health(ctx); err != nil {
		t.Error(err)
	}
	if err := redis.New(client(t, "redis://127.0.0.1:1/0"), redis.Config{}).Health(ctx); !errors.Is(err, event.ErrUnavailable) {
		t.Errorf("no server gave %v, which is not ErrUnavailable", err)
	}
}

// TestEngineChannels: who listens to the engine's own channels hears them, from
// the past as well, and so does who listens to everything; neither twice.
func TestEngineChannels(t *testing.T) {
	t.Parallel()
	c, ctx := client(t, testenv.Redis(t)), testenv.Context(t, 20*time.Second)
	prefix := testenv.Prefix(t) + "."
	stream := "{" + prefix + "flow:events}"
	t.Cleanup(func() { c.Del(context.Background(), stream, stream+":engine") })
	bus := redis.New(c, redis.Config{Prefix: prefix})
	begin := time.Now().Add(-time.Minute)
	for pattern, want := range map[string]int{"flow.changes": 30, "flow.*": 30, "*": 60} {
		for i := range 30 {
			data := fmt.Appendf(nil, "{%q: %d}", "n", i)
			if err := bus.Publish(ctx, event.Message{Channel: "q.p.task", Data: data}, event.Message{Channel: "flow.changes", Data: data}); err != nil {
				t.Fatal(err)
			}
		}
		if n := c.XLen(ctx, stream+":engine").Val(); n != 30 {
			t.Errorf("the track of the engine has %d entries", n)
		}
		out := make(chan event.Message)
		listening, stop := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() {
			done <- bus.Subscribe(listening, event.Subscription{Pattern: pattern, Since: begin}, out, nil)
		}()
		for i := range want {
			select {
			case m := <-out:
				if n := i * 30 / want; string(m.Data) != fmt.Sprintf("{%q: %d}", "n", n) {
					t.Fatalf("%s: message %d is %s", pattern, i, m.Data)
				}
			case <-ctx.Done():
				t.Fatalf("%s: only %d messages", pattern, i)
			}
		}
		if err := bus.Publish(ctx, event.Message{Channel: "flow.last", Data: []byte(`"last"`)}); err != nil {
			t.Fatal(err)
		}
		if pattern != "flow.changes" {
			if m := <-out; string(m.Data) != `"last"` {
				t.Errorf("%s: heard %s on %s once more", pattern, m.Data, m.Channel)
			}
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		c.Del(ctx, stream, stream+":engine")
	}
}
