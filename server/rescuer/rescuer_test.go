package rescuer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/result/bolt"
	"github.com/elasticcode/flow/socket"
	"github.com/elasticcode/flow/store"
	"github.com/elasticcode/flow/store/sqlite"
)

// play is a rescuer with a database and a result store, on a broker that is played.
type play struct {
	*Rescuer
	t       *testing.T
	ctx     context.Context
	db      *store.Store
	results result.Store
	clock   time.Time

	queues map[string]int64 // how many messages wait
	away   error            // of the broker
	closed error            // why it takes no messages
	sent   []socket.Outgoing
}

// Publish implements queues: all that comes here goes nowhere.
func (p *play) Publish(_ context.Context, msgs ...broker.Message) error {
	return cmp.Or(p.closed, error(&broker.PublishError{Errs: slices.Repeat([]error{broker.ErrUnroutable}, len(msgs))}))
}

// Inspect implements queues.
func (p *play) Inspect(_ context.Context, queues ...string) ([]broker.Stats, error) {
	if p.away != nil {
		return nil, p.away
	}
	out := make([]broker.Stats, len(queues))
	for i, q := range queues {
		out[i] = broker.Stats{Queue: q, Messages: p.queues[q]}
	}
	return out, nil
}

// Send implements sender: the records are in the history at once.
func (p *play) Send(ctx context.Context, calls []socket.Outgoing, records []model.Call) error {
	p.sent = append(p.sent, calls...)
	return p.db.RecordCalls(ctx, records)
}

func start(t *testing.T) *play {
	t.Helper()
	ctx := testenv.Context(t, time.Minute)
	db, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "flow.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	object := func(name string) model.Object { return model.Object{Name: name, Owner: "ann"} }
	err = db.Migrate(ctx)
	if err == nil {
		_, err = db.CreateQueue(ctx, model.Queue{Object: object("queue"), Type: model.Direct})
	}
	if err == nil {
		_, err = db.CreateProcessor(ctx, model.Processor{
			Object: object("proc"), GitRepo: "/repo", Ref: "main", RefKind: "branch", Commit: "c0ffee", Module: "mod", Runtime: model.RuntimePython,
		})
	}
	if err == nil {
		_, err = db.CreateSocket(ctx, model.Socket{Object: object("sock"), Processor: "proc", Queue: "queue", Task: "f"}.WithDefaults())
	}
	if err != nil {
		t.Fatal(err)
	}
	results, err := bolt.Open(ctx, bolt.Config{Path: filepath.Join(t.TempDir(), "results")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = results.Close() })
	p := &play{t: t, ctx: ctx, db: db, results: results, queues: map[string]int64{}, clock: time.Now()}
	p.Rescuer = New(Config{History: db, Queues: p, Claims: results, Sender: p, Logger: testenv.Logger(t)})
	return p
}

// record has the history know a call that was made a minute ago.
func (p *play) record(c model.Call) {
	p.t.Helper()
	c.Tracking, c.Network, c.Created = "run", model.DefaultNetwork, p.clock.Add(-time.Minute)
	if err := p.db.RecordCalls(p.ctx, []model.Call{c}); err != nil {
		p.t.Fatal(err)
	}
}

// after looks again after a time, and returns what was sent.
func (p *play) after(d time.Duration) []socket.Outgoing {
	p.t.Helper()
	p.clock, p.sent = p.clock.Add(d), nil
	if err := p.look(p.ctx, p.clock); err != nil {
		p.t.Fatal(err)
	}
	return p.sent
}

func (p *play) want(d time.Duration, ids ...string) {
	p.t.Helper()
	sent := map[string]bool{}
	for _, o := range p.after(d) {
		sent[o.Envelope.ID] = true
	}
	if len(sent) != len(ids) {
		p.t.Fatalf("sent %v, want %v", sent, ids)
	}
	for _, id := range ids {
		if !sent[id] {
			p.t.Fatalf("sent %v, want %v", sent, ids)
		}
	}
}

