package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
)

func TestObjects(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	ctx := context.Background()

	s, err := b.c.Sockets().Get(ctx, "sample.do_this")
	if err != nil || s.MaxAttempts != 1 || s.TimeoutMS != model.DefaultTimeout.Milliseconds() || s.Join != model.JoinZip || s.Owner != "tester" {
		t.Fatalf("socket %+v, %v", s, err)
	}
	if _, ok := b.broker.declared["q1.proc1.do_this"]; !ok {
		t.Error("the socket's queue was not declared")
	}
	three := 3
	if s, err = b.c.Sockets().Update(ctx, s.Name, client.SocketPatch{MaxAttempts: &three}); err != nil || s.MaxAttempts != 3 || s.Task != "do_this" {
		t.Fatalf("updated socket %+v, %v", s, err)
	}
	ttl := int64(5000)
	if _, err := b.c.Queues().Update(ctx, "q1", client.QueuePatch{MessageTTLMS: &ttl}); err != nil {
		t.Fatal(err)
	}
	if e := b.broker.declared["q1.proc1.do_this"]; e.Queue.MessageTTLMS != ttl {
		t.Errorf("the broker was not told the limit: %+v", e.Queue)
	}
	all, err := b.c.Sockets().All(ctx)
	if err != nil || len(all) != 2 {
		t.Fatalf("%d sockets, %v", len(all), err)
	}
	page, err := b.c.Sockets().List(ctx, client.ListOptions{Limit: 1})
	if err != nil || len(page.Items) != 1 || page.Next == "" || page.Total != 2 {
		t.Fatalf("page %+v, %v", page, err)
	}
	depth, err := b.c.Depth(ctx, "q1")
	if err != nil || len(depth) != 1 || depth[0].Messages != 3 {
		t.Fatalf("depth %+v, %v", depth, err)
	}
	if msgs, err := b.c.Peek(ctx, "q1", 5); err != nil || len(msgs) != 1 || msgs[0].Call == nil {
		t.Fatalf("peek %+v, %v", msgs, err)
	}
	if n, err := b.c.Purge(ctx, "q1"); err != nil || n != 3 {
		t.Fatalf("purge %d, %v", n, err)
	}
}

