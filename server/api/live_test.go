package api

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/event"
	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
)

func TestEvents(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := testenv.Context(t, 30*time.Second)
	if err := b.events.Publish(ctx, event.Message{Channel: "q.p.task", Data: value(`{"n":0}`)}); err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	hear := func(f client.EventFilter, n int) (got []client.Event) {
		err := b.c.Events(ctx, f, func(e client.Event) error {
			if got = append(got, e); len(got) == n {
				return enough
			}
			return nil
		})
		if !errors.Is(err, enough) {
			t.Fatalf("%v after %d events", err, len(got))
		}
		return got
	}
	live := client.EventFilter{Pattern: "q.p.*", Ready: func() {
		_ = b.events.Publish(ctx, event.Message{Channel: "other", Data: value(`{}`)},
			event.Message{Channel: "q.p.task", Data: value(`{"n":1}`)}, event.Message{Channel: "q.p.log", Data: value(`{"n":2}`)})
	}}
	got := hear(live, 2)
	if got[0].Channel != "q.p.task" || string(got[0].Data) != `{"n":1}` || got[1].Channel != "q.p.log" {
		t.Fatalf("%+v", got)
	}
	if past := hear(client.EventFilter{Pattern: "q.p.*", Since: time.Now().Add(-time.Minute)}, 3); string(past[0].Data) != `{"n":0}` {
		t.Fatalf("%+v", past)
	}
	if after := hear(client.EventFilter{Pattern: "q.p.*", After: got[0].ID}, 1); string(after[0].Data) != `{"n":2}` {
		t.Fatalf("%+v", after)
	}
	// A change is announced.
	change := client.EventFilter{Pattern: "global", Ready: func() {
		go func() { _, _ = b.c.Queues().Create(ctx, model.Queue{Object: model.Object{Name: "q9"}}) }()
	}}
	if e := hear(change, 1)[0]; !strings.Contains(string(e.Data), `"kind":"queue","name":"q9"`) {
		t.Fatalf("%s", e.Data)
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	if err := b.c.Events(done, client.EventFilter{}, nil); err != nil {
		t.Fatalf("the end of the context is no error: %v", err)
	}
}

// TestEventsOnTheWire shows what other clients see.
func TestEventsOnTheWire(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := testenv.Context(t, 30*time.Second)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+"/v1/events?pattern=c&since=5m", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+b.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if ct := res.Header.Get("Content-Type"); ct != "text/event-stream" {
		t.Fatalf("content type %q", ct)
	}
	_ = b.events.Publish(ctx, event.Message{Channel: "c", Data: value(`{"x":1}`)})
	lines := bufio.NewScanner(res.Body)
	var got []string
	for lines.Scan() && len(got) < 6 {
		got = append(got, lines.Text())
	}
	want := []string{"event: ready", "data: {}", "", "id: 000", "event: message", `data: {"channel":"c"`}
	for i, w := range want {
		if !strings.HasPrefix(got[i], w) {
			t.Errorf("line %d is %q, want %q…", i, got[i], w)
		}
	}
}

func TestEventsWithoutBus(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.events.mu.Lock()
	b.events.down = event.ErrUnavailable
	b.events.mu.Unlock()
	err := b.c.Events(testenv.Context(t, 10*time.Second), client.EventFilter{}, func(client.Event) error { return nil })
	wants(t, err, client.CodeUnavailable, "event bus")
}

func TestPlan(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := testenv.Context(t, 30*time.Second)
	agent := b.client(t, b.newToken(t, model.ScopeAgent))
	beat := model.Heartbeat{
		Node:  model.Node{Object: model.Object{Name: "n1"}, Cores: 4},
		Agent: model.Agent{Object: model.Object{Name: "n1.agent"}, Node: "n1", CPUs: 4},
	}
	v1, err := agent.Heartbeat(ctx, beat)
	if err != nil || v1 == "" {
		t.Fatalf("%q, %v", v1, err)
	}
	plan, changed, err := agent.Plan(ctx, "n1", "", 0)
	if err != nil || !changed || plan.Version != v1 || plan.Assignments == nil {
		t.Fatalf("%+v, %t, %v", plan, changed, err)
	}
	if _, changed, err = agent.Plan(ctx, "n1", v1, 30*time.Millisecond); err != nil || changed {
		t.Fatalf("changed %t, %v", changed, err)
	}
	type answer struct {
		plan    model.Plan
		changed bool
		err     error
	}
	got := make(chan answer, 1)
	go func() {
		plan, changed, err := agent.Plan(ctx, "n1", v1, 20*time.Second)
		got <- answer{plan, changed, err}
	}()
	must(t)(b.c.CreateProcessor(ctx, client.ProcessorInput{Name: "p", GitRepo: "https://bob:secret@h/r.git", Module: "m"}))
	began := time.Now()
	must(t)(b.c.Deployments().Create(ctx, model.Deployment{Processor: "p", Node: "n1", CPUs: 2}))
	a := <-got
	if a.err != nil || !a.changed || len(a.plan.Assignments) != 1 || a.plan.Assignments[0].Credentials != "bob:secret" {
		t.Fatalf("%+v", a)
	}
	if took := time.Since(began); took > planRecheck {
		t.Errorf("the plan came %s after the change", took)
	}
	// What is only observed changes no plan.
	beat.Processors = []model.ProcessorReport{{Processor: "p", Network: "default", Generation: 1, Commit: commit, Status: model.StatusRunning}}
	if v, err := agent.Heartbeat(ctx, beat); err != nil || v != a.plan.Version {
		t.Fatalf("version %q after %q, %v", v, a.plan.Version, err)
	}
	wants(t, second(agent.Queues().Get(ctx, "q")), client.CodeForbidden, "agent")
	wants(t, second(agent.Submit(ctx, client.Submission{Socket: "s"})), client.CodeForbidden)

	if nodes, err := b.c.Nodes().All(ctx); err != nil || len(nodes) != 1 || nodes[0].Cores != 4 {
		t.Fatalf("%+v, %v", nodes, err)
	}
	if g, err := b.c.Agents().Get(ctx, "n1.agent"); err != nil || g.CPUs != 4 {
		t.Fatalf("%+v, %v", g, err)
	}
	if workers, err := b.c.Workers().AllOf(ctx, client.ListOptions{Processor: "p", Node: "n1"}); err != nil || len(workers) != 0 {
		t.Fatalf("%+v, %v", workers, err)
	}
}

func TestTasks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	ctx := context.Background()
	list, err := b.c.Tasks().AllOf(ctx, client.ListOptions{Processor: "proc1"})
	if err != nil || len(list) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	task, err := b.c.Tasks().Get(ctx, "sample.add_two")
	if err != nil || len(task.Arguments) != 2 {
		t.Fatalf("%+v, %v", task, err)
	}
	wants(t, second(b.c.Tasks().Get(ctx, "add_too")), client.CodeNotFound, "add_two")
	old := client.TasksReport{Commit: strings.Repeat("f", 40), Generation: 1, Tasks: tasks()}
	wants(t, b.c.ReportTasks(ctx, "", "proc1", old), client.CodeConflict, "commit")
}

