package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/event"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/socket"
)

func (m *meter) most() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.top
}

func TestRateHoldsOverWorkers(t *testing.T) {
	t.Parallel()
	var m meter
	b := setup(t, func(inv processor.Invocation) (any, *model.Failure) {
		m.enter()
		m.leave()
		return 1, nil
	}, func(s *model.Socket) { s.Limit = model.Limit{Rate: "20/s", Burst: 3} })
	begin := time.Now()
	b.start("1", nil)
	b.start("2", nil)
	const n = 24
	for i := range n {
		b.send(fmt.Sprint("c", i), i)
	}
	for i := range n {
		b.wait(fmt.Sprint("c", i))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, at := range m.begun {
		if most := 3 + 20*at.Sub(begin).Seconds() + 1; float64(i+1) > most {
			t.Errorf("%d had begun after %v, at 20/s and a burst of 3", i+1, at.Sub(begin))
		}
	}
}

func TestProcessorRateHoldsOverSockets(t *testing.T) {
	t.Parallel()
	b := setup(t, echo)
	for i := range b.endpoints {
		b.endpoints[i].ProcessorLimit = model.Limit{Rate: "1/h", Burst: 2}
	}
	b.start("1", nil)
	b.send("a", 1) // and the call of "target" that follows
	b.wait(next("a", "1"))
	b.send("b", 2)
	b.change(func(*model.Endpoint) {}) // all the same, and again
	b.send("c", 3)
	b.eventually("the others wait", func() bool { return b.left() == 2 })
	if b.program.runs("b")+b.program.runs("c") != 0 {
		t.Error("a call ran without a token")
	}
	b.changeAll(func(e *model.Endpoint) { e.ProcessorLimit = model.Limit{} })
	b.wait("b")
	b.wait("c")
}

func TestPlacesHoldOverWorkers(t *testing.T) {
	t.Parallel()
	var m meter
	b := setup(t, func(inv processor.Invocation) (any, *model.Failure) {
		m.enter()
		defer m.leave()
		<-time.After(5 * time.Millisecond) // so that they would overlap
		return 1, nil
	}, func(s *model.Socket) { s.MaxRunning = 2 })
	for i := range 4 {
		b.start(fmt.Sprint(i), nil)
	}
	const n = 40
	for i := range n {
		b.send(fmt.Sprint("c", i), i)
	}
	for i := range n {
		b.wait(fmt.Sprint("c", i))
		if got := b.program.runs(fmt.Sprint("c", i)); got != 1 {
			t.Errorf("call %d ran %d times", i, got)
		}
	}
	if top := m.most(); top > 2 {
		t.Errorf("%d ran at the same time, and 2 may", top)
	}
}

// TestLongRunsShareTheirPlaces: while calls run, others wait in their queue, and
// the worker takes what is not limited.
func TestLongRunsShareTheirPlaces(t *testing.T) {
	t.Parallel()
	var m meter
	release := make(chan struct{})
	b := setup(t, func(inv processor.Invocation) (any, *model.Failure) {
		m.enter()
		defer m.leave()
		<-release
		return 1, nil
	}, func(s *model.Socket) { s.MaxRunning = 2 })
	for i := range 4 {
		b.start(fmt.Sprint(i), nil)
	}
	for i := range 6 {
		b.send(fmt.Sprint("c", i), i)
	}
	b.eventually("two run", func() bool { m.mu.Lock(); defer m.mu.Unlock(); return m.now == 2 })
	var follow []string
	for i := range 20 { // to the workers that run nothing
		id := fmt.Sprint("t", i)
		arg, _ := json.Marshal(i)
		env := model.Envelope{ID: id, Tracking: "run", Socket: "target", Args: []json.RawMessage{arg}, Created: time.Now()}
		if err := socket.NewSender(b.broker).Send(b.ctx, []socket.Outgoing{{Envelope: env, To: socket.Own(b.endpoints[1].Queue, b.endpoints[1].Socket)}}, nil); err != nil {
			t.Fatal(err)
		}
		follow = append(follow, id)
	}
	for _, id := range follow {
		b.wait(id)
	}
	close(release)
	for i := range 6 {
		b.wait(fmt.Sprint("c", i))
	}
	if top := m.most(); top > 2 {
		t.Errorf("%d ran at the same time, and 2 may", top)
	}
}

func TestCrashGivesItsPlaceBack(t *testing.T) {
	t.Parallel()
	var died atomic.Bool
	b := setup(t, func(inv processor.Invocation) (any, *model.Failure) {
		if inv.ID == "a" && !died.Swap(true) {
			panic(crash{})
		}
		return 1, nil
	}, func(s *model.Socket) { s.MaxRunning = 1 })
	b.configure = func(cfg *Config) { cfg.Lease = time.Hour } // which does not end here
	b.start("1", nil)
	b.send("a", 1)
	b.send("b", 2)
	b.wait("a")
	b.wait("b")
}

// TestPlaceOfTheDeadEnds: whoever was killed comes back to its place, and one
// that does not loses it.
func TestPlaceOfTheDeadEnds(t *testing.T) {
	t.Parallel()
	first, end := make(chan struct{}), make(chan struct{})
	defer close(end)
	var once sync.Once
	b := setup(t, func(inv processor.Invocation) (any, *model.Failure) {
		if inv.ID == "a" {
			blocked := false
			once.Do(func() { blocked = true })
			if blocked {
				close(first)
				<-end // its process is killed
			}
		}
		return 1, nil
	}, func(s *model.Socket) { s.MaxRunning = 1 })
	if in, err := b.results.Enter(b.ctx, "socket//source", 1, 2*time.Second, "of a dead node"); err != nil || !in[0] {
		t.Fatal(in, err)
	}
	kill := make(chan func(), 1)
	b.start("1", func(point string, crash func()) {
		if point == "after receive" {
			select {
			case kill <- crash:
			default:
			}
		}
	})
	b.send("a", 1)
	<-first
	(<-kill)()
	b.start("2", nil)
	b.send("b", 2)
	b.wait("a")
	b.wait("b")
}

func TestLimitsChangeLive(t *testing.T) {
	t.Parallel()
	b := setup(t, echo, func(s *model.Socket) { s.Limit = model.Limit{Rate: "1/h", Burst: 1} })
	b.start("1", nil)
	b.send("a", 1)
	b.wait("a")
	b.send("b", 2)
	b.send("c", 3)
	b.eventually("they wait", func() bool { return b.left() == 2 })
	b.change(func(e *model.Endpoint) { e.Socket.Rate = "1000/s" })
	b.wait("b")
	b.wait("c")
	b.change(func(e *model.Endpoint) { e.Socket.Limit, e.Socket.MaxRunning = model.Limit{}, 1 })
	if in, err := b.results.Enter(b.ctx, "socket//source", 1, time.Hour, "another"); err != nil || !in[0] {
		t.Fatal(in, err)
	}
	b.send("d", 4)
	b.change(func(e *model.Endpoint) { e.Socket.MaxRunning = 2 })
	b.wait("d")
	b.change(func(e *model.Endpoint) { e.Socket.MaxRunning = 1 })
	b.send("e", 5)
	b.change(func(e *model.Endpoint) { e.Socket.MaxRunning = 0 })
	b.wait("e")
}

// TestWhatRunsCountsForANewLimit: a call that began before there was a limit.
func TestWhatRunsCountsForANewLimit(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	b := setup(t, func(processor.Invocation) (any, *model.Failure) {
		<-release
		return 1, nil
	})
	b.start("1", nil)
	b.send("a", 1)
	b.eventually("it runs", func() bool { return b.program.runs("a") == 1 })
	b.change(func(e *model.Endpoint) { e.Socket.MaxRunning = 1 })
	enter := func() bool {
		in, err := b.results.Enter(b.ctx, "socket//source", 1, time.Millisecond, "b")
		if err != nil {
			t.Fatal(err)
		}
		return in[0]
	}
	b.eventually("it is in the room", func() bool { return !enter() })
	close(release)
	b.wait("a")
	b.eventually("it has left", enter)
}

// TestWaitingCostsNearlyNothing: calls that may not run are asked for a few
// times at most while others run, and those without limits are never asked for.
func TestWaitingCostsNearlyNothing(t *testing.T) {
	t.Parallel()
	b := setup(t, echo, func(s *model.Socket) { s.Limit = model.Limit{Rate: "1/h", Burst: 1} })
	c := b.count()
	b.start("1", nil)
	to := socket.Own(b.endpoints[1].Queue, b.endpoints[1].Socket)
	run := func(prefix string, n int) {
		for i := range n {
			env := model.Envelope{ID: fmt.Sprint(prefix, i), Tracking: "run", Socket: "target", Args: []json.RawMessage{[]byte("1")}, Created: time.Now()}
			if err := socket.NewSender(b.broker).Send(b.ctx, []socket.Outgoing{{Envelope: env, To: to}}, nil); err != nil {
				t.Fatal(err)
			}
		}
		for i := range n {
			b.wait(fmt.Sprint(prefix, i))
		}
	}
	run("free", 50)
	if n := c.takes.Load() + c.enters.Load(); n != 0 {
		t.Errorf("calls without limits were asked for %d times", n)
	}
	for i := range 20 {
		b.send(fmt.Sprint("c", i), i)
	}
	b.wait("c0")
	run("beside", 300)
	if n := c.takes.Load(); n > 30 || n < 1 {
		t.Errorf("20 calls with 1 token were asked for %d times", n)
	}
	if n := b.left(); n < 19 {
		t.Errorf("%d calls are in the queue, and 19 wait", n)
	}
}

// TestLimitedIsTold: that calls wait for a limit is news.
func TestLimitedIsTold(t *testing.T) {
	t.Parallel()
	b := setup(t, echo, func(s *model.Socket) { s.Limit = model.Limit{Rate: "1/h", Burst: 1} })
	if got, _, err := b.results.Take(b.ctx, "socket//source", 1.0/3600, 1, 1); err != nil || got != 1 {
		t.Fatal(got, err)
	}
	_, _, events := b.connect()
	heard := make(chan event.Message, 100)
	ctx, cancel := context.WithCancel(b.ctx)
	var listening sync.WaitGroup
	ready := make(chan struct{})
	listening.Go(func() {
		_ = events.Subscribe(ctx, event.Subscription{Pattern: "p.task"}, heard, func() { close(ready) })
	})
	defer listening.Wait()
	defer cancel()
	<-ready
	b.start("1", nil)
	b.send("a", 1)
	var it item
	for it.State != "limited" {
		select {
		case m := <-heard:
			if err := json.Unmarshal(m.Data, &it); err != nil {
				t.Fatal(err)
			}
		case <-b.ctx.Done():
			t.Fatal("nothing was told")
		}
	}
	if it.Call != "a" || it.Socket != "source" {
		t.Errorf("told was %+v", it)
	}
}

// TestBrokenLimiter: calls wait for a limiter that does not answer.
func TestBrokenLimiter(t *testing.T) {
	t.Parallel()
	b := setup(t, echo, func(s *model.Socket) { s.MaxRunning, s.Rate = 1, "100/s" })
	c := b.count()
	c.broken.Store(true)
	b.start("1", nil)
	b.send("a", 1)
	b.eventually("it was asked for", func() bool { return c.enters.Load() > 1 })
	if b.program.runs("a") != 0 {
		t.Error("it ran without a pass")
	}
	c.broken.Store(false)
	b.wait("a")
}

func TestCancelledWhileItWaits(t *testing.T) {
	t.Parallel()
	b := setup(t, echo, func(s *model.Socket) { s.MaxRunning = 1 })
	if in, err := b.results.Enter(b.ctx, "socket//source", 1, time.Hour, "another"); err != nil || !in[0] {
		t.Fatal(in, err)
	}
	c := b.count()
	b.start("1", nil)
	b.send("a", 1)
	b.eventually("it waits", func() bool { return c.enters.Load() > 0 })
	waits := time.Now()
	cancelled := result.Result{Call: "a", State: model.Cancelled, Failure: &model.Failure{Error: model.FailureCancelled, Message: "no"}, Finished: time.Now()}
	if _, err := b.results.Put(b.ctx, time.Minute, cancelled); err != nil {
		t.Fatal(err)
	}
	b.send("b", 2)
	b.eventually("it waited long enough to be looked at again", func() bool { return time.Since(waits) > stale })
	if err := b.results.Leave(b.ctx, "socket//source", "another"); err != nil {
		t.Fatal(err)
	}
	b.wait("b")
	b.eventually("the queue is empty", func() bool { return b.left() == 0 })
	if r := b.wait("a"); r.State != model.Cancelled || b.program.runs("a") != 0 {
		t.Errorf("it ran %d times and ended as %+v", b.program.runs("a"), r)
	}
}

// TestSetGivesBack: when a worker has been told its sockets, nothing of one that it
// has no more is left in its hands, but for what runs.
func TestSetGivesBack(t *testing.T) {
	t.Parallel()
	atTheDoor := func(s *model.Socket) { s.Limit = model.Limit{Rate: "1/h", Burst: 1} }
	for what, change := range map[string]func(*model.Socket){
		"at the door": atTheDoor, "behind a call": func(*model.Socket) {}, "at the door, stopping": atTheDoor, "behind a call, stopping": func(*model.Socket) {},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			release := make(chan struct{})
			b := setup(t, func(processor.Invocation) (any, *model.Failure) { <-release; return 1, nil }, change)
			stop := b.start("1", nil)
			const n = 6
			for i := range n {
				b.send(fmt.Sprint(i), i)
			}
			b.eventually("one runs", func() bool {
				runs := 0
				for i := range n {
					runs += b.program.runs(fmt.Sprint(i))
				}
				return runs == 1
			})
			stopped := make(chan struct{})
			if strings.HasSuffix(what, "stopping") {
				go func() { defer close(stopped); stop() }()
			} else {
				close(stopped)
			}
			b.workers[0].Set(b.endpoints[1:])
			granted := 0
			for i := range n {
				claims, err := b.results.Claim(b.ctx, "somebody else", time.Minute, fmt.Sprint(i))
				if err != nil {
					t.Fatal(err)
				}
				if claims[0].Granted {
					granted++
				}
			}
			if granted != n-1 {
				t.Errorf("%d of %d calls are free", granted, n)
			}
			close(release)
			b.eventually("it has ended", func() bool { return b.left() == n-1 })
			<-stopped
		})
	}
}