// TestLostCalls: a call whose message is gone is sent again as it was, to where calls
// like it go, and not too often.
func TestLostCalls(t *testing.T) {
	t.Parallel()
	p := start(t)
	deadline := p.clock.Add(time.Hour).UTC().Truncate(time.Microsecond)
	p.record(model.Call{ID: "own", Socket: "sock", State: model.Queued, Args: []json.RawMessage{json.RawMessage(`[1]`)}, Deadline: &deadline})
	p.record(model.Call{ID: "high", Socket: "sock", State: model.Queued, Priority: model.High})
	p.record(model.Call{ID: "shared", Module: "mod", Task: "f", State: model.Queued})
	p.record(model.Call{ID: "argument", Socket: "sock", State: model.Waiting, Argument: "a", Args: []json.RawMessage{json.RawMessage(`2`)}})
	p.record(model.Call{ID: "running", Socket: "sock", State: model.Running, Attempt: 3})
	p.record(model.Call{ID: "joins", Socket: "sock", State: model.Waiting, Argument: "b"})
	if _, err := p.db.Arrive(p.ctx, []store.Arrival{{
		ID: "joins", Network: model.DefaultNetwork, Socket: "sock", Policy: model.JoinZip, Needs: []string{"a", "b"}, Argument: "b", Value: json.RawMessage(`1`), Tracking: "run",
	}}); err != nil {
		t.Fatal(err)
	}
	p.record(model.Call{ID: "over", Socket: "sock", State: model.Succeeded, Attempt: 1})
	p.record(model.Call{ID: "gone", Socket: "gone", State: model.Queued})
	p.want(0)
	p.want(patience - time.Second)
	got := map[string]socket.Outgoing{}
	for _, o := range p.after(time.Second) {
		got[o.Envelope.ID] = o
		if !o.Repeat {
			t.Errorf("%s is not said to be a repeat", o.Envelope.ID)
		}
	}
	for id, key := range map[string]string{"own": "queue.proc.f", "high": "proc!high", "shared": "mod.f", "argument": socket.Joins, "running": "queue.proc.f"} {
		if got[id].To.Key != key {
			t.Errorf("%s was sent to %q, want %q", id, got[id].To.Key, key)
		}
	}
	if len(got) != 5 {
		t.Errorf("sent %d calls, want 5", len(got))
	}
	if e := got["own"].Envelope; len(e.Args) != 1 || string(e.Args[0]) != `[1]` || e.Deadline == nil || !e.Deadline.Equal(deadline) {
		t.Errorf("it was sent as %+v", e)
	}
	if e := got["running"].Envelope; e.Attempt != 2 {
		t.Errorf("the third attempt was under way, and after %d comes another", e.Attempt)
	}
	if c, err := p.db.Call(p.ctx, "running"); err != nil || c.State != model.Running || len(c.Events) != 1 || c.Events[0].Name != "rescued" {
		t.Errorf("the history has %+v, %v", c, err)
	}
	p.want(2*patience - time.Second) // the next time is later
	p.want(time.Second, "own", "high", "shared", "argument", "running")
	p.want(2 * patience)
	p.want(2*patience, "own", "high", "shared", "argument", "running")
}

// TestNotLost: what is in a queue, what somebody runs and what goes on is left alone.
func TestNotLost(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.record(model.Call{ID: "low", Socket: "sock", State: model.Queued, Priority: model.Low})
	p.record(model.Call{ID: "argument", Socket: "sock", State: model.Waiting, Argument: "x", Args: []json.RawMessage{json.RawMessage(`1`)}})
	p.record(model.Call{ID: "a", Socket: "sock", State: model.Queued})
	for queue, others := range map[string][]string{
		"queue.proc.f": nil, "mod.f": nil, socket.Records: nil, "proc!low": {"a", "argument"}, socket.Joins: {"a", "low"}, "proc!high": {"a", "argument", "low"},
	} {
		p.watch = map[place]map[string]mark{}
		p.queues[queue] = 1
		p.want(0)
		p.want(time.Hour, others...)
		delete(p.queues, queue)
	}
	now := p.clock.UTC()
	for _, id := range []string{"low", "argument"} {
		p.record(model.Call{ID: id, Socket: "sock", State: model.Succeeded, Attempt: 1, Finished: &now})
	}
	p.watch = map[place]map[string]mark{}
	p.want(0) // from here on nothing is to be seen of it
	p.queues["queue.proc.f"] = 1
	p.want(time.Hour)
	delete(p.queues, "queue.proc.f")
	if _, err := p.results.Claim(p.ctx, "worker", time.Hour, "a"); err != nil {
		t.Fatal(err)
	}
	p.want(0)
	p.want(patience)
	p.record(model.Call{ID: "a", Socket: "sock", State: model.Running, Attempt: 1})
	if err := p.results.Release(p.ctx, "worker", "a"); err != nil {
		t.Fatal(err)
	}
	p.want(patience) // there was progress
	p.want(patience, "a")
	p.record(model.Call{ID: "a", Socket: "sock", State: model.Succeeded, Attempt: 1, Finished: &now})
	p.want(time.Hour)
	if len(p.watch) > 0 {
		t.Errorf("it still remembers %v", p.watch)
	}
}

