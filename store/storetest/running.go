package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
)

// processors: wishes raise the generation, reports never touch a wish and never
// speak of an older generation over a newer one.
func processors(t *testing.T, b *bundle) {
	p := b.processor(t, "p")
	if p.Generation != 1 || p.Wanted != model.StatusRunning || p.Status != model.StatusReady || p.Observed != 0 {
		t.Fatalf("the processor was made as %+v", p)
	}
	report := func(generation int64, status model.Status, message string) model.Processor {
		t.Helper()
		must(t, b.ReportProcessors(b.ctx, "", []model.ProcessorReport{{Processor: "p", Generation: generation, Status: status, Message: message}}))
		return got(b.Processor(b.ctx, "", "p"))(t)
	}
	p = report(1, model.StatusRunning, "")
	equal(t, "status", []any{p.Status, p.Observed, p.Generation}, []any{model.StatusRunning, int64(1), int64(1)})

	same := got(b.UpdateProcessor(b.ctx, p))(t)
	equal(t, "processor without a new wish", same, p)
	p.Status, p.Message, p.Observed = model.StatusFailed, "forged", 99
	p.Concurrency = 4
	p = got(b.UpdateProcessor(b.ctx, p))(t)
	equal(t, "processor with a new wish", []any{p.Concurrency, p.Generation, p.Status, p.Message, p.Observed},
		[]any{4, int64(2), model.StatusRunning, "", int64(1)})

	p.Limit = model.Limit{Rate: "100/s", Burst: 7}
	p = got(b.UpdateProcessor(b.ctx, p))(t)
	equal(t, "a limit, which replaces no workers", []any{p.Limit, p.Generation}, []any{model.Limit{Rate: "100/s", Burst: 7}, int64(2)})
	b.queue(t, "limits")
	b.socket(t, "limits", "p", "limits", "f")
	equal(t, "limit of the endpoint", got(b.EndpointsOf(b.ctx, "", "p"))(t)[0].ProcessorLimit, p.Limit)
	must(t, b.DeleteSocket(b.ctx, "", "limits"))

	stale := p
	p.Wanted = model.StatusStopped
	p = got(b.UpdateProcessor(b.ctx, p))(t)
	equal(t, "generation after stop", p.Generation, 3)
	_, err := b.UpdateProcessor(b.ctx, stale)
	refused(t, err, store.ErrConflict, `processor "p" was changed meanwhile: it is at generation 3 and not 2; look at it again and repeat`)

	report(3, model.StatusStopped, "as you wish")
	p = report(2, model.StatusFailed, "old news")
	equal(t, "status after an old report", []any{p.Status, p.Message, p.Observed, p.Wanted},
		[]any{model.StatusStopped, "as you wish", int64(3), model.StatusStopped})
	p = report(9, model.StatusFailed, "from the future")
	equal(t, "status after a report about no generation", p.Status, model.StatusStopped)

	p = got(b.RestartProcessor(b.ctx, "", "p"))(t)
	equal(t, "after restart", []any{p.Generation, p.Wanted}, []any{int64(4), model.StatusRunning})
	_, err = b.RestartProcessor(b.ctx, "", "x")
	refused(t, err, store.ErrNotFound, `there is no processor "x": did you mean "p"?`)

	equal(t, "credential before", got(b.Credential(b.ctx, p.ID))(t), nil)
	must(t, b.SetCredential(b.ctx, p.ID, []byte("one")))
	must(t, b.SetCredential(b.ctx, p.ID, []byte("two")))
	equal(t, "credential", got(b.Credential(b.ctx, p.ID))(t), []byte("two"))
	must(t, b.SetCredential(b.ctx, p.ID, nil))
	equal(t, "credential after", got(b.Credential(b.ctx, p.ID))(t), nil)
	must(t, b.SetCredential(b.ctx, p.ID, []byte("three")))
	must(t, b.DeleteProcessor(b.ctx, "", "p"))
	equal(t, "credential of a deleted processor", got(b.Credential(b.ctx, p.ID))(t), nil)
}

func heartbeat(node string, workers ...model.Worker) model.Heartbeat {
	return model.Heartbeat{
		Node: model.Node{
			Object: model.Object{Name: node}, Cores: 2, Memory: 1 << 40, MemFree: 1, Load: "0.1 0.2 0.3",
			Status: model.StatusRunning, Platform: "linux/amd64",
		},
		Agent: model.Agent{
			Object: model.Object{Name: node + ".agent"}, Node: node, CPUs: 2, PID: 7, Status: model.StatusRunning,
			Version: "v1", Started: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC),
		},
		Workers: workers,
	}
}

