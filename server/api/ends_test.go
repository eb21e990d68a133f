package api

import (
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
)

// ended records a call of sample.do_this in a state.
func (b *bundle) ended(t *testing.T, id string, state model.State) {
	t.Helper()
	now := time.Now().UTC()
	c := model.Call{
		ID: id, Tracking: "run", Network: "default", Socket: "sample.do_this", Module: "sample", Task: "do_this",
		State: state, Attempt: 2, Args: []json.RawMessage{value("1")}, Created: now,
	}
	if state.Terminal() {
		c.Finished = &now
		c.Failure = &model.Failure{Error: "ValueError", Message: "no"}
		b.results.put(result.Result{Call: id, State: state, Attempt: 2, Failure: c.Failure, Finished: now})
	}
	if err := b.store.RecordCalls(testenv.Context(t, time.Minute), []model.Call{c}); err != nil {
		t.Fatal(err)
	}
}

func (b *bundle) state(t *testing.T, id string) model.State {
	t.Helper()
	c, err := b.store.Call(testenv.Context(t, time.Minute), id)
	if err != nil {
		t.Fatal(err)
	}
	return c.State
}

func TestCancel(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	ctx := testenv.Context(t, time.Minute)
	for _, state := range []model.State{model.Queued, model.Waiting, model.Running, model.Retrying} {
		id := string(state)
		b.ended(t, id, state)
		for range 2 { // the second time changes nothing
			if out, err := b.c.Cancel(ctx, id); err != nil || out.State != model.Cancelled || out.Tracking != "run" {
				t.Fatalf("%s: %+v, %v", state, out, err)
			}
		}
		if b.state(t, id) != model.Cancelled || b.results.known[id].Failure.Message != "cancelled by tester" {
			t.Errorf("%s: recorded as %s, result %+v", state, b.state(t, id), b.results.known[id])
		}
	}
	b.ended(t, "done", model.Succeeded)
	wants(t, second(b.c.Cancel(ctx, "done")), client.CodeConflict, "succeeded", "flow ls call --id done")
	wants(t, second(b.c.Cancel(ctx, "none")), client.CodeNotFound, "none")
	// Its result is there, and its record on the way: too late as well.
	b.ended(t, "late", model.Running)
	b.results.put(result.Result{Call: "late", State: model.Succeeded})
	wants(t, second(b.c.Cancel(ctx, "late")), client.CodeConflict, "succeeded")
	if b.state(t, "late") != model.Running {
		t.Errorf("the record says %s", b.state(t, "late"))
	}
}

func TestCancelRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	ctx := testenv.Context(t, time.Minute)
	b.ended(t, "a", model.Running)
	b.ended(t, "b", model.Queued)
	b.ended(t, "c", model.Succeeded)
	out, err := b.c.CancelRun(ctx, "run")
	if err != nil || out.Cancelled != 2 || b.state(t, "a") != model.Cancelled || b.state(t, "c") != model.Succeeded {
		t.Fatalf("%+v, %v", out, err)
	}
	for _, id := range []string{result.CancelledRun("run"), result.CancelsUnderWay} {
		if _, ok := b.results.known[id]; !ok {
			t.Errorf("workers are not told: there is no %s", id)
		}
	}
	wants(t, second(b.c.CancelRun(ctx, "none")), client.CodeNotFound, "run")
}

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	ctx := testenv.Context(t, time.Minute)
	b.ended(t, "a", model.Dead)
	b.ended(t, "b", model.Failed)
	page, err := b.c.Dead(ctx, client.DeadFilter{Socket: "sample.do_this", Error: "ValueError", Since: time.Now().Add(-time.Minute), State: model.Dead})
	if err != nil || len(page.Items) != 1 || page.Items[0].ID != "a" {
		t.Fatalf("%+v, %v", page, err)
	}
	if page, err = b.c.Dead(ctx, client.DeadFilter{Until: time.Now().Add(-time.Minute)}); err != nil || page.Total != 0 {
		t.Fatalf("%+v, %v", page, err)
	}
	two := []json.RawMessage{value("1"), value("2")}
	wants(t, second(b.c.EditDead(ctx, "a", client.Edit{Args: &two})), client.CodeInvalid, "at most 1")
	wants(t, second(b.c.EditDead(ctx, "a", client.Edit{})), client.CodeInvalid, "nothing to change")
	one := []json.RawMessage{value(`"new"`)}
	if c, err := b.c.EditDead(ctx, "a", client.Edit{Args: &one}); err != nil || string(c.Args[0]) != `"new"` {
		t.Fatalf("%+v, %v", c, err)
	}
	got, err := b.c.Redrive(ctx, "a", "none")
	if err != nil || got[0].State != model.Queued || got[0].Error != "" || got[1].Error == "" {
		t.Fatalf("%+v, %v", got, err)
	}
	again := b.broker.again[0]
	if e := again.Envelope; e.ID != "a" || e.Attempt != 2 || e.Before != 2 || e.Crashes != 0 || string(e.Args[0]) != `"new"` || !again.Repeat || again.To.Exchange != "" {
		t.Errorf("sent %+v to %+v", e, again.To)
	}
	if _, there := b.results.known["a"]; there || b.state(t, "a") != model.Queued {
		t.Error("the old end is not forgotten")
	}
	wants(t, second(b.c.EditDead(ctx, "a", client.Edit{Args: &one})), client.CodeConflict, "queued")
	// A broker that is away keeps nobody: it is in the outbox.
	b.broker.failWith(broker.ErrUnavailable)
	if got, err := b.c.Redrive(ctx, "b"); err != nil || got[0].State != model.Queued {
		t.Fatalf("%+v, %v", got, err)
	}
	pending, err := b.store.PendingRedrives(ctx, time.Now().Add(time.Minute), 10)
	if err != nil || len(pending) != 1 || pending[0].ID != "b" {
		t.Fatalf("%+v, %v", pending, err)
	}
}

