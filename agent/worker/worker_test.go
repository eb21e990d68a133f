package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/broker/jetstream"
	"github.com/elasticcode/flow/broker/parcel"
	eventnats "github.com/elasticcode/flow/event/nats"
	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/result"
	resultnats "github.com/elasticcode/flow/result/nats"
	"github.com/elasticcode/flow/socket"
	"github.com/elasticcode/flow/stack/natsd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is one embedded server, and the sockets of one processor on it:
// "source", whose RESULT plug leads to "target" and whose ERROR plug to "errors".
type bench struct {
	t         *testing.T
	ctx       context.Context
	server    *natsd.Server
	endpoints []model.Endpoint
	program   *fakeProgram
	broker    link // of the test itself
	results   *resultnats.Store
	configure func(*Config) // if set, changes the configuration of workers
	workers   []*Worker     // that were started
}

func setup(t *testing.T, source func(processor.Invocation) (any, *model.Failure), change ...func(*model.Socket)) *bench {
	t.Helper()
	b := &bench{t: t, ctx: testenv.Context(t, 90*time.Second)}
	server, err := natsd.Start(b.ctx, natsd.Config{Dir: t.TempDir(), Logger: testenv.Logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	b.server = server
	b.program = &fakeProgram{ran: map[string]int{}, functions: map[string]func(processor.Invocation) (any, *model.Failure){
		"source": source,
		"target": func(inv processor.Invocation) (any, *model.Failure) { return inv.Args[0], nil },
		"errors": func(inv processor.Invocation) (any, *model.Failure) { return inv.Args[0], nil },
	}}
	queue := model.Queue{Object: model.Object{Name: "q"}, Type: model.Direct}
	endpoint := func(task string) model.Endpoint {
		s := model.Socket{Object: model.Object{ID: task, Name: task}, Processor: "p", Queue: "q", Task: task}.WithDefaults()
		s.BackoffMS, s.BackoffMaxMS = 1, 5
		return model.Endpoint{Socket: s, Queue: queue, Module: "m"}
	}
	from, to, failed := endpoint("source"), endpoint("target"), endpoint("errors")
	for _, c := range change {
		c(&from.Socket)
	}
	from.Out = []model.Edge{
		{Plug: model.Plug{Object: model.Object{ID: "1", Name: "ok"}, Type: model.PlugResult, Source: "source", Target: "target"}, Target: to.Socket, TargetQueue: queue},
		{Plug: model.Plug{Object: model.Object{ID: "2", Name: "no"}, Type: model.PlugError, Source: "source", Target: "errors"}, Target: failed.Socket, TargetQueue: queue},
	}
	b.endpoints = []model.Endpoint{from, to, failed}
	b.broker, b.results, _ = b.connect()
	for _, topology := range []broker.Topology{socket.Engine(), socket.Topology(from), socket.Topology(to), socket.Topology(failed)} {
		if err := b.broker.Declare(b.ctx, topology); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// link is a broker as the engine opens it.
type link struct {
	parcel.Broker
	Close func() error
}

// connect opens the services as another process would.
func (b *bench) connect() (link, *resultnats.Store, *eventnats.Bus) {
	b.t.Helper()
	conn, err := b.server.Connect()
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(conn.Close)
	log := testenv.Logger(b.t)
	br, err := jetstream.Open(b.ctx, conn, jetstream.Config{Logger: log, AckWait: 2 * time.Second})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = br.Close() })
	results, err := resultnats.New(b.ctx, conn, resultnats.Config{Logger: log})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = results.Close() })
	events, err := eventnats.New(b.ctx, conn, eventnats.Config{Logger: log})
	if err != nil {
		b.t.Fatal(err)
	}
	return link{parcel.New(br), br.Close}, results, events
}