func worker(node, name string, slot int, status model.Status) model.Worker {
	started := time.Date(2026, 1, 2, 3, 4, 5, 6789, time.FixedZone("", 3600))
	return model.Worker{
		Object: model.Object{Name: name}, Node: node, Processor: "p", Deployment: "d", Slot: slot, PID: 99,
		Status: status, Commit: "c0ffee", Generation: 1, Started: &started,
	}
}

// hosts: a heartbeat makes the node, the agent and its workers what it says.
func hosts(t *testing.T, b *bundle) {
	b.processor(t, "p")
	must(t, b.PlaceDeployments(b.ctx, []model.Deployment{{Object: object("d"), Processor: "p", Node: "n1", CPUs: 2}}, nil))
	must(t, b.Heartbeat(b.ctx, heartbeat("n1", worker("n1", "n1.p.0", 0, model.StatusRunning), worker("n1", "n1.p.1", 1, model.StatusStarting))))
	must(t, b.Heartbeat(b.ctx, heartbeat("n2", worker("n2", "n2.p.0", 0, model.StatusRunning))))
	n := got(b.Node(b.ctx, "n1"))(t)
	equal(t, "node", []any{n.Cores, n.Memory, n.Load, n.Status, n.Network}, []any{2, int64(1 << 40), "0.1 0.2 0.3", model.StatusRunning, "default"})
	a := got(b.Agent(b.ctx, "n1.agent"))(t)
	equal(t, "agent", []any{a.Node, a.PID, a.Started}, []any{"n1", 7, time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)})
	equal(t, "agents", len(got(b.AllAgents(b.ctx))(t)), 2)
	w := got(b.Workers(b.ctx, store.WorkerFilter{Node: "n1"}))(t).Items
	equal(t, "workers", names(w, func(w model.Worker) string { return w.Name }), []string{"n1.p.0", "n1.p.1"})
	equal(t, "started, in UTC and with microseconds", *w[0].Started, time.Date(2026, 1, 2, 2, 4, 5, 6000, time.UTC))
	equal(t, "deployment", got(b.Deployment(b.ctx, "", "d"))(t).Status, model.StatusStarting)

	h := heartbeat("n1", worker("n1", "n1.p.1", 1, model.StatusRunning), worker("n1", "n1.p.2", 2, model.StatusRunning))
	h.Node.MemFree = 5
	h.Processors = []model.ProcessorReport{{Processor: "p", Generation: 1, Status: model.StatusRunning}}
	must(t, b.Heartbeat(b.ctx, h))
	again := got(b.Workers(b.ctx, store.WorkerFilter{Node: "n1"}))(t).Items
	equal(t, "workers that are left", names(again, func(w model.Worker) string { return w.Name }), []string{"n1.p.1", "n1.p.2"})
	equal(t, "a worker's id stays", again[0].ID, w[1].ID)
	equal(t, "deployment", got(b.Deployment(b.ctx, "", "d"))(t).Status, model.StatusRunning)
	equal(t, "processor", got(b.Processor(b.ctx, "", "p"))(t).Status, model.StatusRunning)
	n2 := got(b.Node(b.ctx, "n1"))(t)
	equal(t, "node's id and memory", []any{n2.ID, n2.MemFree, n2.Created}, []any{n.ID, int64(5), n.Created})
	equal(t, "workers of p", got(b.Workers(b.ctx, store.WorkerFilter{Network: "default", Processor: "p"}))(t).Total, 3)
	equal(t, "workers of another network", got(b.Workers(b.ctx, store.WorkerFilter{Network: "x"}))(t).Total, 0)
	equal(t, "nodes", got(b.Nodes(b.ctx, "", store.List{Limit: 1}))(t).Total, 2)
	equal(t, "agents", got(b.Agents(b.ctx, "default", store.List{Limit: 1}))(t).Total, 2)
	_, err := b.Node(b.ctx, "n11")
	refused(t, err, store.ErrNotFound, `there is no node "n11": did you mean "n1"?`)
}