func TestWithdrawAndDrop(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	ctx := testenv.Context(t, time.Minute)
	b.ended(t, "waits", model.Queued)
	b.ended(t, "runs", model.Queued)
	b.ended(t, "dead", model.Dead)
	b.results.held = map[string]string{"runs": "a worker"}
	got, err := b.c.Withdraw(ctx, "waits", "runs", "dead")
	if err != nil || got[0].State != model.Cancelled || got[1].Error == "" || got[2].Error == "" {
		t.Fatalf("%+v, %v", got, err)
	}
	if b.state(t, "waits") != model.Cancelled || b.state(t, "runs") != model.Queued {
		t.Errorf("states %s and %s", b.state(t, "waits"), b.state(t, "runs"))
	}
	got, err = b.c.DropDead(ctx, "dead", "runs")
	if err != nil || got[0].Error != "" || got[1].Error == "" || b.state(t, "dead") != model.Dead {
		t.Fatalf("%+v, %v", got, err)
	}
	if page, err := b.c.Dead(ctx, client.DeadFilter{}); err != nil || len(page.Items) != 0 {
		t.Errorf("%+v, %v", page, err)
	}
}

// TestDeleteSocketWithCallsAside: calls that are not in a queue keep a socket, too, and go
// with it.
func TestDeleteSocketWithCallsAside(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	ctx := testenv.Context(t, time.Minute)
	b.ended(t, "again", model.Retrying)
	b.ended(t, "joins", model.Waiting)
	b.ended(t, "runs", model.Running)
	b.results.held = map[string]string{"runs": "a worker"}
	wants(t, b.c.Sockets().Delete(ctx, "sample.do_this"), client.CodeConflict, "at least 2 calls", "--force")
	if err := b.c.Sockets().ForceDelete(ctx, "sample.do_this"); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]model.State{"again": model.Cancelled, "joins": model.Cancelled, "runs": model.Running} {
		if got := b.state(t, id); got != want {
			t.Errorf("call %s is %s, want %s", id, got, want)
		}
	}
}

// TestSubmitTogether: one id is one call, also when it comes many times at once.
func TestSubmitTogether(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	ctx := testenv.Context(t, time.Minute)
	in := client.Submission{Socket: "sample.do_this", Args: []json.RawMessage{value("1")}, ID: "order 8"}
	ids := make([]client.Submitted, 16)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			out, err := b.c.Submit(ctx, in)
			if err != nil {
				t.Error(err)
			}
			ids[i] = out
		})
	}
	wg.Wait()
	for _, s := range ids {
		if s.ID != ids[0].ID || s.Tracking != ids[0].Tracking {
			t.Errorf("%+v is not %+v", s, ids[0])
		}
	}
	for _, o := range b.broker.sent { // they are one call to all who receive them
		if o.Envelope.ID != ids[0].ID {
			t.Errorf("sent %+v", o)
		}
	}
	b.ended(t, ids[0].ID, model.Succeeded)
	sent := len(b.broker.sent)
	if out, err := b.c.Submit(ctx, in); err != nil || out.State != model.Succeeded || len(b.broker.sent) != sent {
		t.Errorf("after its end: %+v, %v; %d sent", out, err, len(b.broker.sent)-sent)
	}
}
