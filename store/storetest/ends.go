package storetest

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
)

// ended is a record of a call that ended badly.
func ended(id, socket, run, failure string, state model.State, second int) model.Call {
	c := record(id, state, 2)
	c.Socket, c.Tracking, c.Finished, c.Failure = socket, run, at(second), &model.Failure{Error: failure, Message: "no"}
	c.Args = []json.RawMessage{raw(`1`)}
	return c
}

// callDead: calls that ended badly are listed until they are dropped.
func callDead(t *testing.T, b *bundle) {
	must(t, b.RecordCalls(b.ctx, []model.Call{
		ended("a", "s1", "r1", "ValueError", model.Dead, 1), ended("b", "s2", "r1", "Value", model.Failed, 2),
		ended("c", "s1", "r2", `Odd"<%_`, model.Expired, 3), ended("d", "s1", "r2", "ValueError", model.Cancelled, 4), record("e", model.Succeeded, 1),
	}))
	list := func(f store.DeadFilter) []string { return ids(got(b.Dead(b.ctx, f))(t).Items) }
	equal(t, "dead letters", list(store.DeadFilter{Network: "default"}), []string{"c", "b", "a"})
	equal(t, "of another network", list(store.DeadFilter{Network: "lab"}), []string{})
	equal(t, "of a socket", list(store.DeadFilter{Socket: "s1"}), []string{"c", "a"})
	equal(t, "of a run", list(store.DeadFilter{Run: "r1"}), []string{"b", "a"})
	equal(t, "in a state", list(store.DeadFilter{State: model.Failed}), []string{"b"})
	equal(t, "with an error", list(store.DeadFilter{Error: "Value"}), []string{"b"})
	equal(t, "with an odd error", list(store.DeadFilter{Error: `Odd"<%_`}), []string{"c"})
	equal(t, "since", list(store.DeadFilter{Since: *at(2)}), []string{"c", "b"})
	equal(t, "until", list(store.DeadFilter{Until: *at(2)}), []string{"a"})
	equal(t, "since and until", list(store.DeadFilter{Since: *at(2), Until: *at(3)}), []string{"b"})
	page := got(b.Dead(b.ctx, store.DeadFilter{List: store.List{Limit: 2}}))(t)
	equal(t, "first page", []any{ids(page.Items), page.Total}, []any{[]string{"c", "b"}, int64(3)})
	page = got(b.Dead(b.ctx, store.DeadFilter{List: store.List{Limit: 2, Cursor: page.Next}}))(t)
	equal(t, "second page", []any{ids(page.Items), page.Next}, []any{[]string{"a"}, ""})

	equal(t, "dropped", got(b.Drop(b.ctx, "a", "d", "e", "none"))(t), []string{"a"})
	equal(t, "dropped again", len(got(b.Drop(b.ctx, "a"))(t)), 0)
	must(t, b.RecordCalls(b.ctx, []model.Call{ended("a", "s1", "r1", "ValueError", model.Dead, 1)}))
	equal(t, "dead letters after a drop", list(store.DeadFilter{}), []string{"c", "b"})
	equal(t, "state of what was dropped", got(b.Call(b.ctx, "a"))(t).State, model.Dead)

	must(t, b.EditCall(b.ctx, "b", nil, map[string]json.RawMessage{"k": raw(`"<v>"`)}, nil))
	must(t, b.RecordCalls(b.ctx, []model.Call{ended("b", "s2", "r1", "Value", model.Failed, 2)}))
	c := got(b.Call(b.ctx, "b"))(t)
	equal(t, "edited", []any{len(c.Args), string(c.Kwargs["k"])}, []any{0, `"<v>"`})
	refused(t, b.EditCall(b.ctx, "e", nil, nil, nil), store.ErrConflict, "call e has ended already: it is succeeded")
	refused(t, b.EditCall(b.ctx, "none", nil, nil, nil), store.ErrNotFound, `there is no call "none"`)
}