// plans: which version of its plan an agent has taken up is known as long as the
// agent is heard of.
func plans(t *testing.T, b *bundle) {
	equal(t, "before the first heartbeat", got(b.PlanTaken(b.ctx, "n1", "v0"))(t), false)
	must(t, b.Heartbeat(b.ctx, heartbeat("n1")))
	must(t, b.Heartbeat(b.ctx, heartbeat("n2")))
	equal(t, "nothing taken up", len(got(b.PlansTaken(b.ctx, time.Minute))(t)), 0)
	equal(t, "known", got(b.PlanTaken(b.ctx, "n1", "v1"))(t), true)
	must(t, b.Heartbeat(b.ctx, heartbeat("n1"))) // changes nothing of it
	equal(t, "taken up", got(b.PlansTaken(b.ctx, time.Minute))(t), map[string]string{"n1": "v1"})
	equal(t, "not heard of", len(got(b.PlansTaken(b.ctx, -time.Minute))(t)), 0)
	h := heartbeat("n1")
	h.Agent.Status = model.StatusStopped
	must(t, b.Heartbeat(b.ctx, h))
	equal(t, "stopped", len(got(b.PlansTaken(b.ctx, time.Minute))(t)), 0)
}

// lost: what an agent runs is down when nothing was heard of the agent for long.
func lost(t *testing.T, b *bundle) {
	b.processor(t, "p")
	put := []model.Deployment{
		{Object: object("d1"), Processor: "p", Node: "n1", CPUs: 1}, {Object: object("d2"), Processor: "p", Node: "n2", CPUs: 1},
	}
	must(t, b.PlaceDeployments(b.ctx, put, nil))
	beat := func(node string) {
		h := heartbeat(node, worker(node, node+".p.0", 0, model.StatusRunning))
		h.Processors = []model.ProcessorReport{{Processor: "p", Generation: 1, Status: model.StatusRunning}}
		must(t, b.Heartbeat(b.ctx, h))
	}
	beat("n1")
	between := got(b.Agent(b.ctx, "n1.agent"))(t).Beat.Add(time.Microsecond)
	beat("n2")
	equal(t, "lost", got(b.MarkLost(b.ctx, between))(t), []string{"n1"})
	equal(t, "lost just now", len(got(b.MarkLost(b.ctx, between))(t)), 0)
	equal(t, "agent", got(b.Agent(b.ctx, "n1.agent"))(t).Status, model.StatusDown)
	equal(t, "node", got(b.Node(b.ctx, "n1"))(t).Status, model.StatusDown)
	equal(t, "other node", got(b.Node(b.ctx, "n2"))(t).Status, model.StatusRunning)
	equal(t, "worker", got(b.Workers(b.ctx, store.WorkerFilter{Node: "n1"}))(t).Items[0].Status, model.StatusDown)
	equal(t, "deployment", got(b.Deployment(b.ctx, "", "d1"))(t).Status, model.StatusDown)
	equal(t, "other deployment", got(b.Deployment(b.ctx, "", "d2"))(t).Status, model.StatusRunning)
	equal(t, "processor that runs elsewhere", got(b.Processor(b.ctx, "", "p"))(t).Status, model.StatusRunning)
	equal(t, "lost", got(b.MarkLost(b.ctx, time.Now().Add(time.Hour)))(t), []string{"n2"})
	p := got(b.Processor(b.ctx, "", "p"))(t)
	equal(t, "processor that runs nowhere", []any{p.Status, p.Message, p.Generation},
		[]any{model.StatusDown, "no agent that runs it has been heard of lately", int64(1)})
	beat("n1")
	equal(t, "node that is back", got(b.Node(b.ctx, "n1"))(t).Status, model.StatusRunning)
	equal(t, "worker that is back", got(b.Workers(b.ctx, store.WorkerFilter{Node: "n1"}))(t).Items[0].Status, model.StatusRunning)
	equal(t, "deployment that is back", got(b.Deployment(b.ctx, "", "d1"))(t).Status, model.StatusRunning)
	equal(t, "processor that is back", got(b.Processor(b.ctx, "", "p"))(t).Status, model.StatusRunning)
}

