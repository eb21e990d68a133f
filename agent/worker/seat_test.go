package worker

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
)

// TestPlaceIsKeptFromCallToCall: a worker with a place asks for it about once in
// a turn, not for every call.
func TestPlaceIsKeptFromCallToCall(t *testing.T) {
	t.Parallel()
	b := setup(t, echo, func(s *model.Socket) { s.MaxRunning = 1 })
	c := b.count()
	const n = 400
	for i := range n {
		b.send(fmt.Sprint("c", i), i)
	}
	began := time.Now()
	b.start("1", nil)
	for i := range n {
		b.wait(fmt.Sprint("c", i))
	}
	// Whenever all calls that it took have ended, the place is given back, too:
	// it takes up to 8 ahead, and then asks again for those that came meanwhile.
	if most := n/4 + int64(time.Since(began)/turn) + 1; c.enters.Load() > most {
		t.Errorf("a place was asked for %d times for %d calls in %v", c.enters.Load(), n, time.Since(began))
	}
	b.eventually("it is given back", func() bool { return b.enters("somebody else") })
}

// TestPlaceGoesRound: who waits for a place gets it although the one who has it
// always has more calls.
func TestPlaceGoesRound(t *testing.T) {
	t.Parallel()
	var now, top atomic.Int64
	b := setup(t, func(processor.Invocation) (any, *model.Failure) {
		top.Store(max(top.Load(), now.Add(1)))
		defer now.Add(-1)
		<-time.After(2 * time.Millisecond)
		return 1, nil
	}, func(s *model.Socket) { s.MaxRunning = 1 })
	for i := range 3 {
		b.start(fmt.Sprint(i), nil)
	}
	const n = 600 // of 1.2 s, which is several turns
	for i := range n {
		b.send(fmt.Sprint("c", i), i)
	}
	for i := range n {
		b.wait(fmt.Sprint("c", i))
		if got := b.program.runs(fmt.Sprint("c", i)); got != 1 {
			t.Errorf("call %d ran %d times", i, got)
		}
	}
	if top.Load() != 1 {
		t.Errorf("%d ran at the same time, and one may", top.Load())
	}
}

// TestPlaceOfAnEarlierLife: a node that was started again does not wait for the
// lease of the place that it had.
func TestPlaceOfAnEarlierLife(t *testing.T) {
	t.Parallel()
	b := setup(t, echo, func(s *model.Socket) { s.MaxRunning = 1 })
	const before = "n/before/n.p.1/1"
	if in, err := b.results.Enter(b.ctx, "socket//source", 1, time.Hour, before); err != nil || !in[0] {
		t.Fatal(in, err)
	}
	if claims, err := b.results.Claim(b.ctx, before, time.Hour, "a"); err != nil || !claims[0].Granted {
		t.Fatal(claims, err)
	}
	b.start("after", nil)
	b.send("a", 1)
	b.wait("a")
}

// TestPlaceIsGivenBackAtTheEnd: a worker that is stopped leaves none behind.
func TestPlaceIsGivenBackAtTheEnd(t *testing.T) {
	t.Parallel()
	running, end := make(chan struct{}), make(chan struct{})
	b := setup(t, func(processor.Invocation) (any, *model.Failure) {
		close(running)
		<-end
		return 1, nil
	}, func(s *model.Socket) { s.MaxRunning = 1 })
	stop := b.start("1", nil)
	b.send("a", 1)
	<-running
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	close(end)
	b.wait("a")
	<-stopped
	if !b.enters("somebody else") {
		t.Error("the place is taken after the worker has ended")
	}
}

// enters tells whether a guest gets a place in the room of "source", for a moment.
func (b *bench) enters(guest string) bool {
	b.t.Helper()
	in, err := b.results.Enter(b.ctx, "socket//source", 1, time.Millisecond, guest)
	if err != nil {
		b.t.Fatal(err)
	}
	return in[0]
}
