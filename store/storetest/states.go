package storetest

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
)

// Unusual is what is asked of a history of which nearly all has succeeded: no
// database may read it for the answer, which is short or empty.
func Unusual(network, socket string) map[string]store.CallFilter {
	out := map[string]store.CallFilter{
		"unfinished":                {Unfinished: true},
		"unfinished, of a socket":   {Unfinished: true, Socket: socket},
		"unfinished and running":    {Unfinished: true, State: model.Running},
		"unfinished, oldest first":  {Unfinished: true, Ascending: true},
		"unfinished, counted":       {Unfinished: true, Exact: true},
		"unfinished, for a while":   {Unfinished: true, Since: *kept(0)},
		"unfinished, for long":      {Unfinished: true, Until: *kept(3600)},
		"queued, of a socket":       {State: model.Queued, Socket: socket},
		"expired, of a socket":      {State: model.Expired, Socket: socket, Ascending: true},
		"cancelled, of a socket":    {State: model.Cancelled, Socket: socket, Since: *kept(0)},
		"failed, in a second":       {State: model.Failed, Since: *kept(0), Until: *kept(1)},
		"dead, of an unused socket": {State: model.Dead, Socket: "unused"},
	}
	for _, s := range model.States() {
		if s != model.Succeeded {
			out[string(s)] = store.CallFilter{State: s}
		}
	}
	for what, f := range out {
		f.Network = network
		out[what] = f
	}
	return out
}

// chosen tells whether a filter chooses a call, said once more and plainly.
func chosen(f store.CallFilter, c model.Call) bool {
	return (f.Network == "" || f.Network == c.Network) && (f.Socket == "" || f.Socket == c.Socket) && (f.Run == "" || f.Run == c.Tracking) &&
		(f.State == "" || f.State == c.State) && (!f.Unfinished || !c.State.Terminal()) &&
		(f.Since.IsZero() || !c.Created.Before(f.Since)) && (f.Until.IsZero() || c.Created.Before(f.Until))
}

// callStates: whatever happens to calls, a listing by state has what a plain
// look at all calls finds, in that order, page by page.
func callStates(t *testing.T, b *bundle) {
	rounds := 0
	rapid.Check(t, func(rt *rapid.T) {
		rounds++
		net := fmt.Sprint("n", rounds)
		id := rapid.Custom(func(rt *rapid.T) string { return fmt.Sprintf("%s-%02d", net, rapid.IntRange(0, 11).Draw(rt, "call")) })
		socket := rapid.SampledFrom([]string{"s1", "s2"})
		for i := range rapid.IntRange(1, 3).Draw(rt, "steps") {
			step := "record"
			if i > 0 {
				step = rapid.SampledFrom([]string{"record", "record", "record many", "reopen", "reopen", "prune"}).Draw(rt, "step")
			}
			switch step {
			case "record":
				var batch []model.Call
				for range rapid.IntRange(1, 12).Draw(rt, "records") {
					c := record(id.Draw(rt, "id"), rapid.SampledFrom(model.States()).Draw(rt, "state"), rapid.IntRange(0, 2).Draw(rt, "attempt"))
					c.Network, c.Socket = net, socket.Draw(rt, "socket")
					c.Created = *at(rapid.IntRange(0, 3).Draw(rt, "created"))
					if c.Finished != nil {
						c.Finished = at(rapid.IntRange(10, 12).Draw(rt, "finished"))
					}
					batch = append(batch, c)
				}
				must(rt, b.RecordCalls(b.ctx, batch))
			case "record many": // which may be written in another way
				var batch []model.Call
				for i := range 40 {
					c := record(fmt.Sprintf("%s-m%d-%02d", net, rapid.IntRange(0, 1).Draw(rt, "batch"), i), model.Queued, 0)
					c.Network, c.Socket, c.Created = net, "s1", *at(i % 4)
					if i > 30 {
						c = record(c.ID, model.States()[i%9], 1)
						c.Network, c.Socket = net, "s1"
					}
					batch = append(batch, c)
				}
				must(rt, b.RecordCalls(b.ctx, batch))
			case "reopen":
				got(b.Reopen(b.ctx, rapid.SliceOfN(id, 1, 6).Draw(rt, "ids")...))(rt)
			case "prune":
				got(b.PruneCalls(b.ctx, net, *at(rapid.IntRange(0, 4).Draw(rt, "before")), rapid.IntRange(1, 4).Draw(rt, "limit")))(rt)
			}
		}
		all := got(b.Calls(b.ctx, store.CallFilter{Network: net, List: store.List{Limit: store.MaxLimit}}))(rt).Items
		for _, state := range model.States() {
			f := store.CallFilter{Network: net, State: state, List: store.List{Limit: 1}}
			want := len(slices.DeleteFunc(slices.Clone(all), func(c model.Call) bool { return !chosen(f, c) }))
			equal(rt, string(state), got(b.Calls(b.ctx, f))(rt).Total, int64(want))
		}
		limit := rapid.IntRange(6, 24).Draw(rt, "page")
		questions := Unusual(net, socket.Draw(rt, "socket"))
		for _, what := range rapid.SliceOfNDistinct(rapid.SampledFrom(slices.Sorted(maps.Keys(questions))), 3, 3, rapid.ID).Draw(rt, "questions") {
			f := questions[what]
			var want []string
			for _, c := range all {
				if chosen(f, c) {
					want = append(want, c.ID)
				}
			}
			if f.Ascending {
				slices.Reverse(want)
			}
			f.Limit = limit
			var have []string
			for {
				page := got(b.Calls(b.ctx, f))(rt)
				if page.Total != int64(len(want)) || page.AtLeast {
					rt.Fatalf("%s: %d calls are counted, want %d", what, page.Total, len(want))
				}
				have = append(have, ids(page.Items)...)
				if f.Cursor = page.Next; f.Cursor == "" {
					break
				}
			}
			equal(rt, what, have, want)
		}
	})
	equal(t, "of all networks", len(got(b.Calls(b.ctx, store.CallFilter{Unfinished: true, List: store.List{Limit: 1}}))(t).Items), 1)
}
