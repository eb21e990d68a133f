package storetest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/elasticcode/flow/model"
)

// life is the records of a call that was queued, maybe ran for long, and ended,
// and the call as it is known after all of them.
func life(n int) (records []model.Call, whole model.Call) {
	call := func(state model.State, attempt int) model.Call {
		c := record(fmt.Sprintf("c%04d", n), state, attempt)
		c.Tracking, c.Events = c.ID, []model.Event{{Name: string(state), Time: *kept(attempt)}}
		return c
	}
	begin, end := call(model.Queued, 0), call(model.Succeeded, 1)
	begin.Args, begin.Origin = []json.RawMessage{raw(fmt.Sprint(n))}, "ann"
	if n%2 == 1 {
		begin.Parents = []string{fmt.Sprintf("c%04d", n-1)}
	}
	end.Result, end.Worker, end.Started = raw(fmt.Sprint(-n)), "w", at(3)
	end.Log = []model.LogLine{{Time: *kept(4), Stream: "stdout", Text: end.ID}}
	records = []model.Call{begin, end}
	if n%3 == 0 {
		records = append(records, call(model.Running, 1))
	}
	whole = end
	whole.Args, whole.Origin, whole.Parents = begin.Args, begin.Origin, begin.Parents
	whole.Created, whole.Started, whole.Finished, whole.Events = *kept(0), kept(3), kept(10), nil
	for _, r := range records {
		whole.Events = append(whole.Events, r.Events...)
	}
	if whole.Parents == nil {
		whole.Parents = []string{}
	}
	return records, whole
}

// callCrowd: several recorders have the records of many calls, in any order and
// some of them twice, in batches large and small, and each call becomes whole.
func callCrowd(t *testing.T, b *bundle) {
	const recorders, n = 3, 900
	told := make([][]model.Call, recorders)
	var want []model.Call
	for i := range n {
		records, whole := life(i)
		want = append(want, whole)
		together := rand.IntN(recorders)
		for _, r := range records {
			to := together
			if i%4 == 0 { // their records go to different recorders
				to = rand.IntN(recorders)
			}
			told[to] = append(told[to], r)
			if rand.IntN(50) == 0 {
				told[to] = append(told[to], r)
			}
		}
	}
	var group errgroup.Group
	for _, records := range told {
		group.Go(func() error {
			// Records come nearly in order: few of them are late.
			for range len(records) / 10 {
				i, j := rand.IntN(len(records)), rand.IntN(len(records))
				records[i], records[j] = records[j], records[i]
			}
			for len(records) > 0 {
				some := min(len(records), []int{1, 20, 200}[rand.IntN(3)])
				if err := b.RecordCalls(b.ctx, records[:some]); err != nil {
					return err
				}
				records = records[some:]
			}
			return nil
		})
	}
	must(t, group.Wait())
	for _, w := range want {
		c := got(b.Call(b.ctx, w.ID))(t)
		for _, events := range [][]model.Event{c.Events, w.Events} {
			slices.SortFunc(events, func(a, b model.Event) int { return strings.Compare(a.Name, b.Name) })
		}
		equal(t, "call", c, w)
	}
	for i := 0; i < n; i += n / 9 {
		id := fmt.Sprintf("c%04d", i/2*2)
		equal(t, "tree", ids(got(b.Tree(b.ctx, id))(t)), []string{id, fmt.Sprintf("c%04d", i/2*2+1)})
	}
}
