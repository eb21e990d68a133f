package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
)

// epoch is a time with more digits than the database keeps, in a zone of its own.
var epoch = time.Date(2026, 3, 4, 5, 6, 7, 123456789, time.FixedZone("", 7200))

func at(seconds int) *time.Time {
	t := epoch.Add(time.Duration(seconds) * time.Second)
	return &t
}

func kept(seconds int) *time.Time {
	t := at(seconds).UTC().Truncate(time.Microsecond)
	return &t
}

func record(id string, state model.State, attempt int) model.Call {
	c := model.Call{ID: id, Tracking: "run", Network: "default", Socket: "s", State: state, Attempt: attempt, Created: *at(0)}
	if state.Terminal() {
		c.Finished = at(10)
	}
	return c
}

// calls: a call comes back as it was recorded, with its log and events.
func calls(t *testing.T, b *bundle) {
	c := model.Call{
		ID: "c1", Tracking: "run", Parents: []string{"p2", "p1"}, Network: "default", Socket: "s", Queue: "q", Processor: "p",
		Module: "m", Task: "f", Commit: "c0ffee", Plug: "g", Argument: "one", Joined: "j", State: model.Failed, Priority: model.Low, Attempt: 2,
		Args:    []json.RawMessage{raw(`{"b":1,"a":[1.50,"<&>\u0000"]}`), raw(`null`)},
		Kwargs:  map[string]json.RawMessage{"k": raw(`"v"`)},
		Result:  raw(`null`),
		Failure: &model.Failure{Error: "ValueError", Message: "no\x00", Trace: "line\nline", Permanent: true, RetryAfterMS: 5},
		Origin:  "ann", Node: "n", Worker: "w", Created: *at(0), Started: at(1), Finished: at(2), Deadline: at(3),
		Log:    []model.LogLine{{Time: *kept(1), Stream: "stdout", Text: "out\x00"}, {Time: *kept(2), Stream: "stderr", Text: "err"}},
		Events: []model.Event{{Name: "prerun", Time: *at(1), Note: "n\x00ote"}, {Name: "received", Time: *at(0)}},
	}
	must(t, b.RecordCalls(b.ctx, []model.Call{c}))
	must(t, b.RecordCalls(b.ctx, []model.Call{c, c}))
	must(t, b.RecordCalls(b.ctx, nil))
	want := c
	want.Created, want.Started, want.Finished, want.Deadline = *kept(0), kept(1), kept(2), kept(3)
	want.Events = []model.Event{{Name: "received", Time: *kept(0)}, {Name: "prerun", Time: *kept(1), Note: "n\uFFFDote"}}
	equal(t, "call", got(b.Call(b.ctx, "c1"))(t), want)

	// A listing leaves out what is long.
	want.Log, want.Events = nil, nil
	equal(t, "listed call", got(b.Calls(b.ctx, store.CallFilter{}))(t).Items, []model.Call{want})
	_, err := b.Call(b.ctx, "c2")
	refused(t, err, store.ErrNotFound, `there is no call "c2"`)
	_, err = b.Run(b.ctx, "c2")
	refused(t, err, store.ErrNotFound, `there is no run "c2"`)
}

// callFacts: what a record lacks stays as it was known, in any order.
func callFacts(t *testing.T, b *bundle) {
	first := record("x", model.Queued, 0)
	first.Args, first.Parents, first.Origin, first.Priority = []json.RawMessage{raw(`1`)}, []string{"up"}, "ann", model.High
	last := model.Call{ID: "x", Tracking: "run", Network: "default", State: model.Succeeded, Attempt: 1, Result: raw(`2`),
		Node: "n", Worker: "w", Commit: "c0ffee", Started: at(1), Finished: at(2)}
	retried := record("x", model.Retrying, 1)
	retried.Failure, retried.Log = &model.Failure{Error: "E", Message: "m"}, []model.LogLine{{Stream: "stdout", Text: "one"}}
	for name, order := range map[string][]model.Call{
		"forth": {first, retried, last}, "back": {last, retried, first}, "mixed": {last, first, retried},
	} {
		for i := range order {
			order[i].ID = "x" + name
			must(t, b.RecordCalls(b.ctx, order[i:i+1]))
		}
		c := got(b.Call(b.ctx, "x"+name))(t)
		want := model.Call{ID: "x" + name, Tracking: "run", Parents: []string{"up"}, Network: "default", Socket: "s", Origin: "ann",
			State: model.Succeeded, Priority: model.High, Attempt: 1, Args: []json.RawMessage{raw(`1`)}, Result: raw(`2`), Node: "n", Worker: "w", Commit: "c0ffee",
			Created: *kept(0), Started: kept(1), Finished: kept(2), Log: retried.Log}
		equal(t, name, c, want)
	}

	must(t, b.RecordCalls(b.ctx, []model.Call{retried}))
	equal(t, "why it is tried again", got(b.Call(b.ctx, "x"))(t).Failure, retried.Failure)
	running := record("x", model.Running, 2)
	running.Log = []model.LogLine{{Stream: "stdout", Text: "two"}}
	must(t, b.RecordCalls(b.ctx, []model.Call{running, retried}))
	c := got(b.Call(b.ctx, "x"))(t)
	equal(t, "failure of a call that runs", c.Failure, nil)
	equal(t, "log of both attempts", names(c.Log, func(l model.LogLine) string { return l.Text }), []string{"one", "two"})
}

