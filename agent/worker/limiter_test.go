package worker

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
)

// What the tests of limits share.

// counting is a result store that counts what is asked of its limits, and may
// refuse to answer.
type counting struct {
	result.Store
	limiter result.Limiter
	takes   atomic.Int64
	enters  atomic.Int64
	broken  atomic.Bool
}

var errBroken = errors.New("broken by the test")

func (c *counting) Take(ctx context.Context, bucket string, rate float64, burst, n int) (int, time.Duration, error) {
	c.takes.Add(1)
	if c.broken.Load() {
		return 0, 0, errBroken
	}
	return c.limiter.Take(ctx, bucket, rate, burst, n)
}

func (c *counting) Enter(ctx context.Context, room string, limit int, lease time.Duration, calls ...string) ([]bool, error) {
	c.enters.Add(1)
	if c.broken.Load() {
		return nil, errBroken
	}
	return c.limiter.Enter(ctx, room, limit, lease, calls...)
}

func (c *counting) Leave(ctx context.Context, room string, calls ...string) error {
	return c.limiter.Leave(ctx, room, calls...)
}

func (c *counting) Await(ctx context.Context, room string) error { return c.limiter.Await(ctx, room) }

// count makes workers use one counting store.
func (b *bench) count() *counting {
	c := &counting{Store: b.results, limiter: b.results}
	b.configure = func(cfg *Config) { cfg.Results = c }
	return c
}

// change gives all workers another wish for the limits of "source".
func (b *bench) change(f func(*model.Endpoint)) {
	b.t.Helper()
	b.changeAll(func(e *model.Endpoint) {
		if e.Socket.Name == "source" {
			f(e)
		}
	})
}

// changeAll is change for every socket.
func (b *bench) changeAll(f func(*model.Endpoint)) {
	b.t.Helper()
	changed := append([]model.Endpoint(nil), b.endpoints...)
	for i := range changed {
		f(&changed[i])
	}
	b.endpoints = changed
	for _, w := range b.workers {
		w.Set(changed)
	}
}

// eventually asks again until ok.
func (b *bench) eventually(what string, ok func() bool) {
	b.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-b.ctx.Done():
			b.t.Fatalf("it did not come to this: %s", what)
		case <-tick.C:
		}
	}
}

// left is how many calls the queue of "source" has, begun or not.
func (b *bench) left() int64 {
	b.t.Helper()
	stats, err := b.broker.Inspect(b.ctx, "q.p.source")
	if err != nil {
		b.t.Fatal(err)
	}
	return stats[0].Messages + max(stats[0].Unacked, 0)
}

// meter sees how many run at the same time, and when they began.
type meter struct {
	mu       sync.Mutex
	now, top int
	begun    []time.Time
}

func (m *meter) enter() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now++
	m.top = max(m.top, m.now)
	m.begun = append(m.begun, time.Now())
}

func (m *meter) leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now--
}
