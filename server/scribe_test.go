package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/socket"
)

// outage is a broker that is away for the first messages.
type outage struct {
	mu    sync.Mutex
	away  int
	calls int // in the records that arrived
}

func (o *outage) Publish(_ context.Context, msgs ...broker.Message) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.away--; o.away >= 0 {
		return errors.New("the broker is away")
	}
	for _, m := range msgs {
		rec, err := socket.DecodeRecord(m.Body)
		if err != nil {
			return err
		}
		o.calls += len(rec.Calls)
	}
	return nil
}

// TestScribe: what was noted is known at once, and is recorded by the time the
// scribe ends, although the broker was away.
func TestScribe(t *testing.T) {
	t.Parallel()
	o := &outage{away: 2}
	s := newScribe(o, testenv.Logger(t))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	const calls = 2*scribeAtOnce + 1
	for i := range calls {
		s.note(ctx, []model.Call{{ID: fmt.Sprint(i), State: model.Queued, Args: []json.RawMessage{json.RawMessage("1")}}})
	}
	if c, ok := s.known("7"); !ok || c.State != model.Queued || c.Args != nil {
		t.Errorf("of an accepted call is known: %+v, %v", c, ok)
	}
	if _, ok := s.known("none"); ok {
		t.Error("a call that was never accepted is known")
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if o.calls != calls {
		t.Errorf("%d of %d calls were recorded", o.calls, calls)
	}
}

// TestScribeRemembers: a call is known from the moment on that it is noted, while
// its record waits, is sent, and was sent; but not for ever.
func TestScribeRemembers(t *testing.T) {
	t.Parallel()
	s := newScribe(&outage{}, testenv.Logger(t))
	call := func(id string, bytes int) model.Call {
		value := json.RawMessage(`"` + strings.Repeat("x", bytes) + `"`)
		return model.Call{ID: id, State: model.Queued, Origin: "anna", Args: []json.RawMessage{value}, Kwargs: map[string]json.RawMessage{"k": value}}
	}
	knows := func(when, id string, want bool) {
		t.Helper()
		c, ok := s.known(id)
		if ok != want || ok && (c.ID != id || c.Origin != "anna" || c.Args != nil || c.Kwargs != nil) {
			t.Errorf("%s: call %s is known: %t, %+v", when, id, ok, c)
		}
	}
	s.note(t.Context(), []model.Call{call("a", 10), call("b", 100_000)})
	knows("before it is sent", "a", true)
	knows("before it is sent", "b", true)
	s.pack()
	knows("while it is sent", "b", true)
	s.sendAll(t.Context())
	for _, id := range []string{"a", "b"} {
		knows("after it was sent", id, true)
	}
	knows("after others were sent", "c", false)
	if s.told.now.bytes > 10_000 || s.bytes != 0 {
		t.Errorf("%d bytes are remembered, and %d wait", s.told.now.bytes, s.bytes)
	}
	for i := 0; s.told.find("a") != nil; i += 1000 {
		if i > 2*toldBytes/entryBytes {
			t.Fatalf("after %d calls the first one is known still", i)
		}
		var more []model.Call
		for n := range 1000 {
			more = append(more, call(fmt.Sprint("n", i+n), 200))
		}
		s.note(t.Context(), more)
		s.sendAll(t.Context())
		knows("the last one", fmt.Sprint("n", i), true)
	}
}