// callUnfit: what can never be stored does not keep the rest from being stored.
func callUnfit(t *testing.T, b *bundle) {
	long := strings.Repeat("x", 300)
	bad := []model.Call{
		record("", model.Queued, 0), record(long, model.Queued, 0), record("a\x00b", model.Queued, 0),
		record("\xff", model.Queued, 0), record("state", "asleep", 0), record("tracking", model.Queued, 0),
		record("parent", model.Queued, 0), record("args", model.Queued, 0), record("result", model.Succeeded, 0),
	}
	bad[5].Tracking = long
	bad[6].Parents = []string{long}
	bad[7].Args = []json.RawMessage{raw(`{`)}
	bad[8].Result = raw(`{`)
	good := record("good", model.Succeeded, 1)
	good.Worker, good.Result = "\xff\x00", raw("\"\xff\"")
	early, late := time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	good.Started, good.Deadline, good.Attempt = &early, &late, 1<<60
	err := b.RecordCalls(b.ctx, append(bad, good))
	var unfit *store.Unfit
	if !errors.As(err, &unfit) || !errors.Is(err, store.ErrUnfit) || len(unfit.Reasons) != len(bad) {
		t.Fatalf("have error %v, want one about all of the first %d", err, len(bad))
	}
	page := got(b.Calls(b.ctx, store.CallFilter{}))(t)
	equal(t, "calls that were stored", ids(page.Items), []string{"good"})
	equal(t, "its worker and result", []any{page.Items[0].Worker, string(page.Items[0].Result)}, []any{"\uFFFD\uFFFD", "\"\uFFFD\""})
	last := time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC)
	equal(t, "its odd times", []*time.Time{page.Items[0].Started, page.Items[0].Deadline}, []*time.Time{{}, &last})
}

// callCount: a long listing is counted to the limit only, unless asked to.
func callCount(t *testing.T, b *bundle) {
	var all []model.Call
	for i := range store.CountLimit + 1 {
		c := record(fmt.Sprintf("c%05d", i), model.Dead, 1)
		c.Socket = []string{"s0", "s1"}[min(i, 1)]
		all = append(all, c)
	}
	for part := range slices.Chunk(all, 1000) {
		must(t, b.RecordCalls(b.ctx, part))
	}
	one := store.List{Limit: 1}
	for _, c := range []struct {
		name  string
		f     store.CallFilter
		total int64
		more  bool
	}{
		{"more than the limit", store.CallFilter{List: one}, store.CountLimit, true},
		{"as many as the limit", store.CallFilter{Socket: "s1", List: one}, store.CountLimit, false},
		{"one", store.CallFilter{Socket: "s0", List: one}, 1, false},
		{"exactly", store.CallFilter{Exact: true, List: one}, store.CountLimit + 1, false},
	} {
		page := got(b.Calls(b.ctx, c.f))(t)
		equal(t, c.name, []any{len(page.Items), page.Total, page.AtLeast}, []any{1, c.total, c.more})
	}
	page := got(b.Dead(b.ctx, store.DeadFilter{List: one}))(t)
	equal(t, "dead letters", []any{len(page.Items), page.Total, page.AtLeast}, []any{1, int64(store.CountLimit), true})
}