func TestOtherNetwork(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	must(t)(b.c.Networks().Create(ctx, model.Network{Name: "lab"}))
	lab := b.c.In("lab")
	must(t)(lab.Queues().Create(ctx, model.Queue{Object: model.Object{Name: "q1"}}))
	wants(t, second(b.c.Queues().Get(ctx, "q1")), client.CodeNotFound)
	q, err := lab.Queues().Get(ctx, "q1")
	if err != nil || q.Network != "lab" || q.Type != model.Direct {
		t.Fatalf("%+v, %v", q, err)
	}
	wants(t, b.c.Networks().Delete(ctx, "lab"), client.CodeConflict, "queue q1")
	if err := lab.Queues().Delete(ctx, "q1"); err != nil {
		t.Fatal(err)
	}
	if err := b.c.Networks().Delete(ctx, "lab"); err != nil {
		t.Fatal(err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestWrongNamesAreExplained(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	ctx := context.Background()
	socket := func(p, q, task string) error {
		return second(b.c.Sockets().Create(ctx, model.Socket{Object: model.Object{Name: "new"}, Processor: p, Queue: q, Task: task}))
	}
	wants(t, socket("proc2", "q1", "do_this"), client.CodeNotFound, "processor", "proc1")
	wants(t, socket("proc1", "q2", "do_this"), client.CodeNotFound, "queue", "q1")
	e := wants(t, socket("proc1", "q1", "do_thsi"), client.CodeInvalid, "no function", "do_this")
	if !slices.Equal(e.Suggestions, []string{"do_this"}) {
		t.Errorf("suggestions %v", e.Suggestions)
	}
	wants(t, socket("proc1", "q1", "do_this"), client.CodeConflict, "sample.do_this", "already")
	wants(t, second(b.c.Sockets().Get(ctx, "sample.do_that")), client.CodeNotFound, "sample.do_this")

	plug := func(p model.Plug) error {
		p.Name = "plug1"
		return second(b.c.Plugs().Create(ctx, p))
	}
	wants(t, plug(model.Plug{Source: "sample.do_tis", Target: "sample.add_two"}), client.CodeNotFound, "sample.do_this")
	wants(t, plug(model.Plug{Source: "sample.do_this", Target: "sample.add_two", Argument: "on"}), client.CodeInvalid, "no argument", "one")
	wants(t, plug(model.Plug{Source: "sample.do_this", Target: "sample.add_two", Type: "NONSENSE"}), client.CodeInvalid, "type")
	wants(t, plug(model.Plug{Source: "sample.do_this", Target: "sample.add_two", Queue: "a b"}), client.CodeInvalid, "queue name")
	if queues, err := b.c.Queues().All(ctx); err != nil || len(queues) != 1 {
		t.Errorf("half made: %d queues, %v", len(queues), err)
	}
}

func TestPlugs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	ctx := context.Background()
	p := model.Plug{Object: model.Object{Name: "plug1"}, Source: "sample.do_this", Target: "sample.add_two", Argument: "one", Queue: "q2"}
	must(t)(b.c.Plugs().Create(ctx, p))
	if q, err := b.c.Queues().Get(ctx, "q2"); err != nil || q.Type != model.Direct {
		t.Fatalf("the plug's queue: %+v, %v", q, err)
	}
	if !slices.Contains(b.broker.edges, "q2:plug1") {
		t.Errorf("edges %v", b.broker.edges)
	}
	wants(t, b.c.Sockets().Delete(ctx, "sample.do_this"), client.CodeConflict, "plug plug1")
	wants(t, b.c.Queues().Delete(ctx, "q2"), client.CodeConflict, "plug plug1")

	// A plug to its own socket is a loop, which dataflow may have.
	must(t)(b.c.Plugs().Create(ctx, model.Plug{Object: model.Object{Name: "loop"}, Source: "sample.do_this", Target: "sample.do_this"}))

	none, errType := "", model.PlugError
	b.broker.waiting = 2
	wants(t, second(b.c.Plugs().Update(ctx, "plug1", client.PlugPatch{Queue: &none})), client.CodeConflict, "2 calls wait")
	wants(t, b.c.Plugs().Delete(ctx, "plug1"), client.CodeConflict, "2 calls wait")
	b.broker.waiting = 0
	got, err := b.c.Plugs().Update(ctx, "plug1", client.PlugPatch{Queue: &none, Type: &errType})
	if err != nil || got.Queue != "" || got.Type != model.PlugError || got.Argument != "one" {
		t.Fatalf("%+v, %v", got, err)
	}
	if !slices.Contains(b.broker.gone, "q2:plug1") {
		t.Errorf("the edge's queue stays: %v", b.broker.gone)
	}
	if err := b.c.Plugs().Delete(ctx, "plug1"); err != nil {
		t.Fatal(err)
	}
}

func TestNothingHalfMade(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	ctx := context.Background()
	b.broker.failWith(fmt.Errorf("declare: %w", broker.ErrUnavailable))
	must(t)(b.c.Queues().Create(ctx, model.Queue{Object: model.Object{Name: "other"}})) // needs no broker
	err := second(b.c.Sockets().Create(ctx, model.Socket{Object: model.Object{Name: "new"}, Processor: "proc1", Queue: "other", Task: "do_this"}))
	wants(t, err, client.CodeUnavailable, "broker")
	wants(t, second(b.c.Sockets().Get(ctx, "new")), client.CodeNotFound)
	err = second(b.c.Plugs().Create(ctx, model.Plug{Object: model.Object{Name: "p"}, Source: "sample.do_this", Target: "sample.add_two", Queue: "q9"}))
	wants(t, err, client.CodeUnavailable)
	wants(t, second(b.c.Queues().Get(ctx, "q9")), client.CodeNotFound)
	wants(t, b.c.Sockets().Delete(ctx, "sample.do_this"), client.CodeUnavailable)
	must(t)(b.c.Sockets().Get(ctx, "sample.do_this"))

	b.broker.failWith(broker.ErrMismatch)
	ttl := int64(1)
	wants(t, second(b.c.Queues().Update(ctx, "q1", client.QueuePatch{MessageTTLMS: &ttl})), client.CodeConflict)
	if q, err := b.c.Queues().Get(ctx, "q1"); err != nil || q.MessageTTLMS != 0 {
		t.Errorf("refused by the broker, and stored: %+v, %v", q, err)
	}
}

func TestDeleteSocketWithCalls(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	ctx := context.Background()
	b.broker.waiting = 7
	wants(t, b.c.Sockets().Delete(ctx, "sample.do_this"), client.CodeConflict, "7 calls wait", "--force")
	if err := b.c.Sockets().ForceDelete(ctx, "sample.do_this"); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(b.broker.gone, "q1.proc1.do_this") {
		t.Errorf("gone: %v", b.broker.gone)
	}
}

func TestMoveSocket(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	ctx := context.Background()
	must(t)(b.c.Queues().Create(ctx, model.Queue{Object: model.Object{Name: "q2"}, Type: model.Fanout}))
	must(t)(b.c.Plugs().Create(ctx, model.Plug{Object: model.Object{Name: "p"}, Source: "sample.do_this", Target: "sample.add_two", Argument: "two"}))
	q2, task := "q2", "do_this"
	wants(t, second(b.c.Sockets().Update(ctx, "sample.add_two", client.SocketPatch{Queue: &q2, Task: &task})), client.CodeInvalid, "plug p", "two")
	s, err := b.c.Sockets().Update(ctx, "sample.add_two", client.SocketPatch{Queue: &q2})
	if err != nil || s.Queue != "q2" {
		t.Fatalf("%+v, %v", s, err)
	}
	if _, ok := b.broker.declared["q2.proc1.add_two"]; !ok || !slices.Contains(b.broker.gone, "q1.proc1.add_two") {
		t.Errorf("declared %v, gone %v", b.broker.declared, b.broker.gone)
	}
}

func TestProcessors(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	in := client.ProcessorInput{Name: "p", GitRepo: "https://bob:secret@git.example/repo.git", Branch: "main", Module: "m", Concurrency: 3}
	p, err := b.c.CreateProcessor(ctx, in)
	if err != nil || p.GitRepo != "https://git.example/repo.git" || p.Commit != commit || p.Runtime != model.RuntimePython || p.RefKind != "branch" {
		t.Fatalf("%+v, %v", p, err)
	}
	if b.git.credentials != "bob:secret" {
		t.Errorf("credentials for the repository: %q", b.git.credentials)
	}
	sealed, err := b.store.Credential(ctx, p.ID)
	if err != nil || len(sealed) == 0 || strings.Contains(string(sealed), "secret") {
		t.Errorf("sealed: %q, %v", sealed, err)
	}
	wants(t, second(b.c.CreateProcessor(ctx, in)), client.CodeConflict)

	bad := func(change func(*client.ProcessorInput)) error {
		other := client.ProcessorInput{Name: "other", GitRepo: "/repo", Module: "m"}
		change(&other)
		return second(b.c.CreateProcessor(ctx, other))
	}
	wants(t, bad(func(i *client.ProcessorInput) { i.Branch = "missing" }), client.CodeInvalid, "no branch")
	wants(t, bad(func(i *client.ProcessorInput) { i.Module = "missing" }), client.CodeInvalid, "module", "--modulepath")
	wants(t, bad(func(i *client.ProcessorInput) { i.Branch, i.Tag = "a", "b" }), client.CodeInvalid, "both")
	wants(t, bad(func(i *client.ProcessorInput) { i.GitRepo = "repo" }), client.CodeInvalid, "absolute")
	wants(t, bad(func(i *client.ProcessorInput) { i.Runtime = "cobol" }), client.CodeInvalid, "runtime")
	e := wants(t, bad(func(i *client.ProcessorInput) { i.GitRepo = "https://bob:secret@%zz/" }), client.CodeInvalid, "URL")
	if strings.Contains(e.Error()+e.Hint, "secret") {
		t.Errorf("the password is told: %v", e)
	}
	wants(t, second(b.c.Processors().Get(ctx, "other")), client.CodeNotFound)

	// Credentials stay for the same host and are not shown to another.
	tag, elsewhere := "v1", "https://elsewhere.example/repo.git"
	p, err = b.c.Processors().Update(ctx, "p", client.ProcessorPatch{Tag: &tag})
	if err != nil || p.Ref != "v1" || p.RefKind != "tag" || p.Generation != 2 || b.git.credentials != "bob:secret" {
		t.Fatalf("%+v, %q, %v", p, b.git.credentials, err)
	}
	if _, err = b.c.Processors().Update(ctx, "p", client.ProcessorPatch{GitRepo: &elsewhere}); err != nil || b.git.credentials != "" {
		t.Fatalf("credentials given to another host: %q, %v", b.git.credentials, err)
	}

	p, err = b.c.StopProcessor(ctx, "p")
	if err != nil || p.Wanted != model.StatusStopped {
		t.Fatalf("%+v, %v", p, err)
	}
	was := p.Generation
	p, err = b.c.RestartProcessor(ctx, "p")
	if err != nil || p.Wanted != model.StatusRunning || p.Generation <= was {
		t.Fatalf("%+v, %v", p, err)
	}
	if err := b.c.Processors().Delete(ctx, "p"); err != nil {
		t.Fatal(err)
	}
}

func TestSocketWaitsForDescription(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := context.Background()
	must(t)(b.c.Queues().Create(ctx, model.Queue{Object: model.Object{Name: "q1"}}))
	p, err := b.c.CreateProcessor(ctx, client.ProcessorInput{Name: "proc1", GitRepo: "/repo", Module: "sample"})
	if err != nil {
		t.Fatal(err)
	}
	create := func(name, task string) error {
		return second(b.c.Sockets().Create(ctx, model.Socket{Object: model.Object{Name: name}, Processor: "proc1", Queue: "q1", Task: task}))
	}
	began := time.Now()
	if err := create("early", "anything"); err != nil || time.Since(began) > describeWait {
		t.Fatalf("without an agent a socket is taken on trust: %v after %s", err, time.Since(began))
	}
	beat := model.Heartbeat{
		Node: model.Node{Object: model.Object{Name: "n1"}}, Agent: model.Agent{Object: model.Object{Name: "n1.agent"}, Node: "n1", CPUs: 1},
	}
	must(t)(b.c.Heartbeat(ctx, beat))
	made := make(chan error, 1)
	go func() { made <- create("late", "nonsense") }()
	if err := b.c.ReportTasks(ctx, "", "proc1", client.TasksReport{Commit: p.Commit, Generation: 1, Tasks: tasks()}); err != nil {
		t.Fatal(err)
	}
	wants(t, <-made, client.CodeInvalid, "no function", "do_this")

	// A module that does not import says so.
	must(t)(b.c.CreateProcessor(ctx, client.ProcessorInput{Name: "broken", GitRepo: "/repo", Module: "sample"}))
	beat.Processors = []model.ProcessorReport{{
		Processor: "broken", Network: "default", Generation: 1, Commit: commit, Status: model.StatusFailed,
		Message: "Traceback:\n  line 1\nModuleNotFoundError: No module named 'numpy'",
	}}
	must(t)(b.c.Heartbeat(ctx, beat))
	err = second(b.c.Sockets().Create(ctx, model.Socket{Object: model.Object{Name: "s"}, Processor: "broken", Queue: "q1", Task: "x"}))
	wants(t, err, client.CodeInvalid, "No module named 'numpy'")
}

func TestDeployments(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	ctx := context.Background()
	create := func(node string) error {
		return second(b.c.Deployments().Create(ctx, model.Deployment{Processor: "proc1", Node: node, CPUs: 2}))
	}
	wants(t, create("n1"), client.CodeNotFound, "node")
	must(t)(b.c.Heartbeat(ctx, model.Heartbeat{Node: model.Node{Object: model.Object{Name: "n1"}}}))
	if err := create("n1"); err != nil {
		t.Fatal(err)
	}
	d, err := b.c.Deployments().Get(ctx, "proc1.n1")
	if err != nil || !d.Manual || d.CPUs != 2 {
		t.Fatalf("%+v, %v", d, err)
	}
	placed := model.Deployment{Object: model.Object{Name: "auto", Network: "default"}, Processor: "proc1", Node: "n1", CPUs: 1}
	if err := b.store.PlaceDeployments(ctx, []model.Deployment{placed}, nil); err != nil {
		t.Fatal(err)
	}
	wants(t, b.c.Deployments().Delete(ctx, "auto"), client.CodeConflict, "scheduler")
	if err := b.c.Deployments().Delete(ctx, "proc1.n1"); err != nil {
		t.Fatal(err)
	}
}

func TestSplitRepo(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][2]string{
		"https://bob:pw@h/r.git":      {"https://h/r.git", "bob:pw"},
		"https://token@h/r.git":       {"https://h/r.git", "token:"},
		"https://h/r.git":             {"https://h/r.git", ""},
		"ssh://git@h/r.git":           {"ssh://git@h/r.git", ""},
		"ssh://git:pw@h/r.git":        {"ssh://git@h/r.git", "git:pw"},
		"git@h:r.git":                 {"git@h:r.git", ""},
		"/srv/repo":                   {"/srv/repo", ""},
		"file:///srv/repo":            {"file:///srv/repo", ""},
		"https://bob:p%40%2Fw@h/r":    {"https://h/r", "bob:p@/w"},
		" https://h/with-spaces.git ": {"https://h/with-spaces.git", ""},
	} {
		clean, credentials, err := splitRepo(in)
		if err != nil || clean != want[0] || credentials != want[1] {
			t.Errorf("%s: %q, %q, %v", in, clean, credentials, err)
		}
	}
	for _, in := range []string{"repo", "./repo", "a/b:c", "https://bob:pw@%zz"} {
		_, _, err := splitRepo(in)
		var p *client.Problem
		if !errors.As(err, &p) || strings.Contains(p.Detail+p.Hint, "pw") {
			t.Errorf("%s: %v", in, err)
		}
	}
}
