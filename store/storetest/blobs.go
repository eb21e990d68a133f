package storetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
)

// large is a value of so many bytes, with any byte in it that JSON may have.
func large(name string, size int) model.Blob {
	v := bytes.Repeat([]byte("é<&>"+name+" "), size)[:size]
	v = []byte(`"` + strings.ToValidUTF8(string(v[1:size-1]), "") + `"`)
	return model.NewBlob(v)
}

func ref(at string, b model.Blob) model.Ref {
	return model.Ref{At: at, Hash: b.Hash, Size: len(b.Value)}
}

func (b *bundle) has(t testing.TB, blob model.Blob) bool {
	t.Helper()
	v, err := b.Blob(b.ctx, blob.Hash)
	if err != nil {
		refused(t, err, store.ErrNotFound, fmt.Sprintf("there is no value %q", blob.Hash))
		return false
	}
	if !bytes.Equal(v, blob.Value) {
		t.Errorf("value %s came back with %d bytes, want %d", blob.Hash, len(v), len(blob.Value))
	}
	return true
}

// blobs: values come back byte for byte, once all their parts are there, in
// whatever order and however often those come.
func blobs(t *testing.T, b *bundle) {
	must(t, b.KeepBlobs(b.ctx))
	small, big := large("a", 10), large("b", model.MaxPayload)
	parts := big.Parts()
	must(t, b.KeepBlobs(b.ctx, append(parts[1:], small.Parts()...)...))
	equal(t, "small, and big without its first part", []bool{b.has(t, small), b.has(t, big)}, []bool{true, false})
	must(t, b.KeepBlobs(b.ctx, parts[0], parts[3], parts[0]))
	equal(t, "big", b.has(t, big), true)

	var group errgroup.Group // the same from many sides
	for range 8 {
		group.Go(func() error { return b.KeepBlobs(b.ctx, append(large("c", 2<<20).Parts(), small.Parts()...)...) })
	}
	must(t, group.Wait())
	equal(t, "kept by many", b.has(t, large("c", 2<<20)), true)
}

// callRefs: a call keeps its references through its life, and whoever reads
// it gets them.
func callRefs(t *testing.T, b *bundle) {
	x, y, z := large("x", 10), large("y", 10), large("z", 10)
	c := record("a", model.Queued, 0)
	c.Args, c.Kwargs = []json.RawMessage{raw("null"), raw("1")}, map[string]json.RawMessage{"k": raw("null")}
	c.Refs = []model.Ref{ref("/args/0", x), ref("/kwargs/k", y)}
	plain := record("plain", model.Queued, 0)
	plain.Args = []json.RawMessage{raw("null")}
	must(t, b.RecordCalls(b.ctx, []model.Call{c, plain}))

	ended := c
	ended.State, ended.Attempt, ended.Result, ended.Finished = model.Dead, 1, raw("null"), kept(5)
	ended.Refs = append(ended.Refs, ref("/result", z))
	must(t, b.RecordCalls(b.ctx, []model.Call{c, ended}))
	must(t, b.RecordCalls(b.ctx, []model.Call{ended}))
	equal(t, "refs", got(b.Call(b.ctx, "a"))(t).Refs, ended.Refs)
	equal(t, "refs of a call that has null", len(got(b.Call(b.ctx, "plain"))(t).Refs), 0)
	for what, calls := range map[string][]model.Call{
		"run": got(b.Run(b.ctx, c.Tracking))(t), "tree": got(b.Tree(b.ctx, "a"))(t), "dead": got(b.Dead(b.ctx, store.DeadFilter{}))(t).Items,
		"list": got(b.Calls(b.ctx, store.CallFilter{State: model.Dead}))(t).Items,
	} {
		equal(t, "refs in "+what, calls[0].Refs, ended.Refs)
	}

	// Other arguments have other references; a late record brings none back.
	must(t, b.EditCall(b.ctx, "a", []json.RawMessage{raw("7"), raw("null")}, nil, []model.Ref{ref("/args/1", z)}))
	edited := got(b.Call(b.ctx, "a"))(t)
	equal(t, "refs after an edit", edited.Refs, []model.Ref{ref("/args/1", z), ref("/result", z)})
	must(t, b.RecordCalls(b.ctx, []model.Call{ended}))
	opened := got(b.Call(b.ctx, "a"))(t).Open(map[string]json.RawMessage{x.Hash: raw(`"x"`), y.Hash: raw(`"y"`), z.Hash: raw(`"z"`)})
	equal(t, "values after an edit", []string{string(opened.Args[0]), string(opened.Args[1]), string(opened.Kwargs["k"])}, []string{"7", `"z"`, ""})

	// What is run again has no result, and may get another.
	before := got(b.Reopen(b.ctx, "a"))(t)
	equal(t, "reopened with", model.Rebase(before[0].Refs, "/result", ""), []model.Ref{ref("", z)})
	equal(t, "result of what is run again", len(model.Rebase(got(b.Call(b.ctx, "a"))(t).Refs, "/result", "")), 0)
	equal(t, "in the outbox", model.Rebase(got(b.PendingRedrives(b.ctx, time.Now().Add(time.Minute), 10))(t)[0].Refs, "/args/1", ""), []model.Ref{ref("", z)})
	again := record("a", model.Succeeded, 2)
	again.Result, again.Finished, again.Refs = raw("null"), kept(9), []model.Ref{ref("/result", x)}
	must(t, b.RecordCalls(b.ctx, []model.Call{again}))
	equal(t, "result of the second run", model.Rebase(got(b.Call(b.ctx, "a"))(t).Refs, "/result", ""), []model.Ref{ref("", x)})

	odd := record("odd", model.Queued, 0)
	odd.Refs = []model.Ref{{At: strings.Repeat("x", 300), Hash: x.Hash}}
	if err := b.RecordCalls(b.ctx, []model.Call{odd}); err == nil {
		t.Error("a reference with an endless place was taken")
	}
}