// callPaging: filters, both orders, exact totals, and no call twice or left out.
func callPaging(t *testing.T, b *bundle) {
	var all []model.Call
	states := model.States()
	for i := range 90 {
		c := record(fmt.Sprintf("c%02d", i), states[i%len(states)], 1)
		c.Socket = fmt.Sprintf("s%d", i%2)
		c.Tracking = fmt.Sprintf("r%d", i%5)
		c.Created = *at(i / 3) // three at the same time
		all = append(all, c)
	}
	must(t, b.RecordCalls(b.ctx, all))
	walk := func(f store.CallFilter) []string {
		t.Helper()
		var have []string
		for {
			page := got(b.Calls(b.ctx, f))(t)
			have = append(have, ids(page.Items)...)
			if page.Next == "" {
				equal(t, "total", page.Total, int64(len(have)))
				return have
			}
			f.Cursor = page.Next
		}
	}
	want := func(newest bool, keep func(i int) bool) []string {
		out := []string{}
		for i := range all {
			if newest {
				i = len(all) - 1 - i
			}
			if keep(i) {
				out = append(out, all[i].ID)
			}
		}
		return out
	}
	page := store.List{Limit: 7}
	equal(t, "newest first", walk(store.CallFilter{List: page}), want(true, func(int) bool { return true }))
	equal(t, "oldest first", walk(store.CallFilter{List: page, Ascending: true}), want(false, func(int) bool { return true }))
	equal(t, "of a socket", walk(store.CallFilter{List: page, Network: "default", Socket: "s1"}), want(true, func(i int) bool { return i%2 == 1 }))
	equal(t, "in a state", walk(store.CallFilter{List: page, State: model.Dead}), want(true, func(i int) bool { return all[i].State == model.Dead }))
	equal(t, "of a run", walk(store.CallFilter{List: page, Run: "r3", Ascending: true}), want(false, func(i int) bool { return i%5 == 3 }))
	equal(t, "unfinished", walk(store.CallFilter{List: page, Unfinished: true}), want(true, func(i int) bool { return !all[i].State.Terminal() }))
	equal(t, "of no network", got(b.Calls(b.ctx, store.CallFilter{Network: "x"}))(t).Items, []model.Call{})
	equal(t, "run", ids(got(b.Run(b.ctx, "r3"))(t)), want(false, func(i int) bool { return i%5 == 3 }))
	for _, cursor := range []string{"!", "WyJhIiwiYiJd"} {
		if _, err := b.Calls(b.ctx, store.CallFilter{List: store.List{Cursor: cursor}}); !errors.Is(err, store.ErrCursor) {
			t.Fatalf("cursor %q: %v", cursor, err)
		}
	}
	// A page of large results is cut short, and the next one goes on.
	large := raw(`"` + strings.Repeat("x", 7<<20) + `"`)
	for i := range 3 {
		c := record(fmt.Sprintf("large%d", i), model.Dead, 1)
		c.Network, c.Result, c.Created = "large", large, *at(i)
		must(t, b.RecordCalls(b.ctx, []model.Call{c}))
	}
	for _, f := range []store.CallFilter{{Network: "large"}, {Network: "large", State: model.Dead}} {
		page := got(b.Calls(b.ctx, f))(t)
		equal(t, "large calls on the first page", []int{len(page.Items), int(page.Total)}, []int{2, 3})
		equal(t, "large calls", walk(f), []string{"large2", "large1", "large0"})
	}
}

// callPeriod: calls of a time, with other filters, in pages and counted.
func callPeriod(t *testing.T, b *bundle) {
	var all []model.Call
	for i := range 30 {
		c := record(fmt.Sprintf("c%02d", i), []model.State{model.Dead, model.Queued}[i%2], 1)
		c.Socket, c.Created = fmt.Sprintf("s%d", i%3), *at(i / 3) // three at the same time
		all = append(all, c)
	}
	must(t, b.RecordCalls(b.ctx, all))
	for _, c := range []struct {
		name string
		f    store.CallFilter
		keep func(i int) bool
	}{
		{"since", store.CallFilter{Since: *at(4)}, func(i int) bool { return i >= 12 }},
		{"until", store.CallFilter{Until: *at(4)}, func(i int) bool { return i < 12 }},
		{"since and until", store.CallFilter{Since: *at(2), Until: *at(6)}, func(i int) bool { return i >= 6 && i < 18 }},
		{"since a while before", store.CallFilter{Since: at(4).Add(-time.Millisecond)}, func(i int) bool { return i >= 12 }},
		{"since a while after", store.CallFilter{Since: at(4).Add(time.Millisecond)}, func(i int) bool { return i >= 15 }},
		{"in another zone", store.CallFilter{Since: at(4).In(time.FixedZone("", -9*3600))}, func(i int) bool { return i >= 12 }},
		{"none", store.CallFilter{Since: *at(4), Until: *at(4)}, func(int) bool { return false }},
		{"of a socket", store.CallFilter{Network: "default", Socket: "s1", Since: *at(2), Until: *at(6)}, func(i int) bool { return i%3 == 1 && i >= 6 && i < 18 }},
		{"in a state", store.CallFilter{State: model.Dead, Since: *at(4)}, func(i int) bool { return i%2 == 0 && i >= 12 }},
		{"unfinished, of a run", store.CallFilter{Run: "run", Unfinished: true, Until: *at(4)}, func(i int) bool { return i%2 == 1 && i < 12 }},
	} {
		want := []string{}
		for i := range all {
			if c.keep(i) {
				want = append(want, all[i].ID)
			}
		}
		for _, exact := range []bool{false, true} {
			f := c.f
			f.Exact, f.Ascending, f.Limit = exact, exact, 5
			have := []string{}
			for {
				page := got(b.Calls(b.ctx, f))(t)
				equal(t, c.name+": total", []any{page.Total, page.AtLeast}, []any{int64(len(want)), false})
				have = append(have, ids(page.Items)...)
				if f.Cursor = page.Next; f.Cursor == "" {
					break
				}
			}
			if !f.Ascending {
				slices.Reverse(have)
			}
			equal(t, c.name, have, want)
		}
	}
}