// start runs a worker with connections of its own; stop drains it. At its fault
// points, fault may call crash, which ends it as a dying process would.
func (b *bench) start(epoch string, fault func(point string, crash func())) (stop func()) {
	b.t.Helper()
	br, results, events := b.connect()
	drain, endDrain := context.WithCancel(b.ctx)
	kill, endKill := context.WithCancel(b.ctx)
	crash := func() {
		endKill()
		endDrain()
	}
	cfg := Config{
		Name: "n.p.1", Node: "n", Epoch: epoch, Processor: model.Processor{Object: model.Object{Name: "p"}, Commit: "abc"}, Endpoints: b.endpoints,
		Program: b.program, Broker: br, Results: results, Events: events, Logger: testenv.Logger(b.t), Report: func(Status) {}, Lease: 3 * time.Second,
	}
	if fault != nil {
		cfg.Fault = func(point string) { fault(point, crash) }
	}
	if b.configure != nil {
		b.configure(&cfg)
	}
	w := New(cfg)
	b.workers = append(b.workers, w)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := w.Run(drain, kill); err != nil {
			b.t.Errorf("worker: %v", err)
		}
		_ = br.Close() // what it had goes back, as when its process ends
	})
	b.t.Cleanup(func() { crash(); wg.Wait() })
	return func() { endDrain(); wg.Wait(); endKill() }
}

func (b *bench) send(id string, value any) {
	b.t.Helper()
	arg, err := json.Marshal(value)
	if err != nil {
		b.t.Fatal(err)
	}
	env := model.Envelope{ID: id, Tracking: "run", Socket: "source", Args: []json.RawMessage{arg}, Created: time.Now()}
	to := socket.Own(b.endpoints[0].Queue, b.endpoints[0].Socket)
	if err := socket.NewSender(b.broker).Send(b.ctx, []socket.Outgoing{{Envelope: env, To: to}}, nil); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) wait(id string) result.Result {
	b.t.Helper()
	r, err := b.results.Wait(b.ctx, id)
	if err != nil {
		b.t.Fatalf("wait for call %s: %v", id, err)
	}
	return r
}

// next is the id of the call that the plug makes of a call.
func next(id, plugID string) string { return model.DescendID(id, plugID, "0") }

func echo(inv processor.Invocation) (any, *model.Failure) { return inv.Args[0], nil }

func TestCallRunsAndFlowsOn(t *testing.T) {
	t.Parallel()
	b := setup(t, echo)
	stop := b.start("1", nil)
	b.send("a", "hello")
	if r := b.wait("a"); r.State != model.Succeeded || string(r.Value) != `"hello"` || r.Attempt != 1 {
		t.Errorf("result of a: %+v", r)
	}
	if r := b.wait(next("a", "1")); string(r.Value) != `"hello"` {
		t.Errorf("result of the call that follows: %+v", r)
	}
	stop()
	stats, err := b.broker.Inspect(b.ctx, "q.p.source", "q.p.target", socket.Records)
	if err != nil {
		t.Fatal(err)
	}
	if stats[0].Messages+stats[0].Unacked+stats[1].Messages+stats[1].Unacked != 0 {
		t.Errorf("calls are left behind: %+v", stats)
	}
	if stats[2].Messages == 0 {
		t.Error("no record was published")
	}
	if n := b.program.runs(next("a", "2")); n != 0 {
		t.Errorf("the ERROR plug fired on success, %d times", n)
	}
}

func TestManyCallsRunOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, echo)
	b.start("1", nil)
	const n = 500
	for i := range n {
		b.send(fmt.Sprint("c", i), i)
	}
	for i := range n {
		b.wait(fmt.Sprint("c", i))
		b.wait(next(fmt.Sprint("c", i), "1"))
	}
	for i := range n {
		if got := b.program.runs(fmt.Sprint("c", i)); got != 1 {
			t.Errorf("call %d ran %d times", i, got)
		}
	}
}

func TestFailureIsRetriedThenDead(t *testing.T) {
	t.Parallel()
	b := setup(t, func(processor.Invocation) (any, *model.Failure) {
		return nil, &model.Failure{Error: "ValueError", Message: "no"}
	}, func(s *model.Socket) { s.MaxAttempts = 3 })
	b.start("1", nil)
	b.send("a", 1)
	if r := b.wait("a"); r.State != model.Dead || r.Attempt != 3 || r.Failure.Error != "ValueError" {
		t.Errorf("result: %+v", r)
	}
	if got := b.program.runs("a"); got != 3 {
		t.Errorf("it ran %d times, want 3", got)
	}
	var told struct{ Error, Call string }
	if err := json.Unmarshal(b.wait(next("a", "2")).Value, &told); err != nil || told.Error != "ValueError" || told.Call != "a" {
		t.Errorf("the ERROR plug carried %+v, %v", told, err)
	}
}