func TestQueueTimeout(t *testing.T) {
	t.Parallel()
	b := setup(t, echo, func(s *model.Socket) { s.QueueTimeoutMS, s.MaxRunning = 60_000, 1 })
	b.start("1", nil)
	send := func(id string, created time.Time, due *time.Time) {
		env := model.Envelope{ID: id, Tracking: "run", Socket: "source", Args: []json.RawMessage{[]byte("1")}, Created: created, Due: due}
		to := socket.Own(b.endpoints[0].Queue, b.endpoints[0].Socket)
		if err := socket.NewSender(b.broker).Send(b.ctx, []socket.Outgoing{{Envelope: env, To: to}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	long, now := time.Now().Add(-time.Hour), time.Now()
	send("old", long, nil)
	send("retried", long, &now)
	send("fresh", now, nil)
	r := b.wait("old")
	if r.State != model.Expired || r.Failure.Error != model.FailureDeadline || !strings.Contains(r.Failure.Message, "longer than the queue timeout of 1m0s of socket source") {
		t.Errorf("it ended as %+v: %+v", r, r.Failure)
	}
	for _, id := range []string{"retried", "fresh"} {
		if r := b.wait(id); r.State != model.Succeeded {
			t.Errorf("%s ended as %+v", id, r)
		}
	}
}

// TestQueueTimeoutAtTheDoor: a call that waits for a limit expires, too.
func TestQueueTimeoutAtTheDoor(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(*model.Socket){
		"room": func(s *model.Socket) { s.MaxRunning = 1 },
		"rate": func(s *model.Socket) { s.Limit = model.Limit{Rate: "1/h", Burst: 1} },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			b := setup(t, echo, change, func(s *model.Socket) { s.QueueTimeoutMS = 1500 })
			if in, err := b.results.Enter(b.ctx, "socket//source", 1, time.Hour, "another"); err != nil || !in[0] {
				t.Fatal(in, err)
			}
			if got, _, err := b.results.Take(b.ctx, "socket//source", 1.0/3600, 1, 1); err != nil || got != 1 {
				t.Fatal(got, err)
			}
			b.start("1", nil)
			b.send("a", 1)
			if r := b.wait("a"); r.State != model.Expired || b.program.runs("a") != 0 {
				t.Errorf("it ran %d times and ended as %+v", b.program.runs("a"), r)
			}
		})
	}
}

// TestRetriesCountFromWhenTheyAreDue: the copy of a call says since when it waits.
func TestRetriesCountFromWhenTheyAreDue(t *testing.T) {
	t.Parallel()
	j := &job{attempt: 1, Received: socket.Received{
		Envelope: model.Envelope{ID: "a", Tracking: "run", Created: time.Now().Add(-time.Hour)},
		Endpoint: &model.Endpoint{Socket: model.Socket{QueueTimeoutMS: 60_000}}, Delivery: &broker.Delivery{},
	}}
	if at := j.Envelope.Created; outwaited(j, at.Add(59*time.Second)) || !outwaited(j, at.Add(61*time.Second)) {
		t.Error("a minute is not counted from the start")
	}
	before := time.Now()
	msgs := (&session{}).copyOf(finished{job: j, kind: again, delay: time.Hour})
	env, err := socket.Decode(msgs[0].Body)
	if err != nil || env.Due == nil || env.Due.Before(before.Add(time.Hour)) || env.Due.After(time.Now().Add(time.Hour)) {
		t.Fatalf("the copy is due %v, %v", env.Due, err)
	}
	j.Envelope = env
	if outwaited(j, env.Due.Add(59*time.Second)) || !outwaited(j, env.Due.Add(61*time.Second)) {
		t.Error("a minute is not counted from when the attempt became due")
	}
}