// callTree: all that descends from a call, through joins too, parents first.
func callTree(t *testing.T, b *bundle) {
	made := func(id, run string, second int, parents ...string) model.Call {
		c := record(id, model.Succeeded, 1)
		c.Tracking, c.Parents, c.Created = run, parents, *at(second)
		return c
	}
	must(t, b.RecordCalls(b.ctx, []model.Call{
		made("root", "r1", 0), made("left", "r1", 5, "root"), made("right", "r1", 4, "root"),
		made("join", "r1", 3, "left", "other"), // an early clock
		made("leaf", "r1", 9, "join"), made("other", "r2", 1), made("alone", "r1", 2),
	}))
	must(t, b.RecordCalls(b.ctx, []model.Call{made("late", "r1", 6, "right"), made("left", "r1", 5)}))
	equal(t, "tree", ids(got(b.Tree(b.ctx, "root"))(t)), []string{"root", "right", "left", "join", "late", "leaf"})
	equal(t, "tree of the other parent", ids(got(b.Tree(b.ctx, "other"))(t)), []string{"other", "join", "leaf"})
	equal(t, "tree of a leaf", ids(got(b.Tree(b.ctx, "leaf"))(t)), []string{"leaf"})
	_, err := b.Tree(b.ctx, "none")
	refused(t, err, store.ErrNotFound, `there is no call "none"`)
	must(t, b.RecordCalls(b.ctx, []model.Call{made("egg", "r3", 1, "hen"), made("hen", "r3", 2, "egg")}))
	equal(t, "a circle", ids(got(b.Tree(b.ctx, "hen"))(t)), []string{"hen", "egg"})
}

// callReopen: a call that ended badly can go on; the old end does not come back.
func callReopen(t *testing.T, b *bundle) {
	dead, good := record("dead", model.Dead, 3), record("good", model.Succeeded, 1)
	dead.Failure = &model.Failure{Error: "E"}
	must(t, b.RecordCalls(b.ctx, []model.Call{dead, good, record("runs", model.Running, 1)}))
	was := got(b.Reopen(b.ctx, "dead", "good", "runs", "none"))(t)
	equal(t, "reopened", ids(was), []string{"dead"})
	equal(t, "as it had ended", []any{was[0].State, was[0].Attempt, was[0].Failure}, []any{model.Dead, 3, dead.Failure})
	state := func(id string) []any {
		c := got(b.Call(b.ctx, id))(t)
		return []any{c.State, c.Attempt, c.Failure == nil, c.Finished == nil}
	}
	equal(t, "state", state("dead"), []any{model.Queued, 3, true, true})
	equal(t, "state", state("good"), []any{model.Succeeded, 1, true, false})
	must(t, b.RecordCalls(b.ctx, []model.Call{dead}))
	equal(t, "state after the old end was told again", state("dead"), []any{model.Queued, 3, true, true})
	must(t, b.RecordCalls(b.ctx, []model.Call{record("dead", model.Running, 4), record("dead", model.Running, 3)}))
	equal(t, "state when it runs again", state("dead"), []any{model.Running, 4, true, true})
	end := record("dead", model.Succeeded, 4)
	end.Finished = at(11)
	must(t, b.RecordCalls(b.ctx, []model.Call{dead, end, dead}))
	equal(t, "state at its second end", state("dead"), []any{model.Succeeded, 4, true, false})
}