// TestOutage: that nothing happened while others could not get on does not count.
func TestOutage(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.record(model.Call{ID: "a", Socket: "sock", State: model.Queued})
	p.want(0)
	p.clock, p.away = p.clock.Add(patience/2), broker.ErrUnavailable
	if err := p.look(p.ctx, p.clock); !errors.Is(err, broker.ErrUnavailable) {
		t.Fatal(err)
	}
	p.away = nil
	p.want(patience)
	if err := p.feel(p.ctx); err != nil {
		t.Fatal(err)
	}
	for why, set := range map[error]func(error){
		result.ErrUnavailable: func(err error) { p.cfg.Claims = full{p.results, err} },
		broker.ErrBlocked:     func(err error) { p.closed = err },
		store.ErrUnavailable:  func(err error) { p.cfg.History = standby{p.db, err} },
	} {
		if set(why); !errors.Is(p.feel(p.ctx), why) {
			t.Errorf("it gets on although %v", why)
		}
		set(nil)
		p.want(patience)
		if err := p.feel(p.ctx); err != nil {
			t.Errorf("it does not get on again after %v: %v", why, err)
		}
	}
	p.want(patience, "a")
}

// standby is a database that takes no writes, if err says why.
type standby struct {
	*store.Store
	err error
}

func (s standby) Ping(ctx context.Context) error { return cmp.Or(s.err, s.Store.Ping(ctx)) }

// full is a result store that takes no claims, if err says why.
type full struct {
	result.Store
	err error
}

func (f full) Claim(ctx context.Context, holder string, lease time.Duration, calls ...string) ([]result.Claim, error) {
	if f.err != nil {
		return nil, f.err
	}
	return f.Store.Claim(ctx, holder, lease, calls...)
}

// TestLostRecord: a call that has ended, but for its record, is sent again, so that
// a worker does what is left to do.
func TestLostRecord(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.record(model.Call{ID: "a", Socket: "sock", State: model.Running, Attempt: 1})
	if _, err := p.results.Put(p.ctx, time.Hour, result.Result{Call: "a", State: model.Succeeded, Attempt: 1, Finished: p.clock}); err != nil {
		t.Fatal(err)
	}
	p.want(0)
	p.want(patience, "a")
}

// TestLostAttempt: a call that was to be tried again counts as lost some time after
// that was due, and goes on counting its attempts.
func TestLostAttempt(t *testing.T) {
	t.Parallel()
	p := start(t)
	retry := func(id, failure string, attempt int, events ...model.Event) {
		p.record(model.Call{
			ID: id, Socket: "sock", State: model.Retrying, Attempt: attempt, Failure: &model.Failure{Error: failure},
			Events: append(events, model.Event{Name: model.EventRetry, Time: p.clock}, model.Event{Name: model.EventDue, Time: p.clock.Add(time.Hour)}),
		})
	}
	retry("error", "ValueError", 2)
	retry("crash", model.FailureCrash, 2)
	retry("redriven", "ValueError", 6, model.Event{Name: model.EventRetry, Time: p.clock.Add(-time.Minute)}, model.Event{Name: model.EventRedriven, Time: p.clock.Add(-time.Second)})
	p.want(0)
	p.want(time.Hour)
	want := map[string][3]int{"error": {2, 0, 0}, "crash": {1, 1, 0}, "redriven": {6, 0, 5}}
	sent := p.after(time.Hour / 4)
	for _, o := range sent {
		e := o.Envelope
		if got := [3]int{e.Attempt, e.Crashes, e.Before}; got != want[e.ID] {
			t.Errorf("%s was sent with attempts, crashes and those before %v, want %v", e.ID, got, want[e.ID])
		}
	}
	if len(sent) != len(want) {
		t.Errorf("sent %d calls, want %d", len(sent), len(want))
	}
}
