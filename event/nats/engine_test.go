package nats_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	gonats "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/elasticcode/flow/event"
	"github.com/elasticcode/flow/event/nats"
	"github.com/elasticcode/flow/internal/testenv"
)

// TestEngineChannels: who listens to the engine's own channels hears them, from
// the past as well, and so does who listens to everything; neither twice.
func TestEngineChannels(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for pattern, want := range map[string]int{"flow.changes": 30, "flow.*": 30, "*": 60} {
		t.Run(pattern, func(t *testing.T) {
			t.Parallel()
			ctx, prefix := testenv.Context(t, 20*time.Second), testenv.Prefix(t)
			conn := connect(t, s.ClientURL())
			bus, err := nats.New(ctx, conn, nats.Config{Prefix: prefix})
			if err != nil {
				t.Fatal(err)
			}
			for i := range 30 {
				data := fmt.Appendf(nil, "{%q: %d}", "n", i)
				if err := bus.Publish(ctx, event.Message{Channel: "q.p.task", Data: data}, event.Message{Channel: "flow.changes", Data: data}); err != nil {
					t.Fatal(err)
				}
			}
			out := make(chan event.Message)
			listening, stop := context.WithCancel(ctx)
			done := make(chan error, 1)
			go func() {
				done <- bus.Subscribe(listening, event.Subscription{Pattern: pattern, Since: time.Now().Add(-time.Minute)}, out, nil)
			}()
			for i := range want {
				select {
				case m := <-out:
					if n := i * 30 / want; string(m.Data) != fmt.Sprintf("{%q: %d}", "n", n) {
						t.Fatalf("message %d is %s", i, m.Data)
					}
				case <-ctx.Done():
					t.Fatalf("only %d messages", i)
				}
			}
			if n := entries(ctx, t, conn, prefix+"FLOW_EVENTS_ENGINE"); pattern != "*" && n != 30 {
				t.Errorf("the track of the engine has %d entries", n)
			}
			if err := bus.Publish(ctx, event.Message{Channel: "flow.changes", Data: []byte(`"last"`)}); err != nil {
				t.Fatal(err)
			}
			if m := <-out; string(m.Data) != `"last"` {
				t.Errorf("heard %s on %s once more", m.Data, m.Channel)
			}
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// entries counts what a stream has.
func entries(ctx context.Context, t *testing.T, conn *gonats.Conn, stream string) uint64 {
	t.Helper()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	found, err := js.Stream(ctx, stream)
	if err != nil {
		t.Fatal(err)
	}
	return found.CachedInfo().State.Msgs
}
