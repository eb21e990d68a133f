package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/server/access"
	"github.com/elasticcode/flow/server/canceller"
	"github.com/elasticcode/flow/server/redriver"
	"github.com/elasticcode/flow/server/values"
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
	b := &bundle{
		store: s, broker: &fakeBroker{declared: map[string]model.Endpoint{}}, git: &fakeGit{},
		results: &fakeResults{known: map[string]result.Result{}, rung: make(chan struct{})}, events: newFakeBus(),
	}
	b.open(t)
	b.token = b.newToken(t, model.ScopeAdmin)
	b.c = b.client(t, b.token)
	return b
}

// another returns a second server of the same system.
func (b *bundle) another(t testing.TB) *bundle {
	t.Helper()
	other := *b
	other.open(t)
	other.c = other.client(t, b.token)
	return &other
}

// open makes the API of the bundle and serves it.
func (b *bundle) open(t testing.TB) {
	t.Helper()
	sealer, err := access.NewSealer(make([]byte, access.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	s := b.store
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
