package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/event"
	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/server/access"
	"github.com/elasticcode/flow/server/canceller"
	"github.com/elasticcode/flow/server/redriver"
	"github.com/elasticcode/flow/server/values"
	"github.com/elasticcode/flow/socket"
	"github.com/elasticcode/flow/store"
	"github.com/elasticcode/flow/store/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bundle is an API with a real database and the rest played.
type bundle struct {
	api     *API
	store   *store.Store
	broker  *fakeBroker
	git     *fakeGit
	results *fakeResults
	events  *fakeBus
	url     string
	token   string // of scope admin
	c       *client.Client
}

func setup(t testing.TB) *bundle {
	t.Helper()
	ctx := testenv.Context(t, time.Minute)
	empty, err := emptyDatabase()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "flow.db")
	if err := os.WriteFile(path, empty, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	sealer, err := access.NewSealer(make([]byte, access.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	b := &bundle{
		store: s, broker: &fakeBroker{declared: map[string]model.Endpoint{}}, git: &fakeGit{},
		results: &fakeResults{known: map[string]result.Result{}, rung: make(chan struct{})}, events: newFakeBus(),
	}
	b.api, err = New(Config{
		Canceller: canceller.New(canceller.Config{History: s, Results: b.results, Logger: testenv.Logger(t)}),
		Redriver:  redriver.New(redriver.Config{History: s, Results: b.results, Sender: b.broker, Logger: testenv.Logger(t)}),
		Store:     s, Submitter: b.broker, Topology: b.broker, Inspector: b.broker, Resolver: b.git, Health: b,
		Values:  values.New(s, b.results, testenv.Logger(t)),
		Results: b.results, Events: b.events, Sealer: sealer, Logger: testenv.Logger(t),
		Version: client.Version{Version: "test", API: "v1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	b.serve(t)
	b.token = b.newToken(t, model.ScopeAdmin)
	b.c = b.client(t, b.token)
	return b
}

// emptyDatabase is a migrated database file: migrating takes longer than a test.
var emptyDatabase = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "flow-api-test")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path, ctx := filepath.Join(dir, "flow.db"), context.Background()
	s, err := sqlite.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(s.Migrate(ctx), s.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

func (b *bundle) serve(t testing.TB) {
	t.Helper()
	srv := httptest.NewServer(b.api)
	b.url = srv.URL
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.api.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		srv.Close()
	})
}

func (b *bundle) client(t testing.TB, token string) *client.Client {
	t.Helper()
	c := client.New(client.Config{Server: b.url, Token: token})
	t.Cleanup(c.Close)
	return c
}

func (b *bundle) newToken(t testing.TB, scope model.Scope) string {
	t.Helper()
	ctx := context.Background()
	if _, err := b.store.EnsureUser(ctx, "tester", ""); err != nil {
		t.Fatal(err)
	}
	secret, hash := access.NewToken()
	if err := b.store.AddToken(ctx, model.Token{User: "tester", Name: string(scope), Scope: scope}, hash); err != nil {
		t.Fatal(err)
	}
	return secret
}

// Status says that all is well.
func (b *bundle) Status(context.Context) client.Status {
	ok := client.Health{OK: true}
	return client.Status{Version: "test", Broker: ok, Backend: ok, Store: ok}
}

// system declares a processor with described functions, a queue and a socket
// for each function.
func (b *bundle) system(t testing.TB) {
	t.Helper()
	ctx := context.Background()
	must(t)(b.c.Queues().Create(ctx, model.Queue{Object: model.Object{Name: "q1"}, Type: model.Direct}))
	p, err := b.c.CreateProcessor(ctx, client.ProcessorInput{Name: "proc1", GitRepo: "/repo", Module: "sample", Concurrency: 2})
	if err != nil {
		t.Fatal(err)
	}
	err = b.c.ReportTasks(ctx, "", "proc1", client.TasksReport{Commit: p.Commit, Generation: p.Generation, Tasks: tasks()})
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks() {
		b.socket(t, "sample."+task.Name, task.Name)
	}
}

func (b *bundle) socket(t testing.TB, name, task string) {
	t.Helper()
	must(t)(b.c.Sockets().Create(context.Background(), model.Socket{
		Object: model.Object{Name: name}, Processor: "proc1", Queue: "q1", Task: task,
	}))
}

func tasks() []model.Task {
	arg := func(name string, i int) model.Argument {
		return model.Argument{Name: name, Position: i, Kind: model.PositionalOrKeyword}
	}
	return []model.Task{
		{Name: "add_two", Module: "sample", Arguments: []model.Argument{arg("one", 0), arg("two", 1)}},
		{Name: "do_this", Module: "sample", Arguments: []model.Argument{arg("message", 0)}},
	}
}

// must returns a function for the results of a call that may not fail.
func must(t testing.TB) func(any, error) {
	t.Helper()
	return func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// value is a JSON value.
func value(s string) json.RawMessage { return json.RawMessage(s) }

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

// wants fails the test unless err has the code, and returns it.
func wants(t *testing.T, err error, code client.Code, parts ...string) *client.Error {
	t.Helper()
	var e *client.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("got %v, want an error of code %s", err, code)
	}
	if e.Status != 0 && e.Hint == "" {
		t.Errorf("%s: no hint", e.Message)
	}
	for _, part := range parts {
		if !strings.Contains(e.Error()+" | "+e.Hint, part) {
			t.Errorf("%q (hint %q) does not say %q", e.Error(), e.Hint, part)
		}
	}
	return e
}