// tasks: they are replaced as a whole, and found by their short or full name.
func tasks(t *testing.T, b *bundle) {
	b.processor(t, "p1")
	b.processor(t, "p2")
	f := model.Task{Name: "f", Module: "pkg.mod", Doc: "does\x00it", Source: "def f(): …", Returns: raw(`{"type":"string"}`), Arguments: []model.Argument{
		{Name: "one", Position: 0, Kind: model.PositionalOrKeyword, Schema: raw(`{"type":"integer"}`)},
		{Name: "two", Position: 1, Kind: model.KeywordOnly, HasDefault: true, Default: raw(`null`)},
	}}
	must(t, b.PutTasks(b.ctx, "default", "p1", "c0ffee", []model.Task{f, {Name: "g"}}))
	have := got(b.Task(b.ctx, "", "f"))(t)
	want := f
	want.ID, want.Network, want.Processor, want.Commit, want.Doc = have.ID, "default", "p1", "c0ffee", "does\uFFFDit"
	equal(t, "task", have, want)
	must(t, b.PutTasks(b.ctx, "default", "p1", "c0ffee", []model.Task{f}))
	equal(t, "task by its full name", got(b.Task(b.ctx, "", "pkg.mod.f"))(t), want)
	_, err := b.Task(b.ctx, "", "g")
	refused(t, err, store.ErrNotFound, `there is no task "g": did you mean "f"?`)
	_, err = b.Task(b.ctx, "", "pkg.mod.ff")
	refused(t, err, store.ErrNotFound, `there is no task "pkg.mod.ff": did you mean "pkg.mod.f"?`)

	must(t, b.PutTasks(b.ctx, "default", "p2", "c0ffee", []model.Task{f}))
	equal(t, "task that two processors expose", got(b.Task(b.ctx, "", "f"))(t).Processor, "p1")
	must(t, b.PutTasks(b.ctx, "default", "p2", "c0ffee", []model.Task{{Name: "f", Module: "other"}}))
	_, err = b.Task(b.ctx, "", "f")
	refused(t, err, store.ErrAmbiguous, `several tasks are called "f": say "other.f" or "pkg.mod.f"`)
	equal(t, "task by its full name", got(b.Task(b.ctx, "", "other.f"))(t).Processor, "p2")
	page := got(b.Tasks(b.ctx, "default", "", firstPage))(t)
	equal(t, "tasks", names(page.Items, func(t model.Task) string { return t.Processor + "/" + t.Name }), []string{"p1/f", "p2/f"})
	equal(t, "arguments", len(page.Items[0].Arguments), 2)
	equal(t, "tasks of p2", got(b.Tasks(b.ctx, "", "p2", firstPage))(t).Total, 1)

	err = b.PutTasks(b.ctx, "", "p1", "0ther", nil)
	refused(t, err, store.ErrConflict, `processor "p1" was changed meanwhile: it runs commit c0ffee now and not 0ther`)
	if err := b.PutTasks(b.ctx, "", "none", "c0ffee", nil); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("tasks of no processor: %v", err)
	}
	must(t, b.DeleteProcessor(b.ctx, "", "p1"))
	equal(t, "tasks of a deleted processor", got(b.Tasks(b.ctx, "", "p1", firstPage))(t).Total, 0)
}

// endpoints: a socket comes with everything around it, and a node with its sockets.
func endpoints(t *testing.T, b *bundle) {
	q, edge := b.queue(t, "q"), b.queue(t, "edge")
	b.processor(t, "p1")
	b.processor(t, "p2")
	a, c := b.socket(t, "a", "p1", "q", "f"), b.socket(t, "c", "p2", "edge", "f")
	owned, plain := b.plug(t, "owned", "a", "c", "edge"), b.plug(t, "plain", "a", "c", "")
	want := []model.Endpoint{
		{Socket: a, Queue: q, Module: "pkg.mod", ProcessorLimit: slow, In: []model.Plug{}, Out: []model.Edge{
			{Plug: owned, Target: c, TargetQueue: edge}, {Plug: plain, Target: c, TargetQueue: edge},
		}},
		{Socket: c, Queue: edge, Module: "pkg.mod", ProcessorLimit: slow, In: []model.Plug{owned}, Out: []model.Edge{}},
	}
	equal(t, "endpoints", got(b.Endpoints(b.ctx, ""))(t), want)
	equal(t, "endpoints of p1", got(b.EndpointsOf(b.ctx, "", "p1"))(t), want[:1])
	equal(t, "endpoints of p2", got(b.EndpointsOf(b.ctx, "", "p2"))(t), want[1:])
	many := []string{"none", "c"}
	for i := range 70 {
		many = append(many, fmt.Sprint("none", i))
	}
	many = append(many, "a")
	found := got(b.SocketsNamed(b.ctx, "", many))(t)
	slices.SortFunc(found, func(x, y model.Socket) int { return strings.Compare(x.Name, y.Name) })
	equal(t, "sockets by name", found, []model.Socket{a, c})
	equal(t, "sockets by no name", len(got(b.SocketsNamed(b.ctx, "", nil))(t)), 0)
	equal(t, "sockets of another network", len(got(b.SocketsNamed(b.ctx, "other", many))(t)), 0)
	equal(t, "endpoints of nothing", got(b.EndpointsOf(b.ctx, "", "p3"))(t), []model.Endpoint{})

	d := got(b.CreateDeployment(b.ctx, model.Deployment{Object: object("d"), Processor: "p2", Node: "n", CPUs: 1}))(t)
	p2 := got(b.Processor(b.ctx, "", "p2"))(t)
	equal(t, "assignments", got(b.Assignments(b.ctx, "n"))(t), []model.Assignment{{Deployment: d, Processor: p2, Sockets: want[1:]}})
	equal(t, "assignments of another node", got(b.Assignments(b.ctx, "m"))(t), []model.Assignment{})
}