func TestPermanentFailureIsNotRetried(t *testing.T) {
	t.Parallel()
	b := setup(t, func(processor.Invocation) (any, *model.Failure) {
		return nil, &model.Failure{Error: "Bad", Permanent: true}
	}, func(s *model.Socket) { s.MaxAttempts = 3 })
	b.start("1", nil)
	b.send("a", 1)
	if r := b.wait("a"); r.State != model.Failed || b.program.runs("a") != 1 {
		t.Errorf("state %s after %d runs", r.State, b.program.runs("a"))
	}
}

func TestCrashChargesOnlyTheCallThatRan(t *testing.T) {
	t.Parallel()
	b := setup(t, func(inv processor.Invocation) (any, *model.Failure) {
		if string(inv.Args[0]) == `"poison"` {
			panic(crash{})
		}
		return inv.Args[0], nil
	})
	b.start("1", nil)
	b.send("bad", "poison")
	for i := range 20 {
		b.send(fmt.Sprint("good", i), i)
	}
	for i := range 20 {
		if r := b.wait(fmt.Sprint("good", i)); r.State != model.Succeeded || r.Attempt != 1 {
			t.Errorf("an innocent call ended %s at attempt %d: %+v", r.State, r.Attempt, r.Failure)
		}
	}
	if r := b.wait("bad"); r.State != model.Dead || r.Failure.Error != model.FailureCrash || b.program.runs("bad") != crashBudget {
		t.Errorf("the poison ended %s after %d runs: %+v", r.State, b.program.runs("bad"), r.Failure)
	}
}

// TestPoisonHoldsUpItsOwnKindOnly: many calls that kill their process stand in the
// way of no other socket's, whatever queue they come from.
func TestPoisonHoldsUpItsOwnKindOnly(t *testing.T) {
	t.Parallel()
	b := setup(t, func(processor.Invocation) (any, *model.Failure) { panic(crash{}) })
	target := b.endpoints[1]
	const n = 30
	var calls []socket.Outgoing
	for i := range n {
		for _, p := range []model.Priority{"", model.High, model.Low} {
			poison := model.Envelope{ID: fmt.Sprint("poison", i, p), Tracking: "run", Socket: "source", Priority: p, Args: []json.RawMessage{[]byte("1")}, Created: time.Now()}
			calls = append(calls, socket.Outgoing{Envelope: poison, To: socket.Direct(b.endpoints[0].Socket, p)})
		}
		good := model.Envelope{ID: fmt.Sprint("good", i), Tracking: "run", Socket: "target", Args: []json.RawMessage{[]byte("1")}, Created: time.Now()}
		calls = append(calls, socket.Outgoing{Envelope: good, To: socket.Own(target.Queue, target.Socket)})
	}
	if err := socket.NewSender(b.broker).Send(b.ctx, calls, nil); err != nil {
		t.Fatal(err)
	}
	b.start("1", nil)
	for i := range n {
		if r := b.wait(fmt.Sprint("good", i)); r.State != model.Succeeded {
			t.Errorf("a call of another socket ended %s", r.State)
		}
	}
	b.program.mu.Lock()
	defer b.program.mu.Unlock()
	if b.program.starts > 10 {
		t.Errorf("%d processes were started before the calls of another socket had run", b.program.starts)
	}
}

