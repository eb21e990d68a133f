package storetest

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
)

// Limit is how long a test may use a store that it opened.
const Limit = 2 * time.Minute

// BenchmarkRecordCalls measures how many records a second the store takes in
// batches of 500: new calls, calls that were queued and then ended, and ended
// ones with a timeline.
func BenchmarkRecordCalls(b *testing.B, open func(t testing.TB, name string) *store.Store) {
	const batch = 500
	for _, kind := range []struct {
		name   string
		states []model.State
		events int
	}{
		{"new", []model.State{model.Succeeded}, 0},
		{"queued+ended", []model.State{model.Queued, model.Succeeded}, 0},
		{"queued+ended+events", []model.State{model.Queued, model.Succeeded}, 3},
	} {
		b.Run(kind.name, func(b *testing.B) {
			s := open(b, testenv.Prefix(b))
			ctx := testenv.Context(b, Limit)
			must(b, s.Migrate(ctx))
			rows := 0
			for b.Loop() {
				calls := benchCalls(batch)
				for _, state := range kind.states {
					for i := range calls {
						c := &calls[i]
						c.State = state
						if state.Terminal() {
							c.Attempt, c.Started, c.Finished, c.Result = 1, at(1), at(2), raw(`"Do this: ['some data']"`)
							c.Node, c.Worker, c.Commit, c.Processor = "node", "node.proc1.0", "0123456789abcdef0123456789abcdef01234567", "proc1"
							for e := range kind.events {
								c.Events = append(c.Events, model.Event{Name: fmt.Sprint("step", e), Time: *at(e)})
							}
						}
					}
					must(b, s.RecordCalls(ctx, calls))
					rows += len(calls)
				}
			}
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
		})
	}
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