// joinRefs: values that wait for others keep their references, and the call
// that they become part of has them under the arguments' names.
func joinRefs(t *testing.T, b *bundle) {
	x, y := large("x", 10), large("y", 10)
	one, two := arrival(model.JoinZip, "a1", "one", "r"), arrival(model.JoinZip, "b1", "two", "r")
	one.Value, one.Refs = raw("null"), []model.Ref{ref("", x)}
	two.Value, two.Refs = raw(`{"args":[null]}`), []model.Ref{ref("/args/0", y)}
	must(t, b.KeepBlobs(b.ctx, append(x.Parts(), y.Parts()...)...))
	got(b.Arrive(b.ctx, []store.Arrival{one}))(t)
	future := time.Now().Add(time.Hour)
	sweep := func() {
		t.Helper()
		_, _, err := b.SweepBlobs(b.ctx, future, "", 10)
		must(t, err)
	}
	sweep()
	equal(t, "what waits in a join, and what does not", []bool{b.has(t, x), b.has(t, y)}, []bool{true, false})
	must(t, b.KeepBlobs(b.ctx, y.Parts()...))

	want := []model.Ref{ref("/one", x), ref("/two/args/0", y)}
	fired := got(b.Arrive(b.ctx, []store.Arrival{two}))(t)
	equal(t, "fired", fired[0].Refs, want)
	equal(t, "in the outbox", got(b.PendingFired(b.ctx, 10))(t)[0].Refs, want)
	sweep()
	equal(t, "what is on its way", []bool{b.has(t, x), b.has(t, y)}, []bool{true, true})
	must(t, b.FiredSent(b.ctx, fired[0].ID))
	_, _, err := b.SweepBlobs(b.ctx, time.Now().Add(-time.Minute), "", 10)
	must(t, err)
	equal(t, "what was on its way a moment ago", b.has(t, x), true)
	sweep()
	equal(t, "what nobody has", b.has(t, x), false)

	// What expires tells its references until it is forgotten.
	late := arrival(model.JoinZip, "a2", "one", "r")
	late.Value, late.Refs = raw("null"), []model.Ref{ref("", x)}
	must(t, b.KeepBlobs(b.ctx, x.Parts()...))
	got(b.Arrive(b.ctx, []store.Arrival{late}))(t)
	equal(t, "expired", got(b.ExpireJoins(b.ctx, future))(t)[0].Refs, late.Refs)
	must(t, b.ForgetArrivals(b.ctx, "a2"))
	sweep()
	equal(t, "what was forgotten", b.has(t, x), false)
}

// blobSweep: what no call has goes, page by page; what a call has, or was
// brought a moment ago, stays, and goes with the call.
func blobSweep(t *testing.T, b *bundle) {
	held, idle := large("held", 1<<20), []model.Blob{large("1", 10), large("2", 10), large("3", 1<<20)}
	parts := held.Parts()
	for _, i := range idle {
		parts = append(parts, i.Parts()...)
	}
	must(t, b.KeepBlobs(b.ctx, parts...))
	c := record("a", model.Succeeded, 1)
	c.Result, c.Finished, c.Refs = raw("null"), kept(5), []model.Ref{ref("/result", held)}
	must(t, b.RecordCalls(b.ctx, []model.Call{c}))

	all := func(before time.Time) (removed int) {
		for after, first := "", true; first || after != ""; first = false {
			last, n, err := b.SweepBlobs(b.ctx, before, after, 2)
			must(t, err)
			after, removed = last, removed+n
		}
		return removed
	}
	equal(t, "removed of what is young", all(time.Now().Add(-time.Minute)), 0)
	future := time.Now().Add(time.Minute)
	equal(t, "removed", all(future), 3)
	equal(t, "held, idle", []bool{b.has(t, held), b.has(t, idle[2])}, []bool{true, false})
	waits := record("waits", model.Queued, 0) // accepted, and in a queue; its record was lost
	waits.Refs = []model.Ref{ref("/args/0", idle[0])}
	must(t, b.KeepBlobs(b.ctx, idle[0].Parts()...))
	must(t, b.HoldBlobs(b.ctx, waits, record("plain", model.Queued, 0)))
	must(t, b.HoldBlobs(b.ctx, waits))
	must(t, b.HoldBlobs(b.ctx))
	equal(t, "released of what is young", got(b.ReleaseBlobs(b.ctx, time.Now().Add(-time.Minute), 10))(t), 0)
	equal(t, "removed of what is held", all(future), 0)
	equal(t, "released", got(b.ReleaseBlobs(b.ctx, future, 10))(t), 1)
	equal(t, "removed when it is held no more", all(future), 1)
	equal(t, "pruned", got(b.PruneCalls(b.ctx, "", future, 10))(t), 1)
	equal(t, "removed with its call", all(future), 1)
	equal(t, "held by nobody", b.has(t, held), false)
}