func TestTimeoutEndsTheRun(t *testing.T) {
	t.Parallel()
	forever := make(chan struct{})
	t.Cleanup(func() { close(forever) })
	b := setup(t, func(inv processor.Invocation) (any, *model.Failure) {
		if string(inv.Args[0]) == `"hang"` {
			<-forever
		}
		return inv.Args[0], nil
	}, func(s *model.Socket) { s.TimeoutMS = 200 })
	b.start("1", nil)
	b.send("slow", "hang")
	b.send("quick", 1)
	if r := b.wait("slow"); r.State != model.Failed || r.Failure.Error != model.FailureTimeout {
		t.Errorf("the hanging call: %+v", r)
	}
	if r := b.wait("quick"); r.State != model.Succeeded {
		t.Errorf("the call behind it: %+v", r)
	}
}

// TestUsefulProcessesAreBackAtOnce: calls that take too long hold up nobody for
// longer and longer. With pauses that grow to half a minute they would not end in
// time.
func TestUsefulProcessesAreBackAtOnce(t *testing.T) {
	t.Parallel()
	forever := make(chan struct{})
	t.Cleanup(func() { close(forever) })
	b := setup(t, func(inv processor.Invocation) (any, *model.Failure) {
		<-forever
		return inv.Args[0], nil
	}, func(s *model.Socket) { s.TimeoutMS = 100 })
	b.start("1", nil)
	const rounds = 12
	for i := range rounds {
		b.send(fmt.Sprint("slow", i), "hang")
	}
	for i := range rounds {
		if r := b.wait(fmt.Sprint("slow", i)); r.Failure == nil || r.Failure.Error != model.FailureTimeout {
			t.Fatalf("a hanging call: %+v", r)
		}
	}
}

// TestServingProcessesAreBackAtOnce is the same for processes that die now and
// then, and answer calls in between.
func TestServingProcessesAreBackAtOnce(t *testing.T) {
	t.Parallel()
	var b *bench
	b = setup(t, func(inv processor.Invocation) (any, *model.Failure) {
		if string(inv.Args[0]) == `"once"` && b.program.runs(inv.ID) == 1 {
			panic(crash{})
		}
		return inv.Args[0], nil
	})
	b.start("1", nil)
	const rounds = 12
	for i := range rounds {
		b.send(fmt.Sprint("good", i), i)
		b.wait(fmt.Sprint("good", i))
		b.send(fmt.Sprint("bad", i), "once")
	}
	for i := range rounds {
		if r := b.wait(fmt.Sprint("bad", i)); r.State != model.Succeeded {
			t.Errorf("a call that crashed once: %+v", r)
		}
	}
}

func TestDuplicateRunsOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, echo)
	b.start("1", nil)
	b.send("a", 1)
	b.wait("a")
	env := model.Envelope{ID: "a", Tracking: "run", Socket: "source", Args: []json.RawMessage{json.RawMessage("1")}, Created: time.Now()}
	m, err := socket.Encode(socket.Outgoing{Envelope: env, To: socket.Own(b.endpoints[0].Queue, b.endpoints[0].Socket), Repeat: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.broker.Publish(b.ctx, m); err != nil {
		t.Fatal(err)
	}
	b.send("last", 1) // behind the repeat in the same queue
	b.wait("last")
	if got := b.program.runs("a"); got != 1 {
		t.Errorf("the call ran %d times", got)
	}
}

// TestCrashBetweenAllSteps ends the worker's process at every fault point: the
// call must still end once, and what follows from it must run once.
func TestCrashBetweenAllSteps(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"before result", "after result", "after publish", "before ack", "after ack"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			b := setup(t, echo)
			var once atomic.Bool
			dead := make(chan struct{})
			// The first worker takes no calls of the target: one that it ran while
			// it died would rightly run again, and hide what is counted here.
			all := b.endpoints
			b.endpoints = all[:1]
			b.start("1", func(at string, crash func()) {
				if at == point && !once.Swap(true) {
					crash()
					close(dead)
					runtime.Goexit()
				}
			})
			b.send("a", "x")
			<-dead
			b.endpoints = all
			b.start("2", nil)
			if r := b.wait("a"); r.State != model.Succeeded {
				t.Errorf("the call ended %s", r.State)
			}
			if r := b.wait(next("a", "1")); r.State != model.Succeeded {
				t.Errorf("the call that follows ended %s", r.State)
			}
			want := 1
			if point == "before result" {
				want = 2 // nobody knew that it had run
			}
			if got := b.program.runs("a"); got != want {
				t.Errorf("the function ran %d times, want %d", got, want)
			}
			if got := b.program.runs(next("a", "1")); got != 1 {
				t.Errorf("the function that follows ran %d times", got)
			}
		})
	}
}

