package socket

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/model"
)

// watched is a broker that knows who consumes what, and with which prefetch.
type watched struct {
	mu      sync.Mutex
	queues  map[string][]int // the prefetch of each who consumes it now
	changed chan struct{}
}

func newWatched() *watched {
	return &watched{queues: map[string][]int{}, changed: make(chan struct{}, 1000)}
}

func (w *watched) Consume(ctx context.Context, queue string, prefetch int, _ chan<- *broker.Delivery) error {
	w.change(func() { w.queues[queue] = append(w.queues[queue], prefetch) })
	<-ctx.Done()
	w.change(func() {
		i := slices.Index(w.queues[queue], prefetch)
		if w.queues[queue] = slices.Delete(w.queues[queue], i, i+1); len(w.queues[queue]) == 0 {
			delete(w.queues, queue)
		}
	})
	return nil
}

func (w *watched) change(f func()) {
	w.mu.Lock()
	f()
	w.mu.Unlock()
	w.changed <- struct{}{}
}

// want waits until exactly these queues are consumed, each once. Meanwhile a
// call comes out of each of the busy ones now and then.
func (w *watched) want(t *testing.T, want map[string]int, busy ...*Receiver) {
	t.Helper()
	give := time.After(20 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		w.mu.Lock()
		have := map[string]int{}
		once := true
		for q, p := range w.queues {
			have[q] = p[0]
			once = once && len(p) == 1
		}
		w.mu.Unlock()
		if once && maps.Equal(have, want) {
			return
		}
		select {
		case <-w.changed:
		case <-tick.C:
			for _, r := range busy {
				for q := range want {
					_, _ = r.Open(&broker.Delivery{Queue: q})
				}
			}
		case <-give:
			t.Fatalf("consumed are %v, want %v", have, want)
		}
	}
}

func endpoint(name string, change ...func(*model.Endpoint)) model.Endpoint {
	e := model.Endpoint{
		Socket: model.Socket{Object: model.Object{Name: name}, Processor: "p", Queue: "q", Task: name}.WithDefaults(),
		Module: "m", In: []model.Plug{{Object: model.Object{Name: "edge-" + name}, Queue: "k"}},
	}
	for _, c := range change {
		c(&e)
	}
	return e
}

// started returns a receiver that runs until the test ends.
func started(t *testing.T, endpoints ...model.Endpoint) (*Receiver, *watched) {
	w := newWatched()
	r := NewReceiver(w, slog.New(slog.DiscardHandler))
	r.Set(endpoints)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
		w.want(t, map[string]int{})
	})
	return r, w
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	r, w := started(t, endpoint("a"), endpoint("b"))
	both := map[string]int{"p!high": 8, "p!low": 8, "q.p.a": 8, "m.a": 8, "k:edge-a": 8, "q.p.b": 8, "m.b": 8, "k:edge-b": 8}
	only := map[string]int{"p!high": 8, "p!low": 8, "q.p.b": 8, "m.b": 8, "k:edge-b": 8}
	w.want(t, both)
	r.Pause("a")
	r.Pause("a")
	w.want(t, only)
	r.Pace(time.Second) // a paused socket stays paused
	w.want(t, map[string]int{"p!high": 2, "p!low": 2, "q.p.b": 2, "m.b": 2, "k:edge-b": 2}, r)
	r.Resume("a")
	w.want(t, map[string]int{"p!high": 2, "p!low": 2, "q.p.a": 2, "m.a": 2, "k:edge-a": 2, "q.p.b": 2, "m.b": 2, "k:edge-b": 2})
	r.Pause("b")
	r.Pause("a")
	w.want(t, map[string]int{"p!high": 2, "p!low": 2}) // they are for all sockets
	r.Set([]model.Endpoint{endpoint("a")})
	w.want(t, map[string]int{"p!high": 2, "p!low": 2, "q.p.a": 2, "m.a": 2, "k:edge-a": 2})
}

// TestPauseOfASharedQueue: a queue that two sockets could take from belongs to
// one of them, and rests with it.
func TestPauseOfASharedQueue(t *testing.T) {
	t.Parallel()
	other := endpoint("b", func(e *model.Endpoint) { e.Socket.Task, e.Socket.Queue, e.In = "a", "r", nil })
	r, w := started(t, endpoint("a", func(e *model.Endpoint) { e.In = nil }), other)
	w.want(t, map[string]int{"p!high": 8, "p!low": 8, "q.p.a": 8, "r.p.a": 8, "m.a": 8})
	r.Pause("a")
	w.want(t, map[string]int{"p!high": 8, "p!low": 8, "r.p.a": 8, "m.a": 8})
	r.Resume("a")
	r.Pause("b")
	w.want(t, map[string]int{"p!high": 8, "p!low": 8, "q.p.a": 8})
	if e := r.Endpoint("m.a", "b"); e == nil || e.Socket.Name != "b" {
		t.Errorf("the shared queue belongs to %+v", e)
	}
}