// callRedrive: what was reopened is in the outbox until it was sent.
func callRedrive(t *testing.T, b *bundle) {
	must(t, b.RecordCalls(b.ctx, []model.Call{ended("a", "s", "r", "E", model.Dead, 1), ended("b", "s", "r", "E", model.Dead, 2)}))
	must(t, b.AddCancel(b.ctx, store.Cancel{ID: "r", Run: true, Created: *at(0)}))
	got(b.Drop(b.ctx, "a"))(t)
	equal(t, "reopened", ids(got(b.Reopen(b.ctx, "a", "b"))(t)), []string{"a", "b"})
	equal(t, "dead letters", len(got(b.Dead(b.ctx, store.DeadFilter{}))(t).Items), 0)
	equal(t, "cancels", len(got(b.Cancels(b.ctx, time.Time{}))(t)), 0)
	equal(t, "pending at once", len(got(b.PendingRedrives(b.ctx, time.Now().Add(-time.Minute), 10))(t)), 0)
	equal(t, "pending later", ids(got(b.PendingRedrives(b.ctx, time.Now().Add(time.Minute), 1))(t)), []string{"a"})
	must(t, b.Redriven(b.ctx, "a", "none"))
	equal(t, "pending after one was sent", ids(got(b.PendingRedrives(b.ctx, time.Now().Add(time.Minute), 10))(t)), []string{"b"})
	// It dies again: it is on the list again, also what was dropped.
	again := ended("a", "s", "r", "E", model.Dead, 30)
	again.Attempt = 3
	must(t, b.RecordCalls(b.ctx, []model.Call{again}))
	equal(t, "dead letters at the second end", ids(got(b.Dead(b.ctx, store.DeadFilter{}))(t).Items), []string{"a"})
}

// callCancel: what was cancelled is remembered, and its first cause stays.
func callCancel(t *testing.T, b *bundle) {
	must(t, b.AddCancel(b.ctx, store.Cancel{ID: "c", Origin: "ann", Created: *at(1)}))
	must(t, b.AddCancel(b.ctx, store.Cancel{ID: "r", Run: true, Origin: "bob", Created: *at(2)}))
	must(t, b.AddCancel(b.ctx, store.Cancel{ID: "c", Origin: "eve", Created: *at(3)}))
	equal(t, "cancels", got(b.Cancels(b.ctx, *at(0)))(t), []store.Cancel{{ID: "c", Origin: "ann", Created: *kept(1)}, {ID: "r", Run: true, Origin: "bob", Created: *kept(2)}})
	must(t, b.PruneCancels(b.ctx, *at(2)))
	equal(t, "younger cancels", len(got(b.Cancels(b.ctx, *at(0)))(t)), 1)

	must(t, b.RecordCalls(b.ctx, []model.Call{record("a", model.Running, 1), record("b", model.Cancelled, 1), record("c", model.Queued, 0), record("d", model.Succeeded, 1)}))
	equal(t, "unfinished", ids(got(b.CallsOfRun(b.ctx, "run", false, "", 10))(t)), []string{"a", "c"})
	equal(t, "unfinished, next page", ids(got(b.CallsOfRun(b.ctx, "run", false, "a", 1))(t)), []string{"c"})
	equal(t, "cancelled", ids(got(b.CallsOfRun(b.ctx, "run", true, "", 10))(t)), []string{"b"})
}

