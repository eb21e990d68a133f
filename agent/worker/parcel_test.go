package worker

import (
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/socket"
)

// sendTogether sends calls to the socket source at once, so that they share messages.
func (b *bench) sendTogether(n int) (ids []string) {
	b.t.Helper()
	to := socket.Own(b.endpoints[0].Queue, b.endpoints[0].Socket)
	var calls []socket.Outgoing
	for i := range n {
		id := fmt.Sprint("c", i)
		env := model.Envelope{ID: id, Tracking: "run", Socket: "source", Args: []json.RawMessage{json.RawMessage(fmt.Sprint(i))}, Created: time.Now()}
		calls, ids = append(calls, socket.Outgoing{Envelope: env, To: to}), append(ids, id)
	}
	if err := socket.NewSender(b.broker).Send(b.ctx, calls, nil); err != nil {
		b.t.Fatal(err)
	}
	return ids
}

// drained waits until nothing is left in the queue of the socket source.
func (b *bench) drained() {
	b.t.Helper()
	for {
		stats, err := b.broker.Inspect(b.ctx, "q.p.source")
		if err != nil {
			b.t.Fatal(err)
		}
		if stats[0].Messages+stats[0].Unacked == 0 {
			return
		}
	}
}

// TestManyCallsInOneMessage: each runs once and has its own outcome, also when
// the process dies of some of them.
func TestManyCallsInOneMessage(t *testing.T) {
	t.Parallel()
	var died sync.Map
	b := setup(t, func(inv processor.Invocation) (any, *model.Failure) {
		var i int
		_ = json.Unmarshal(inv.Args[0], &i)
		if _, again := died.LoadOrStore(i, true); i%100 == 37 && !again {
			panic(crash{})
		}
		if i%10 == 3 {
			return nil, &model.Failure{Error: "ValueError", Message: "no", Permanent: true}
		}
		return i, nil
	})
	b.start("1", nil)
	ids := b.sendTogether(600)
	for i, id := range ids {
		r := b.wait(id)
		if failed := r.State == model.Failed; failed != (i%10 == 3) {
			t.Errorf("call %d is %s", i, r.State)
		}
		want := 1
		if i%100 == 37 {
			want = 2
		}
		if n := b.program.runs(id); n != want {
			t.Errorf("call %d ran %d times, want %d", i, n, want)
		}
	}
	b.drained()
}

// TestCompanionsAreShared: calls that came in one message are slow. A worker
// that is there does not keep them from another one.
func TestCompanionsAreShared(t *testing.T) {
	t.Parallel()
	for name, each := range map[string]time.Duration{"slow": 120 * time.Millisecond, "not so slow": 25 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var now, most atomic.Int64
			b := setup(t, func(processor.Invocation) (any, *model.Failure) {
				n := now.Add(1)
				for was := most.Load(); n > was && !most.CompareAndSwap(was, n); was = most.Load() {
				}
				time.Sleep(each) // what the function does
				now.Add(-1)
				return 1, nil
			})
			var calls []string
			b.configure = func(c *Config) { c.Node += fmt.Sprint(len(b.workers)) }
			b.start("1", nil)
			calls = b.sendTogether(64) // 16 messages of four
			b.start("2", nil)
			for _, id := range calls {
				b.wait(id)
				if n := b.program.runs(id); n != 1 {
					t.Errorf("call %s ran %d times", id, n)
				}
			}
			if most.Load() < 2 {
				t.Error("one worker had all of the calls for itself")
			}
			b.drained()
		})
	}
}

// TestNothingIsTakenBehindALongCall: calls that would wait behind it are for
// others, and are not taken and given back all the time while it runs.
func TestNothingIsTakenBehindALongCall(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	b := setup(t, func(inv processor.Invocation) (any, *model.Failure) {
		if inv.ID == "long" {
			<-gate
		}
		return 1, nil
	})
	var received atomic.Int64
	b.start("1", func(point string, _ func()) {
		if point == "after receive" {
			received.Add(1)
		}
	})
	b.send("long", 1)
	ids := []string{"long"}
	for i := range 5 {
		id := fmt.Sprint("behind", i)
		b.send(id, 1)
		ids = append(ids, id)
	}
	// The worker has stopped taking when nothing comes for a while.
	for was := int64(-1); received.Load() != was; {
		was = received.Load()
		select {
		case <-time.After(time.Second): // how long a silence is to count as one
		case <-b.ctx.Done():
			t.Fatalf("the worker takes calls all the time: %d times", was)
		}
	}
	close(gate)
	for _, id := range ids {
		b.wait(id)
	}
}
