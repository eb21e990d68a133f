package canceller

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/store"
	"github.com/elasticcode/flow/store/sqlite"
)

// memory is a result store that keeps what it is given.
type memory struct {
	result.Store // the methods that are not played
	mu           sync.Mutex
	known        map[string]result.Result
	held         map[string]bool // somebody runs them
	away         error           // the answer to claims
}

func (m *memory) Put(_ context.Context, _ time.Duration, results ...result.Result) (earlier []result.Result, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range results {
		if was, there := m.known[r.Call]; there {
			earlier = append(earlier, was)
			continue
		}
		m.known[r.Call] = r
	}
	return earlier, nil
}

func (m *memory) Get(_ context.Context, calls ...string) (map[string]result.Result, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string]result.Result{}
	for _, id := range calls {
		if r, there := m.known[id]; there {
			out[id] = r
		}
	}
	return out, nil
}

func setup(t *testing.T) (*sweep, *store.Store, *memory) {
	t.Helper()
	ctx := testenv.Context(t, time.Minute)
	s, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "flow.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	m := &memory{known: map[string]result.Result{}}
	c := New(Config{History: s, Results: m, Logger: testenv.Logger(t)})
	return &sweep{Canceller: c, passed: map[string]time.Time{}}, s, m
}

func told(t *testing.T, s *store.Store, id string, state model.State) {
	t.Helper()
	c := model.Call{ID: id, Tracking: "run", Network: "default", Socket: "s", State: state, Attempt: 1, Created: time.Now()}
	if err := s.RecordCalls(testenv.Context(t, time.Minute), []model.Call{c}); err != nil {
		t.Fatal(err)
	}
}

// TestLateCalls: what a call in flight made is cancelled when it is recorded.
func TestLateCalls(t *testing.T) {
	t.Parallel()
	w, s, m := setup(t)
	ctx := testenv.Context(t, time.Minute)
	told(t, s, "a", model.Running)
	if n, err := w.CancelRun(ctx, "run", "ann"); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	told(t, s, "late", model.Queued)
	if err := w.once(ctx); err != nil {
		t.Fatal(err)
	}
	c, err := s.Call(ctx, "late")
	if err != nil || c.State != model.Cancelled || c.Failure.Message != "the run was cancelled by ann" || m.known["late"].State != model.Cancelled {
		t.Errorf("%+v, %v", c, err)
	}
	// A call that a person runs again is left alone from then on.
	if _, err := s.Reopen(ctx, "late"); err != nil {
		t.Fatal(err)
	}
	w.passed = map[string]time.Time{}
	if err := w.once(ctx); err != nil {
		t.Fatal(err)
	}
	if c, err := s.Call(ctx, "late"); err != nil || c.State != model.Queued {
		t.Errorf("a redriven call is %s, %v", c.State, err)
	}
}

// TestLostMemory: a result store that was emptied learns again what was cancelled.
func TestLostMemory(t *testing.T) {
	t.Parallel()
	w, s, m := setup(t)
	ctx := testenv.Context(t, time.Minute)
	told(t, s, "a", model.Queued)
	told(t, s, "alone", model.Queued)
	if _, err := w.Cancel(ctx, "alone", "ann"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.CancelRun(ctx, "run", "ann"); err != nil {
		t.Fatal(err)
	}
	m.known = map[string]result.Result{}
	if err := w.once(ctx); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "alone", result.CancelledRun("run"), result.CancelsUnderWay} {
		if m.known[id].State != model.Cancelled {
			t.Errorf("it does not know of %s", id)
		}
	}
}