func TestTokens(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	who, err := b.c.WhoAmI(ctx)
	if err != nil || who.User != "tester" || who.Scope != model.ScopeAdmin {
		t.Fatalf("%+v, %v", who, err)
	}
	made, err := b.c.CreateToken(ctx, client.TokenInput{User: "ann", Name: "laptop", ExpiresMS: 60_000})
	if err != nil || made.Secret == "" || made.Scope != model.ScopeAdmin || made.Expires == nil {
		t.Fatalf("%+v, %v", made, err)
	}
	ann := b.client(t, made.Secret)
	if who, err = ann.WhoAmI(ctx); err != nil || who.User != "ann" || who.Token != "laptop" {
		t.Fatalf("%+v, %v", who, err)
	}
	list, err := b.c.Tokens(ctx)
	if err != nil || len(list) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	if err := b.c.DeleteToken(ctx, made.ID); err != nil {
		t.Fatal(err)
	}
	// Here it ends at once.
	e := wants(t, second(ann.WhoAmI(ctx)), client.CodeUnauthorized, "--token")
	if strings.Contains(e.Error()+e.Hint, made.Secret) {
		t.Error("the error tells the token")
	}
	wants(t, second(b.client(t, "").WhoAmI(ctx)), client.CodeUnauthorized, "no token")
}