func TestLimitsBoundWhatIsTakenAhead(t *testing.T) {
	t.Parallel()
	none := func(e *model.Endpoint) { e.In = nil }
	rate := func(r model.Rate) func(*model.Endpoint) { return func(e *model.Endpoint) { e.Socket.Rate = r } }
	r, w := started(t,
		endpoint("free", none), endpoint("slow", none, rate("10/s")), endpoint("mid", none, rate("60/s")), endpoint("fast", none, rate("100000/s")),
		endpoint("few", none, func(e *model.Endpoint) { e.Socket.MaxRunning = 5 }),
		endpoint("proc", none, func(e *model.Endpoint) { e.ProcessorLimit.Rate = "300/s" }))
	r.Pace(100 * time.Microsecond)
	w.want(t, map[string]int{
		"p!high": 256, "p!low": 256, "q.p.free": 256, "m.free": 256, "q.p.slow": 2, "m.slow": 2, "q.p.mid": 8, "m.mid": 8,
		"q.p.fast": 256, "m.fast": 256, "q.p.few": 8, "m.few": 8, "q.p.proc": 32, "m.proc": 32,
	}, r)
	r.Pace(time.Second)
	w.want(t, map[string]int{
		"p!high": 2, "p!low": 2, "q.p.free": 2, "m.free": 2, "q.p.slow": 2, "m.slow": 2, "q.p.mid": 2, "m.mid": 2,
		"q.p.fast": 2, "m.fast": 2, "q.p.few": 2, "m.few": 2, "q.p.proc": 2, "m.proc": 2,
	}, r)
}

// TestIdleQueuesAreLeftAlone: a change of pace costs nothing where nothing comes.
func TestIdleQueuesAreLeftAlone(t *testing.T) {
	t.Parallel()
	r, w := started(t, endpoint("a"), endpoint("b"))
	all := map[string]int{"p!high": 8, "p!low": 8, "q.p.a": 8, "m.a": 8, "k:edge-a": 8, "q.p.b": 8, "m.b": 8, "k:edge-b": 8}
	w.want(t, all)
	r.Pace(time.Second)
	_, _ = r.Open(&broker.Delivery{Queue: "q.p.a"})
	all["q.p.a"] = 2
	w.want(t, all)
}

// TestManyCallsInAMessage: what is taken ahead follows how long a message takes.
func TestManyCallsInAMessage(t *testing.T) {
	t.Parallel()
	r, w := started(t, endpoint("a", func(e *model.Endpoint) { e.In = nil }))
	w.want(t, map[string]int{"p!high": 8, "p!low": 8, "q.p.a": 8, "m.a": 8})
	for range 1000 {
		_, _ = r.Open(&broker.Delivery{Queue: "q.p.a", Companions: 31})
	}
	r.Pace(2 * time.Millisecond) // that is 64 ms a message
	_, _ = r.Open(&broker.Delivery{Queue: "q.p.a", Companions: 31})
	w.want(t, map[string]int{"p!high": 8, "p!low": 8, "q.p.a": 2, "m.a": 8})
}

func TestRestAndWake(t *testing.T) {
	t.Parallel()
	r, w := started(t, endpoint("a", func(e *model.Endpoint) { e.In = nil }))
	all := map[string]int{"p!high": 8, "p!low": 8, "q.p.a": 8, "m.a": 8}
	w.want(t, all)
	r.Rest("q.p.a", "p!low", "p!high")
	w.want(t, map[string]int{"p!high": 8, "m.a": 8})
	r.Rest("m.a")
	w.want(t, map[string]int{"p!high": 8})
	r.Wake()
	w.want(t, all)
	r.Rest("q.p.a")
	r.Set([]model.Endpoint{endpoint("a", func(e *model.Endpoint) { e.In = nil })})
	w.want(t, all)
}

// TestOpenAfterTheEnd: what was taken is still opened when nothing is taken any
// more, and that begins nothing anew.
func TestOpenAfterTheEnd(t *testing.T) {
	t.Parallel()
	w := newWatched()
	r := NewReceiver(w, slog.New(slog.DiscardHandler))
	r.Set([]model.Endpoint{endpoint("a", func(e *model.Endpoint) { e.In = nil })})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = r.Run(ctx) }()
	w.want(t, map[string]int{"p!high": 8, "p!low": 8, "q.p.a": 8, "m.a": 8})
	cancel()
	<-done
	r.Pace(time.Second)
	_, _ = r.Open(&broker.Delivery{Queue: "q.p.a"})
	w.want(t, map[string]int{})
}
