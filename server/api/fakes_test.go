package api

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/event"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/socket"
)

// fakeBroker plays all that reaches the broker.
type fakeBroker struct {
	early    map[string]model.Call // accepted, and not recorded yet
	mu       sync.Mutex            // guards the fields below
	sent     []Outgoing
	again    []socket.Outgoing         // by the redriver
	declared map[string]model.Endpoint // by own queue
	edges    []string
	gone     []string
	waiting  int64
	fail     error
}

func (f *fakeBroker) failWith(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = err
}

func (f *fakeBroker) Submit(_ context.Context, calls []Outgoing) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail == nil {
		f.sent = append(f.sent, calls...)
	}
	return f.fail
}

func (f *fakeBroker) Accepted(id string) (model.Call, bool) {
	c, ok := f.early[id]
	return c, ok
}

func (f *fakeBroker) Send(_ context.Context, calls []socket.Outgoing, _ []model.Call) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail == nil {
		f.again = append(f.again, calls...)
	}
	return f.fail
}

func (f *fakeBroker) last(t *testing.T) Outgoing {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.sent) == 0 {
		t.Fatal("no call was sent")
	}
	return f.sent[len(f.sent)-1]
}

func (f *fakeBroker) Apply(context.Context, string) error { return f.fail }

func own(s model.Socket) string { return s.Queue + "." + s.Processor + "." + s.Task }

func (f *fakeBroker) ApplyEndpoint(_ context.Context, e model.Endpoint) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return f.fail
	}
	f.declared[own(e.Socket)] = e
	for _, p := range e.In {
		f.edges = append(f.edges, p.Queue+":"+p.Name)
	}
	return nil
}

func (f *fakeBroker) Waiting(context.Context, Gone) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.waiting, f.fail
}

func (f *fakeBroker) Forget(_ context.Context, g Gone) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range g.Sockets {
		delete(f.declared, own(e.Socket))
		f.gone = append(f.gone, own(e.Socket))
	}
	for _, p := range g.Plugs {
		f.gone = append(f.gone, p.Queue+":"+p.Name)
	}
	for _, q := range g.Queues {
		f.gone = append(f.gone, q.Name)
	}
	return nil
}

func (f *fakeBroker) Depth(_ context.Context, _, queue string) ([]model.QueueDepth, error) {
	return []model.QueueDepth{{Name: queue + ".proc1.do_this", Queue: queue, Messages: 3}}, f.fail
}

func (f *fakeBroker) Peek(context.Context, string, string, int) ([]client.QueuedMessage, error) {
	return []client.QueuedMessage{{ID: "1", Queue: "q1.proc1.do_this", Call: &model.Envelope{ID: "1"}}}, f.fail
}

func (f *fakeBroker) Purge(context.Context, string, string) (int64, error) { return 3, f.fail }

// fakeGit plays git repositories: a ref "missing" and a module "missing" are not there.
type fakeGit struct {
	mu          sync.Mutex
	credentials string // of the last request
}

const commit = "0123456789012345678901234567890123456789"

func (g *fakeGit) Resolve(_ context.Context, _, kind, name, credentials string) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.credentials = credentials
	if name == "missing" {
		return "", &processor.Error{Code: processor.CodeSource, Message: fmt.Sprintf("the repository has no %s %q", kind, name)}
	}
	return commit, nil
}

func (g *fakeGit) CheckModule(_ context.Context, _, _, _, _, module, _ string) error {
	if module == "missing" {
		return &processor.Error{Code: processor.CodeModule, Message: "there is no module \"missing\""}
	}
	return nil
}

// fakeResults plays the result store.
type fakeResults struct {
	mu    sync.Mutex
	known map[string]result.Result
	held  map[string]string // who holds the claim
	rung  chan struct{}
	down  error
}

func (r *fakeResults) Put(_ context.Context, _ time.Duration, results ...result.Result) (earlier []result.Result, err error) {
	if r.down != nil {
		return nil, r.down
	}
	for _, res := range results {
		r.mu.Lock()
		was, there := r.known[res.Call]
		r.mu.Unlock()
		if there {
			earlier = append(earlier, was)
			continue
		}
		r.put(res)
	}
	return earlier, nil
}

func (r *fakeResults) Claim(_ context.Context, holder string, _ time.Duration, calls ...string) ([]result.Claim, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]result.Claim, len(calls))
	for i, id := range calls {
		if res, ok := r.known[id]; ok {
			out[i].Result = &res
		} else if by := r.held[id]; by != "" && by != holder {
			out[i].Holder = by
		} else {
			out[i].Granted = true
		}
	}
	return out, r.down
}

func (r *fakeResults) Release(context.Context, string, ...string) error { return r.down }

func (r *fakeResults) Forget(_ context.Context, calls ...string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range calls {
		delete(r.known, id)
	}
	return r.down
}

func (r *fakeResults) put(res result.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known[res.Call] = res
	close(r.rung)
	r.rung = make(chan struct{})
}

func (r *fakeResults) Get(_ context.Context, calls ...string) (map[string]result.Result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string]result.Result{}
	for _, id := range calls {
		if res, ok := r.known[id]; ok {
			out[id] = res
		}
	}
	return out, r.down
}

func (r *fakeResults) Wait(ctx context.Context, call string) (result.Result, error) {
	for {
		r.mu.Lock()
		res, ok := r.known[call]
		rung, down := r.rung, r.down
		r.mu.Unlock()
		switch {
		case down != nil:
			return result.Result{}, down
		case ok && res.Joined == "":
			return res, nil
		case ok:
			call = res.Joined
			continue
		}
		select {
		case <-ctx.Done():
			return result.Result{}, ctx.Err()
		case <-rung:
		}
	}
}

// fakeBus is an event bus in memory, with a backlog.
type fakeBus struct {
	mu   sync.Mutex
	log  []event.Message
	rung chan struct{}
	down error
}

func newFakeBus() *fakeBus { return &fakeBus{rung: make(chan struct{})} }

func (b *fakeBus) Publish(_ context.Context, msgs ...event.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range msgs {
		m.ID = fmt.Sprintf("%06d", len(b.log))
		m.Time = time.Now()
		b.log = append(b.log, m)
	}
	close(b.rung)
	b.rung = make(chan struct{})
	return nil
}

func (b *fakeBus) Subscribe(ctx context.Context, s event.Subscription, out chan<- event.Message, ready func()) error {
	b.mu.Lock()
	next, down := len(b.log), b.down
	if !s.Since.IsZero() || s.After != "" {
		next = 0
	}
	b.mu.Unlock()
	if down != nil {
		return down
	}
	if ready != nil {
		ready()
	}
	for {
		b.mu.Lock()
		msgs, rung := b.log[next:], b.rung
		next = len(b.log)
		b.mu.Unlock()
		for _, m := range msgs {
			if m.ID <= s.After && s.After != "" || !m.Time.After(s.Since) || !matches(s.Pattern, m.Channel) {
				continue
			}
			select {
			case out <- m:
			case <-ctx.Done():
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-rung:
		}
	}
}

func matches(pattern, channel string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(channel, prefix)
	}
	return pattern == channel
}
