package api

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/store"
)

func big(name string, size int) model.Blob {
	return model.NewBlob(json.RawMessage(`"` + name + strings.Repeat("é<&>", size/5) + `"`))
}

func at(place string, b model.Blob) model.Ref {
	return model.Ref{At: place, Hash: b.Hash, Size: len(b.Value)}
}

func (b *bundle) keep(t *testing.T, blobs ...model.Blob) {
	t.Helper()
	for _, blob := range blobs {
		if err := b.store.KeepBlobs(context.Background(), blob.Parts()...); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLargeValuesOfACall: a call and its outcome show large values in their
// places, listings say how large they are, and agents can fetch them.
func TestLargeValuesOfACall(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	ctx := context.Background()
	arg, res := big("arg", 1<<20), big("result", 2<<20)
	b.keep(t, arg, res)
	now := time.Now().UTC()
	c := model.Call{
		ID: "a", Tracking: "run", Network: "default", Socket: "sample.do_this", State: model.Succeeded, Attempt: 1, Created: now, Finished: &now,
		Args: []json.RawMessage{value("null"), value("null")}, Result: value("null"),
		Refs: []model.Ref{at("/args/1", arg), at("/result", res)},
	}
	if err := b.store.RecordCalls(ctx, []model.Call{c}); err != nil {
		t.Fatal(err)
	}
	got, err := b.c.Call(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	if string(got.Args[0]) != "null" || !bytes.Equal(got.Args[1], arg.Value) || !bytes.Equal(got.Result, res.Value) || len(got.Refs) > 0 {
		t.Errorf("the call has %d and %d bytes, and references %v", len(got.Args[1]), len(got.Result), got.Refs)
	}
	out, err := b.c.Result(ctx, "a", 0)
	if err != nil || !bytes.Equal(out.Result, res.Value) {
		t.Errorf("its result has %d bytes: %v", len(out.Result), err)
	}
	page, err := b.c.Calls(ctx, client.CallFilter{})
	if err != nil {
		t.Fatal(err)
	}
	if l := page.Items[0]; string(l.Result) != "null" || len(l.Refs) != 2 || l.Refs[1] != at("/result", res) {
		t.Errorf("it is listed with %.20s and %v", l.Result, l.Refs)
	}
	agent := b.client(t, b.newToken(t, model.ScopeAgent))
	found, err := agent.Values(ctx, []string{arg.Hash, model.NewBlob(nil).Hash, res.Hash})
	if err != nil || len(found) != 2 || !bytes.Equal(found[arg.Hash], arg.Value) {
		t.Errorf("an agent gets %d values: %v", len(found), err)
	}
}

// TestALargeResultIsWhole: an outcome never has null for a large value. While
// that is not to be found, there is an error which says so.
func TestALargeResultIsWhole(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	res := big("late", 1<<20)
	b.results.put(result.Result{Call: "a", State: model.Succeeded, Value: value("null"), Refs: []model.Ref{at("/value", res)}})
	_, err := b.c.Result(ctx, "a", time.Second)
	wants(t, err, client.CodeUnavailable, "is not here yet", "ask again")
	b.keep(t, res)
	out, err := b.c.Result(ctx, "a", time.Second)
	if err != nil || !bytes.Equal(out.Result, res.Value) {
		t.Errorf("it has %d bytes: %v", len(out.Result), err)
	}
	call, err := b.c.Call(ctx, "a") // not recorded
	if err != nil || !bytes.Equal(call.Result, res.Value) {
		t.Errorf("the call has a result of %d bytes: %v", len(call.Result), err)
	}
}

// TestEditLargeValues: a dead letter with large values can be shown, changed in
// part, and run again; what is sent are references.
func TestEditLargeValues(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	ctx := context.Background()
	one, two, other := big("one", 1<<20), big("two", 1<<20), big("other", 3<<20)
	b.keep(t, one, two)
	now := time.Now().UTC()
	c := model.Call{
		ID: "a", Tracking: "run", Network: "default", Socket: "sample.add_two", State: model.Dead, Attempt: 2, Created: now, Finished: &now,
		Failure: &model.Failure{Error: "E"}, Args: []json.RawMessage{value("null")}, Kwargs: map[string]json.RawMessage{"two": value("null")},
		Refs: []model.Ref{at("/args/0", one), at("/kwargs/two", two)},
	}
	if err := b.store.RecordCalls(ctx, []model.Call{c}); err != nil {
		t.Fatal(err)
	}
	kwargs := map[string]json.RawMessage{"two": other.Value}
	edited, err := b.c.EditDead(ctx, "a", client.Edit{Kwargs: &kwargs})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(edited.Args[0], one.Value) || !bytes.Equal(edited.Kwargs["two"], other.Value) {
		t.Errorf("after the edit it has %d and %d bytes", len(edited.Args[0]), len(edited.Kwargs["two"]))
	}
	want := []model.Ref{at("/args/0", one), at("/kwargs/two", other)}
	stored, err := b.store.Call(ctx, "a")
	if err != nil || len(stored.Refs) != 2 || stored.Refs[0] != want[0] || stored.Refs[1] != want[1] || string(stored.Kwargs["two"]) != "null" {
		t.Errorf("the database has %v: %v", stored.Refs, err)
	}
	args := []json.RawMessage{big("x", 7<<20).Value}
	_, err = b.c.EditDead(ctx, "a", client.Edit{Args: &args})
	wants(t, err, client.CodeTooLarge, "at most 8388608")

	if _, err := b.c.Redrive(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	b.broker.mu.Lock()
	defer b.broker.mu.Unlock()
	if n := len(b.broker.again); n != 1 || len(b.broker.again[0].Envelope.Refs) != 2 || len(b.broker.again[0].Envelope.Kwargs["two"]) > 10 {
		t.Errorf("%d calls were sent again: %+v", n, b.broker.again)
	}
	page, err := b.store.Dead(ctx, store.DeadFilter{})
	if err != nil || page.Total != 0 {
		t.Errorf("%d dead letters are left: %v", page.Total, err)
	}
}

// TestALargeCallNeedsTheDatabase: who submits one while the database is away is
// told why, and what can be done.
func TestALargeCallNeedsTheDatabase(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	b.broker.failWith(&Unkept{Err: store.ErrUnavailable})
	_, err := b.c.Submit(context.Background(), client.Submission{Socket: "sample.do_this", Args: []json.RawMessage{value("1")}})
	e := wants(t, err, client.CodeUnavailable, "over 128 KiB", "smaller values are accepted")
	if e.Status != 503 {
		t.Errorf("status %d", e.Status)
	}
}