func TestServer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	anybody := b.client(t, "")
	if v, err := anybody.Version(ctx); err != nil || v.Version != "test" {
		t.Fatalf("%+v, %v", v, err)
	}
	if s, err := b.c.Status(ctx); err != nil || !s.OK() {
		t.Fatalf("%+v, %v", s, err)
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		res, err := http.Get(b.url + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, res.Status)
		}
	}
}

func TestPanicIsAProblem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.api.cfg.Inspector = nil // a fault that nothing foresaw
	must(t)(b.c.Queues().Create(context.Background(), model.Queue{Object: model.Object{Name: "q1"}}))
	e := wants(t, second(b.c.Depth(context.Background(), "q1")), client.CodeInternal, "server's log")
	if strings.Contains(e.Error(), "nil") || e.Status != 500 {
		t.Errorf("tells internals: %v", e)
	}
}

// TestPlugIsTakenUp: when a plug has been made, changed or deleted, the agents
// know: a call that is sent next goes the new way. An agent that went away is
// not waited for.
func TestPlugIsTakenUp(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	isTakenUp(t, b, b)
}

// TestPlugIsTakenUpElsewhere: so do the agents that ask another server.
func TestPlugIsTakenUpElsewhere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	isTakenUp(t, b, b.another(t))
}

// isTakenUp makes a plug at b while an agent asks the server of asked.
func isTakenUp(t *testing.T, b, asked *bundle) {
	t.Helper()
	ctx, stop := context.WithCancel(testenv.Context(t, time.Minute))
	agent := asked.client(t, b.newToken(t, model.ScopeAgent))
	must(t)(agent.Heartbeat(ctx, model.Heartbeat{
		Node:  model.Node{Object: model.Object{Name: "n1"}, Cores: 4},
		Agent: model.Agent{Object: model.Object{Name: "n1.agent"}, Node: "n1", CPUs: 4},
	}))
	must(t)(b.c.Deployments().Create(ctx, model.Deployment{Processor: "proc1", Node: "n1", CPUs: 1}))
	var known atomic.Int64 // plugs
	following, done := make(chan struct{}, 100), make(chan struct{})
	go func() {
		defer close(done)
		for version := ""; ctx.Err() == nil; {
			plan, changed, err := agent.Plan(ctx, "n1", version, 5*time.Second)
			if err != nil || !changed {
				continue
			}
			time.Sleep(20 * time.Millisecond) // what it takes to tell all workers
			plugs := 0
			for _, as := range plan.Assignments {
				for _, s := range as.Sockets {
					plugs += len(s.Out)
				}
			}
			known.Store(int64(plugs))
			version = plan.Version
			following <- struct{}{}
		}
	}()
	<-following
	for public := ""; public == ""; { // the agent has asked again
		taken, err := b.store.PlansTaken(ctx, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		public = taken["n1"]
	}
	plugs := b.c.Plugs()
	plug := model.Plug{Object: model.Object{Name: "x"}, Type: model.PlugResult, Source: "sample.do_this", Target: "sample.add_two", Argument: "one"}
	must(t)(plugs.Create(ctx, plug))
	if n := known.Load(); n != 1 {
		t.Errorf("a plug was made, and the agent knows of %d", n)
	}
	if err := plugs.Delete(ctx, "x"); err != nil {
		t.Fatal(err)
	}
	if n := known.Load(); n != 0 {
		t.Errorf("the plug was deleted, and the agent knows of %d", n)
	}
	stop()
	<-done
	began := time.Now()
	must(t)(plugs.Create(context.Background(), plug))
	if took := time.Since(began); took > 4*takenUp {
		t.Errorf("an agent that is gone was waited for during %s", took)
	}
}
