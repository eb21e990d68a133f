package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
)

// Limit is how long a test may use a store that it opened.
const Limit = 2 * time.Minute

// BenchmarkRecordCalls measures how many records a second the store takes in
// batches of 500 calls: ends only, calls that were queued and then ended, the
// same in one batch, with a timeline, and from two recorders.
func BenchmarkRecordCalls(b *testing.B, open func(t testing.TB, name string) *store.Store) {
	queuedEnded := []model.State{model.Queued, model.Succeeded}
	for _, kind := range []struct {
		name      string
		states    []model.State
		events    int
		recorders int
		together  bool
	}{
		{"new", []model.State{model.Succeeded}, 0, 1, false},
		{"together", queuedEnded, 0, 1, true},
		{"queued+ended", queuedEnded, 0, 1, false},
		{"queued+ended+events", queuedEnded, 3, 1, false},
		{"queued+ended,two", queuedEnded, 0, 2, false},
	} {
		b.Run(kind.name, func(b *testing.B) {
			s := open(b, testenv.Prefix(b))
			ctx := testenv.Context(b, Limit)
			must(b, s.Migrate(ctx))
			const batch = 500
			rounds := 0
			for b.Loop() {
				var group errgroup.Group
				for range kind.recorders {
					calls := benchCalls(batch)
					group.Go(func() error { return benchRecord(ctx, s, calls, kind.states, kind.events, kind.together) })
				}
				must(b, group.Wait())
				rounds++
			}
			rows := rounds * kind.recorders * batch * len(kind.states)
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// benchRecord records the calls once in each state.
func benchRecord(ctx context.Context, s *store.Store, calls []model.Call, states []model.State, events int, together bool) error {
	var batch []model.Call
	for _, state := range states {
		for i := range calls {
			c := &calls[i]
			c.State = state
			if !state.Terminal() {
				continue
			}
			c.Attempt, c.Started, c.Finished, c.Result = 1, at(1), at(2), raw(`"Do this: ['some data']"`)
			c.Node, c.Worker, c.Commit, c.Processor = "node", "node.proc1.0", "0123456789abcdef0123456789abcdef01234567", "proc1"
			for e := range events {
				c.Events = append(c.Events, model.Event{Name: fmt.Sprint("step", e), Time: *at(e)})
			}
		}
		if batch = append(batch, calls...); together && !state.Terminal() {
			continue
		}
		if err := s.RecordCalls(ctx, batch); err != nil {
			return err
		}
		batch = nil
	}
	return nil
}

func benchCalls(n int) []model.Call {
	out := make([]model.Call, n)
	for i := range out {
		id := model.NewID()
		out[i] = model.Call{
			ID: id, Tracking: id, Network: "default", Socket: "pyfi.processors.sample.do_this", Queue: "pyfi.queue1",
			Args: []json.RawMessage{raw(`["some data"]`)}, Origin: "admin", Created: time.Now(),
		}
		if i%2 == 1 { // every other one is a child
			out[i].Parents, out[i].Tracking = []string{out[i-1].ID}, out[i-1].ID
		}
	}
	return out
}
