package api

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/elasticcode/flow/event"
	"github.com/elasticcode/flow/internal/testenv"
)

// TestSocketsAreReadAfterAChange of what they are, and not for every question.
func TestSocketsAreReadAfterAChange(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	ctx := testenv.Context(t, 30*time.Second)
	again := func() bool {
		t.Helper()
		w := b.api.plans.wiring("default/proc1")
		before := w.at
		w.took = 0 // so that it need not rest
		if _, _, err := b.api.plans.sockets(ctx, "default", "proc1"); err != nil {
			t.Fatal(err)
		}
		return w.at != before
	}
	told := func(server, kind string) {
		t.Helper()
		data, err := json.Marshal(news{Type: "change", Kind: kind, Change: "updated", Server: server})
		if err != nil {
			t.Fatal(err)
		}
		b.api.told(event.Message{Channel: Changes, Data: data})
	}
	again()
	for _, c := range []struct {
		what   string
		change func()
		want   bool
	}{
		{"nothing", func() {}, false},
		{"a deployment", b.api.Changed, false},
		{"a plug", func() { b.api.announce(ctx, "plug", "default", "x", "created") }, true},
		{"what this server told itself", func() { told(b.api.name, "plug") }, false},
		{"a socket at another server", func() { told("another", "socket") }, true},
		{"a deployment at another server", func() { told("another", "deployment") }, false},
		{"what nobody understands", func() { b.api.told(event.Message{Channel: Changes, Data: []byte("x")}) }, true},
	} {
		c.change()
		if got := again(); got != c.want {
			t.Errorf("after %s sockets were read: %t", c.what, got)
		}
	}
}

// TestHurryEndsTheRest: who waits for agents to know a change does not wait for
// others who change things all the time.
func TestHurryEndsTheRest(t *testing.T) {
	t.Parallel()
	p := newPlans(nil, newBell())
	rested := make(chan error, 2)
	rest := func() { rested <- p.rest(t.Context(), time.Hour) }
	go rest()
	calm := p.rush()
	also := p.rush()
	calm()
	go rest()
	for range 2 {
		if err := <-rested; err != nil {
			t.Fatal(err)
		}
	}
	also()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := p.rest(ctx, time.Hour); err == nil {
		t.Error("it is in a hurry still")
	}
}