// TestAttemptsAreCountedOnce ends the worker's process after the copy for another
// attempt was published: the message that comes again begins no second line of
// attempts.
func TestAttemptsAreCountedOnce(t *testing.T) {
	t.Parallel()
	const attempts = 3
	b := setup(t, func(processor.Invocation) (any, *model.Failure) {
		// Late enough for the process to be gone: a run that dies with it rightly repeats.
		return nil, &model.Failure{Error: "No", Message: "never", RetryAfterMS: 2000}
	}, func(s *model.Socket) { s.MaxAttempts = attempts })
	var crashes atomic.Int32
	dead := make(chan struct{}, attempts)
	fault := func(at string, crash func()) {
		if at == "before ack" && crashes.Add(1) < attempts { // the last one leaves a result
			crash()
			dead <- struct{}{}
			runtime.Goexit()
		}
	}
	b.endpoints = b.endpoints[:1]
	b.start("1", fault)
	b.send("a", "x")
	for i := range attempts - 1 {
		<-dead
		b.start(fmt.Sprint(i+2), fault)
	}
	if r := b.wait("a"); r.State != model.Dead || r.Attempt != attempts {
		t.Errorf("the call ended %s at attempt %d", r.State, r.Attempt)
	}
	b.eventually("all messages are settled", func() bool { return b.left() == 0 })
	if got := b.program.runs("a"); got != attempts {
		t.Errorf("the function ran %d times, want %d", got, attempts)
	}
}

// renewals is a result store that tells which claims were asked for.
type renewals struct {
	result.Store
	claims chan []string
}

func (r renewals) Claim(ctx context.Context, holder string, lease time.Duration, calls ...string) ([]result.Claim, error) {
	out, err := r.Store.Claim(ctx, holder, lease, calls...)
	select {
	case r.claims <- calls:
	default:
	}
	return out, err
}

// TestClaimGivenBackIsNotRenewed: a call that is to be tried again is free for
// others from then on, also when claims are renewed before its message is acked.
func TestClaimGivenBackIsNotRenewed(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	var once sync.Once
	t.Cleanup(func() { once.Do(func() { close(release) }) })
	b := setup(t, func(inv processor.Invocation) (any, *model.Failure) {
		switch {
		case string(inv.Args[0]) == `"long"`:
			<-release
		case inv.Attempt == 1:
			return nil, &model.Failure{Error: "Again", Message: "not yet", RetryAfterMS: 8000} // not before others have looked
		}
		return inv.Args[0], nil
	}, func(s *model.Socket) { s.MaxAttempts = 2 })
	claims := make(chan []string, 1)
	b.configure = func(c *Config) { c.Results = renewals{c.Results, claims} }
	var looked sync.Once
	b.start("1", func(point string, _ func()) {
		if point != "before ack" {
			return
		}
		looked.Do(func() { // "again" has ended for now, and "long" runs
			select {
			case <-claims: // from before
			default:
			}
			for seen := 0; seen < 2; { // the first may be that of "long"
				select {
				case calls := <-claims:
					if slices.Contains(calls, "long") {
						seen++
					}
				case <-b.ctx.Done():
					t.Error("claims were not renewed")
					return
				}
			}
			got, err := b.results.Claim(b.ctx, "another", time.Minute, "again")
			if err != nil || !got[0].Granted {
				t.Errorf("a call that was given back is claimed by %+v, %v", got, err)
			}
			if err := b.results.Release(b.ctx, "another", "again"); err != nil {
				t.Error(err)
			}
			once.Do(func() { close(release) })
		})
	})
	b.send("again", 1)
	b.send("long", "long")
	if r := b.wait("again"); r.State != model.Succeeded || r.Attempt != 2 {
		t.Errorf("the call ended %s at attempt %d: %+v", r.State, r.Attempt, r.Failure)
	}
}