// deployments: they are placed all or not at all.
func deployments(t *testing.T, b *bundle) {
	b.processor(t, "p")
	place := func(name, processor, node string, cpus int) model.Deployment {
		return model.Deployment{Object: object(name), Processor: processor, Node: node, CPUs: cpus}
	}
	must(t, b.PlaceDeployments(b.ctx, []model.Deployment{place("a", "p", "n1", 1), place("b", "p", "n1", 1)}, nil))
	was := got(b.AllDeployments(b.ctx))(t)
	err := b.PlaceDeployments(b.ctx, []model.Deployment{place("a", "p", "n9", 9), place("c", "gone", "n1", 1)}, []string{was[1].ID})
	refused(t, err, store.ErrNotFound, `there is no processor "gone"`)
	equal(t, "deployments after a failure", got(b.AllDeployments(b.ctx))(t), was)
	must(t, b.PlaceDeployments(b.ctx, []model.Deployment{place("a", "p", "n2", 2), place("c", "p", "n2", 1)}, []string{was[1].ID}))
	now := got(b.AllDeployments(b.ctx))(t)
	equal(t, "deployments", names(now, func(d model.Deployment) string { return d.Name + "@" + d.Node }), []string{"a@n2", "c@n2"})
	equal(t, "a deployment's id stays", now[0].ID, was[0].ID)
	equal(t, "deployments", got(b.Deployments(b.ctx, "", firstPage))(t).Total, 2)
	must(t, b.DeleteProcessor(b.ctx, "", "p"))
	equal(t, "deployments of a deleted processor", len(got(b.AllDeployments(b.ctx))(t)), 0)
}

// users: they are made once; their tokens are found by hash and can be revoked.
func users(t *testing.T, b *bundle) {
	ann := got(b.EnsureUser(b.ctx, "ann", ""))(t)
	equal(t, "the same user", got(b.EnsureUser(b.ctx, "ann", ""))(t), ann)
	equal(t, "user with a new email", got(b.EnsureUser(b.ctx, "ann", "ann@example.org"))(t).Email, "ann@example.org")
	expires := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
	must(t, b.AddToken(b.ctx, model.Token{ID: "1", User: "ann", Name: "laptop", Scope: model.ScopeAdmin, Expires: &expires}, []byte("hash")))
	tok := got(b.TokenByHash(b.ctx, []byte("hash")))(t)
	equal(t, "token", []any{tok.ID, tok.User, tok.Scope, *tok.Expires, tok.LastUsed}, []any{"1", "ann", model.ScopeAdmin, expires, (*time.Time)(nil)})
	_, err := b.TokenByHash(b.ctx, []byte("other"))
	if !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("unknown hash: %v", err)
	}
	err = b.AddToken(b.ctx, model.Token{User: "nobody", Name: "x", Scope: model.ScopeAgent}, []byte("h2"))
	refused(t, err, store.ErrNotFound, `there is no user "nobody"`)
	must(t, b.TouchToken(b.ctx, "1", expires))
	must(t, b.TouchToken(b.ctx, "1", expires.Add(-time.Minute)))
	list := got(b.Tokens(b.ctx))(t)
	equal(t, "last used", *list[0].LastUsed, expires)
	must(t, b.DeleteToken(b.ctx, "1"))
	refused(t, b.DeleteToken(b.ctx, "1"), store.ErrNotFound, `there is no token "1"`)
}
