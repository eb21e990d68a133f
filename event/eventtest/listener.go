package eventtest

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/elasticcode/flow/event"
)

// limit is how long a test waits for something that should come at once.
const limit = 20 * time.Second

// listener is a subscription that runs beside the test.
type listener struct {
	t      testing.TB
	out    chan event.Message
	ready  chan struct{}
	done   chan error
	cancel context.CancelFunc
}

// listen subscribes without waiting until it is ready.
func listen(t testing.TB, bus event.Bus, s event.Subscription, buffer int) *listener {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &listener{
		t: t, out: make(chan event.Message, buffer), ready: make(chan struct{}),
		done: make(chan error, 1), cancel: cancel,
	}
	go func() { l.done <- bus.Subscribe(ctx, s, l.out, func() { close(l.ready) }) }()
	t.Cleanup(func() { l.stop() })
	return l
}

// hear subscribes and waits until nothing is missed any more.
func hear(t testing.TB, bus event.Bus, s event.Subscription) *listener {
	t.Helper()
	l := listen(t, bus, s, 64)
	select {
	case <-l.ready:
	case err := <-l.done:
		t.Fatalf("subscribe to %q ended before it was ready: %v", s.Pattern, err)
	case <-time.After(limit):
		t.Fatalf("subscribe to %q is not ready after %v", s.Pattern, limit)
	}
	return l
}

// stop ends the subscription and returns what Subscribe returned; again: nil.
func (l *listener) stop() error {
	l.cancel()
	select {
	case err, ok := <-l.done:
		if ok {
			close(l.done)
		}
		return err
	case <-time.After(limit):
		l.t.Errorf("Subscribe has not returned %v after its context ended", limit)
		return nil
	}
}

func (l *listener) next() event.Message {
	l.t.Helper()
	select {
	case m := <-l.out:
		return m
	case err := <-l.done:
		l.t.Fatalf("the subscription ended: %v", err)
	case <-time.After(limit):
		l.t.Fatalf("nothing heard for %v", limit)
	}
	return event.Message{}
}

// take returns the next n messages.
func (l *listener) take(n int) []event.Message {
	l.t.Helper()
	got := make([]event.Message, n)
	for i := range got {
		got[i] = l.next()
	}
	return got
}

// expect wants the next messages to have exactly these numbers.
func (l *listener) expect(from, to int) []event.Message {
	l.t.Helper()
	var got []event.Message
	for want := from; want <= to; want++ {
		m := l.next()
		if n := number(l.t, m); n != want {
			l.t.Fatalf("heard number %d (id %s), want %d: a gap or a doubling", n, m.ID, want)
		}
		got = append(got, m)
	}
	return got
}

// say makes the message with a number.
func say(channel string, n int) event.Message {
	return event.Message{Channel: channel, Data: fmt.Appendf(nil, `{"channel":"task","n":%d}`, n)}
}

func number(t testing.TB, m event.Message) int {
	t.Helper()
	var d struct{ N int }
	if err := json.Unmarshal(m.Data, &d); err != nil {
		t.Fatalf("data %q of message %s: %v", m.Data, m.ID, err)
	}
	return d.N
}

// publish publishes and wants no error.
func publish(t testing.TB, bus event.Bus, msgs ...event.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := bus.Publish(ctx, msgs...); err != nil {
		t.Fatalf("publish: %v", err)
	}
}

// count publishes the numbers from..to on a channel, each alone.
func count(t testing.TB, bus event.Bus, channel string, from, to int) {
	t.Helper()
	for n := from; n <= to; n++ {
		publish(t, bus, say(channel, n))
	}
}

// hourAgo is before anything that a test published.
func hourAgo() time.Time { return time.Now().Add(-time.Hour) }
