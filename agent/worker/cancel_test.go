package worker

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/socket"
)

// cancel ends a call, or whatever else has the id, as the server does.
func (b *bench) cancel(id string) {
	b.t.Helper()
	_, err := b.results.Put(b.ctx, time.Hour, result.Result{
		Call: id, State: model.Cancelled, Finished: time.Now(), Failure: &model.Failure{Error: model.FailureCancelled, Message: "by a test", Permanent: true},
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// follows tells whether the queue of what follows got anything.
func (b *bench) follows() bool {
	b.t.Helper()
	stats, err := b.broker.Inspect(b.ctx, "q.p.target", "q.p.errors")
	if err != nil {
		b.t.Fatal(err)
	}
	return stats[0].Messages+stats[1].Messages > 0
}

func TestCancelledCallInTheQueueIsNotRun(t *testing.T) {
	t.Parallel()
	b := setup(t, echo)
	b.send("a", 1)
	b.cancel("a")
	b.start("1", nil)
	b.send("last", 1)
	b.wait("last")
	if n := b.program.runs("a"); n != 0 {
		t.Errorf("it ran %d times", n)
	}
	for _, plug := range []string{"1", "2"} {
		if n := b.program.runs(next("a", plug)); n != 0 {
			t.Errorf("plug %s fired", plug)
		}
	}
}

func TestCancelEndsARunAndChargesNobody(t *testing.T) {
	t.Parallel()
	began := make(chan struct{}, 8)
	forever := make(chan struct{})
	t.Cleanup(func() { close(forever) })
	b := setup(t, func(inv processor.Invocation) (any, *model.Failure) {
		if string(inv.Args[0]) == `"hang"` {
			began <- struct{}{}
			<-forever
		}
		return inv.Args[0], nil
	})
	b.start("1", nil)
	b.send("slow", "hang")
	for i := range 10 {
		b.send(fmt.Sprint("good", i), i)
	}
	<-began
	b.cancel("slow")
	for i := range 10 {
		if r := b.wait(fmt.Sprint("good", i)); r.State != model.Succeeded || r.Attempt != 1 {
			t.Errorf("a call behind it ended %s at attempt %d: %+v", r.State, r.Attempt, r.Failure)
		}
	}
	if r := b.wait("slow"); r.State != model.Cancelled || b.program.runs("slow") != 1 {
		t.Errorf("the cancelled call is %s after %d runs", r.State, b.program.runs("slow"))
	}
	if n := b.program.runs(next("slow", "1")) + b.program.runs(next("slow", "2")); n != 0 {
		t.Error("something followed from the cancelled call")
	}
}

func TestCancelWinsOverTheOutcome(t *testing.T) {
	t.Parallel()
	b := setup(t, echo)
	stop := b.start("1", func(point string, _ func()) {
		if point == "before result" { // it has run, and nobody knows yet
			b.cancel("a")
		}
	})
	b.send("a", 1)
	if r := b.wait("a"); r.State != model.Cancelled {
		t.Errorf("it is %s", r.State)
	}
	stop()
	if b.follows() || b.program.runs(next("a", "1")) != 0 {
		t.Error("something followed from the cancelled call")
	}
}

func TestCancelWinsOverARetry(t *testing.T) {
	t.Parallel()
	failed := make(chan struct{}, 8)
	b := setup(t, func(processor.Invocation) (any, *model.Failure) {
		failed <- struct{}{}
		return nil, &model.Failure{Error: "ValueError", RetryAfterMS: 300}
	}, func(s *model.Socket) { s.MaxAttempts = 5 })
	b.start("1", nil)
	b.send("a", 1)
	<-failed
	b.cancel("a")
	b.wait("a")
	until(t, "the delayed copy is gone", func() bool {
		stats, err := b.broker.Inspect(b.ctx, "q.p.source")
		return err == nil && stats[0].Messages+stats[0].Unacked == 0
	})
	if n := b.program.runs("a"); n != 1 {
		t.Errorf("it ran %d times", n)
	}
	if b.follows() {
		t.Error("something followed from the cancelled call")
	}
}

func TestCancelledRunBeginsNothingNew(t *testing.T) {
	t.Parallel()
	forever := make(chan struct{})
	began := make(chan struct{}, 8)
	t.Cleanup(func() { close(forever) })
	b := setup(t, func(inv processor.Invocation) (any, *model.Failure) {
		began <- struct{}{}
		if string(inv.Args[0]) == `"hang"` {
			<-forever
		}
		return inv.Args[0], nil
	})
	b.cancel(result.CancelledRun("run"))
	b.cancel(result.CancelsUnderWay)
	b.start("1", nil)
	b.send("a", 1)
	if r := b.wait("a"); r.State != model.Cancelled || b.program.runs("a") != 0 || r.Failure.Message != "by a test" {
		t.Errorf("a call of the run is %s after %d runs: %+v", r.State, b.program.runs("a"), r.Failure)
	}
	// One of another run that is in flight when its run is cancelled.
	env := model.Envelope{ID: "b", Tracking: "other", Socket: "source", Args: []json.RawMessage{json.RawMessage(`"hang"`)}, Created: time.Now()}
	to := socket.Own(b.endpoints[0].Queue, b.endpoints[0].Socket)
	if err := socket.NewSender(b.broker).Send(b.ctx, []socket.Outgoing{{Envelope: env, To: to}}, nil); err != nil {
		t.Fatal(err)
	}
	<-began
	b.cancel(result.CancelledRun("other"))
	if r := b.wait("b"); r.State != model.Cancelled || r.Call != "b" {
		t.Errorf("the running call of the run is %+v", r)
	}
}

// until asks again until it is so.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	limit := time.After(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-limit:
			t.Fatalf("it never came that %s", what)
		case <-tick.C:
		}
	}
}
