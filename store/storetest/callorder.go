package storetest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
)

// callOrder: whatever records come, in whatever order and batches, the outcome
// is what the rules in the store's package comment say.
func callOrder(t *testing.T, b *bundle) {
	rapid.Check(t, func(rt *rapid.T) {
		id := model.NewID()
		var records []model.Call
		for i := range rapid.IntRange(1, 8).Draw(rt, "records") {
			c := record(id, rapid.SampledFrom(model.States()).Draw(rt, "state"), rapid.IntRange(0, 3).Draw(rt, "attempt"))
			c.Worker = fmt.Sprintf("w%d", i)
			if rapid.Bool().Draw(rt, "brings arguments") {
				c.Args, c.Origin = []json.RawMessage{raw(fmt.Sprint(i))}, fmt.Sprint(i)
			}
			c.Created = *at(rapid.IntRange(0, 9).Draw(rt, "created"))
			c.Events = []model.Event{{Name: fmt.Sprint(i % 3), Time: *kept(0)}}
			if c.State.Terminal() {
				c.Result = raw(fmt.Sprint(i))
			}
			records = append(records, c)
		}
		for rest := records; len(rest) > 0; {
			n := rapid.IntRange((len(records)+2)/3, len(records)).Draw(rt, "batch") // at most three: commits take time
			n = min(n, len(rest))
			must(rt, b.RecordCalls(b.ctx, rest[:n]))
			rest = rest[n:]
		}
		have, err := b.Call(b.ctx, id)
		must(rt, err)
		equal(rt, "call", have, outcome(records))
	})
}

// outcome is the rules, said once more and plainly.
func outcome(records []model.Call) model.Call {
	step := func(c model.Call) int {
		return c.Attempt*10 + slices.Index([]model.State{model.Running, model.Retrying}, c.State) // -1: before it runs
	}
	counts, created, seen := records[0], records[0].Created, map[string]bool{}
	var out model.Call
	for i, c := range records {
		switch {
		case i == 0 || counts.State.Terminal():
		case c.State.Terminal(), step(c) >= step(counts):
			c.Attempt = max(c.Attempt, counts.Attempt)
			counts = c
		}
		if c.Created.Before(created) {
			created = c.Created
		}
		if out.Args == nil {
			out.Args, out.Origin = c.Args, c.Origin
		}
		if e := c.Events[0]; !seen[e.Name] {
			seen[e.Name] = true
			out.Events = append(out.Events, e)
		}
	}
	slices.SortFunc(out.Events, func(a, b model.Event) int { return int(a.Name[0]) - int(b.Name[0]) })
	counts.Args, counts.Origin, counts.Events, counts.Parents = out.Args, out.Origin, out.Events, []string{}
	counts.Created = *kept(int(created.Sub(epoch).Seconds()))
	if counts.Finished != nil {
		counts.Finished = kept(10)
	}
	return counts
}

// callRace: many recorders write about the same calls at the same time.
func callRace(t *testing.T, b *bundle) {
	const recorders, n = 8, 100
	var group errgroup.Group
	for range recorders {
		group.Go(func() error {
			var batch []model.Call
			for i := range n {
				for _, state := range []model.State{model.Queued, model.Running, model.Succeeded} {
					c := record(fmt.Sprintf("c%d", i), state, 1)
					c.Parents = []string{fmt.Sprintf("p%d", i)}
					c.Events = []model.Event{{Name: string(state), Time: *at(1)}}
					batch = append(batch, c)
				}
			}
			rand.Shuffle(len(batch), func(i, j int) { batch[i], batch[j] = batch[j], batch[i] })
			for part := range slices.Chunk(batch, 50) {
				if err := b.RecordCalls(b.ctx, part); err != nil {
					return err
				}
			}
			return nil
		})
	}
	must(t, group.Wait())
	equal(t, "unfinished", got(b.Calls(b.ctx, store.CallFilter{Unfinished: true}))(t).Total, 0)
	for i := range n {
		c := got(b.Call(b.ctx, fmt.Sprintf("c%d", i)))(t)
		equal(t, "call", []any{c.State, len(c.Events), c.Parents}, []any{model.Succeeded, 3, []string{fmt.Sprintf("p%d", i)}})
	}
}