// callUnfinished: calls that have not ended are found by their socket, and by its
// being gone.
func callUnfinished(t *testing.T, b *bundle) {
	b.queue(t, "q")
	b.processor(t, "p")
	b.socket(t, "there", "p", "q", "f")
	of := func(socket, id string, state model.State) model.Call {
		c := record(id, state, 0)
		c.Socket = socket
		return c
	}
	late := of("gone", "h", model.Queued)
	late.Created = *at(5)
	must(t, b.RecordCalls(b.ctx, []model.Call{
		of("there", "a", model.Queued), of("gone", "b", model.Queued), of("gone", "c", model.Retrying), of("gone", "d", model.Waiting),
		of("gone", "e", model.Running), of("gone", "f", model.Dead), of("", "g", model.Queued), late,
	}))
	equal(t, "unfinished", ids(got(b.UnfinishedCalls(b.ctx, "default", "gone", "", 10))(t)), []string{"b", "c", "d", "e", "h"})
	equal(t, "unfinished, next page", ids(got(b.UnfinishedCalls(b.ctx, "default", "gone", "b", 2))(t)), []string{"c", "d"})
	equal(t, "unfinished elsewhere", ids(got(b.UnfinishedCalls(b.ctx, "other", "gone", "", 10))(t)), []string{})
	equal(t, "orphans", ids(got(b.Orphans(b.ctx, *at(5), 10))(t)), []string{"b", "c", "d", "e"})
	must(t, b.RecordCalls(b.ctx, []model.Call{of("s", "a1", model.Waiting), of("s", "a2", model.Waiting)}))
	b.arrive(t, model.JoinZip, [3]string{"a1", "one", "run"})
	var sockets []string
	for _, u := range got(b.Underway(b.ctx, *at(5)))(t) {
		sockets = append(sockets, u.Network+"/"+u.Socket)
	}
	equal(t, "under way", sockets, []string{"default/", "default/gone", "default/s", "default/there"})
	equal(t, "under way before", len(got(b.Underway(b.ctx, *at(-5)))(t)), 0)
	equal(t, "under way of one", ids(got(b.UnderwayOf(b.ctx, "default", "gone", *at(5), "", 10))(t)), []string{"b", "c", "d", "e"})
	equal(t, "under way of one, next page", ids(got(b.UnderwayOf(b.ctx, "default", "gone", *at(6), "b", 2))(t)), []string{"c", "d"})
	equal(t, "orphans at once", len(got(b.Orphans(b.ctx, *at(5), 2))(t)), 2)
}

// joinPolicy: what waited for values of its own run meets any when the policy has
// become zip.
func joinPolicy(t *testing.T, b *bundle) {
	equal(t, "fired in runs", b.arrive(t, model.JoinRun, [3]string{"a1", "one", "r1"}, [3]string{"a2", "one", "r2"}, [3]string{"b1", "two", "r3"}, [3]string{"b2", "two", "r4"}),
		[][]string{{}, {}, {}, {}})
	equal(t, "fired at the next arrival", b.arrive(t, model.JoinZip, [3]string{"b3", "two", "r5"}), [][]string{{"a1+b1", "a2+b2"}})
}

// joinCancel: a cancelled value meets nobody, whether it was there or comes later.
func joinCancel(t *testing.T, b *bundle) {
	b.arrive(t, model.JoinZip, [3]string{"a1", "one", "r1"}, [3]string{"a2", "one", "r2"})
	must(t, b.WithdrawArrivals(b.ctx, "default", "s", "a1", "none"))
	equal(t, "fired", b.arrive(t, model.JoinZip, [3]string{"b1", "two", "r3"}), [][]string{{"a2+b1"}})

	must(t, b.AddCancel(b.ctx, store.Cancel{ID: "r4", Run: true, Created: *at(0)}))
	b.arrive(t, model.JoinZip, [3]string{"a3", "one", "r4"}, [3]string{"a5", "one", "r5"})
	must(t, b.WithdrawRun(b.ctx, "r5"))
	late := arrival(model.JoinZip, "a6", "one", "r6")
	late.Parent = "a6"
	must(t, b.RecordCalls(b.ctx, []model.Call{record("a6", model.Cancelled, 0)}))
	equal(t, "fired by a cancelled call", len(got(b.Arrive(b.ctx, []store.Arrival{late}))(t)), 0)
	equal(t, "fired", b.arrive(t, model.JoinZip, [3]string{"b2", "two", "r7"}, [3]string{"a7", "one", "r8"}), [][]string{{}, {"a7+b2"}})
}
