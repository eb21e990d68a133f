package canceller

import (
	"context"
	"testing"
	"time"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
)

// Claim grants calls that have not ended and that nobody runs.
func (m *memory) Claim(_ context.Context, _ string, _ time.Duration, calls ...string) ([]result.Claim, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away != nil {
		return nil, m.away
	}
	out := make([]result.Claim, len(calls))
	for i, id := range calls {
		r, there := m.known[id]
		switch {
		case m.held[id]:
		case there:
			out[i].Result = &r
		default:
			out[i].Granted = true
		}
	}
	return out, nil
}

// TestAbandonWhileResultsAreAway: what could not be ended is ended when they are back.
func TestAbandonWhileResultsAreAway(t *testing.T) {
	t.Parallel()
	w, s, m := setup(t)
	ctx := testenv.Context(t, time.Minute)
	told(t, s, "a", model.Queued)
	m.away = result.ErrUnavailable
	if err := w.Abandon(ctx, "default", "s"); err == nil {
		t.Fatal("nobody is told that calls are left")
	}
	m.away = nil
	if err := w.once(ctx); err != nil {
		t.Fatal(err)
	}
	if c, err := s.Call(ctx, "a"); err != nil || c.State != model.Cancelled {
		t.Errorf("the call is %s, %v", c.State, err)
	}
}

// TestAbandon: the calls of a deleted socket end, but for those that run or have
// ended a moment ago; those that are recorded later end later.
func TestAbandon(t *testing.T) {
	t.Parallel()
	w, s, m := setup(t)
	ctx := testenv.Context(t, time.Minute)
	for id, state := range map[string]model.State{"queued": model.Queued, "again": model.Retrying, "begun": model.Queued, "runs": model.Running, "done": model.Queued} {
		told(t, s, id, state)
	}
	m.held = map[string]bool{"begun": true, "runs": true}
	m.known["done"] = result.Result{Call: "done", State: model.Succeeded}
	if err := w.Abandon(ctx, "default", "s"); err != nil {
		t.Fatal(err)
	}
	early := model.Call{ID: "early", Tracking: "run", Network: "default", Socket: "s", State: model.Queued, Created: time.Now().Add(-2 * orphanAge)}
	if err := s.RecordCalls(ctx, []model.Call{early}); err != nil {
		t.Fatal(err)
	}
	if err := w.once(ctx); err != nil {
		t.Fatal(err)
	}
	if c, err := s.Call(ctx, "begun"); err != nil || c.State != model.Queued {
		t.Errorf("a call that somebody has is %s, %v", c.State, err)
	}
	m.held = map[string]bool{"runs": true} // the other was given back, and the queue is gone
	w.looked = time.Time{}
	if err := w.once(ctx); err != nil || len(w.Canceller.held) != 1 {
		t.Fatal(w.Canceller.held, err)
	}
	told(t, s, "runs", model.Succeeded)
	w.looked = time.Time{}
	if err := w.once(ctx); err != nil || len(w.Canceller.held) > 0 {
		t.Fatal(w.Canceller.held, err)
	}
	for id, want := range map[string]model.State{
		"queued": model.Cancelled, "again": model.Cancelled, "begun": model.Cancelled, "runs": model.Succeeded, "done": model.Queued, "early": model.Cancelled,
	} {
		c, err := s.Call(ctx, id)
		if err != nil || c.State != want {
			t.Errorf("call %s is %s, want %s: %v", id, c.State, want, err)
		}
		if want == model.Cancelled && (m.known[id].State != want || c.Failure.Message != "its socket was deleted") {
			t.Errorf("call %s: who waits is told %+v, and the history says %+v", id, m.known[id], c.Failure)
		}
	}
}
