package api

import (
	"testing"
	"time"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
)

func TestLimits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	ctx := testenv.Context(t, 30*time.Second)
	s, err := b.c.Sockets().Get(ctx, "sample.do_this")
	if err != nil || s.Limited() || s.MaxRunning != 0 || s.QueueTimeoutMS != 0 {
		t.Fatalf("without limits: %+v, %v", s, err)
	}
	if err := b.c.Sockets().Delete(ctx, s.Name); err != nil {
		t.Fatal(err)
	}
	s = model.Socket{
		Object: model.Object{Name: s.Name}, Processor: s.Processor, Queue: s.Queue, Task: s.Task,
		Limit: model.Limit{Rate: "90/M", Burst: 20}, MaxRunning: 3, QueueTimeoutMS: 300_000,
	}
	s, err = b.c.Sockets().Create(ctx, s)
	want := model.Limit{Rate: "90/m", Burst: 20}
	if err != nil || s.Limit != want || s.MaxRunning != 3 || s.QueueTimeoutMS != 300_000 {
		t.Fatalf("created: %+v, %v", s, err)
	}
	update := func(p client.SocketPatch) (model.Socket, error) { return b.c.Sockets().Update(ctx, s.Name, p) }
	s, err = update(client.SocketPatch{Rate: new("5/h"), MaxRunning: new(0)})
	if err != nil || s.Limit != (model.Limit{Rate: "5/h", Burst: 20}) || s.MaxRunning != 0 || s.QueueTimeoutMS != 300_000 {
		t.Fatalf("changed: %+v, %v", s, err)
	}
	s, err = update(client.SocketPatch{Rate: new("none"), QueueTimeoutMS: new(int64(0))})
	if err != nil || s.Limit != (model.Limit{}) || s.QueueTimeoutMS != 0 {
		t.Fatalf("taken away: %+v, %v", s, err)
	}
	for part, p := range map[string]client.SocketPatch{
		"write how many calls in a time":                {Rate: new("10")},
		"a burst of 5 is for a rate, and there is none": {Burst: new(5)},
		"burst: expected number <= 1e+06":               {Rate: new("1/s"), Burst: new(1_000_001)},
		"max_running: expected number >= 0":             {MaxRunning: new(-1)},
		"max_running: expected number <= 10000":         {MaxRunning: new(10_001)},
		"queue_timeout_ms: expected number >= 0":        {QueueTimeoutMS: new(int64(-1))},
	} {
		_, err := update(p)
		wants(t, err, client.CodeInvalid, part)
	}
	_, err = b.c.CreateProcessor(ctx, client.ProcessorInput{Name: "x", GitRepo: "/repo", Module: "sample", Rate: "1/day"})
	wants(t, err, client.CodeInvalid, "write how many calls in a time")
}

// TestLimitsReachWorkersThatRun: a limit of a processor is in the plan at once,
// and is no reason to replace its workers.
func TestLimitsReachWorkersThatRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	ctx := testenv.Context(t, 30*time.Second)
	agent := b.client(t, b.newToken(t, model.ScopeAgent))
	beat := model.Heartbeat{
		Node:  model.Node{Object: model.Object{Name: "n1"}, Cores: 4},
		Agent: model.Agent{Object: model.Object{Name: "n1.agent"}, Node: "n1", CPUs: 4},
	}
	if _, err := agent.Heartbeat(ctx, beat); err != nil {
		t.Fatal(err)
	}
	must(t)(b.c.Deployments().Create(ctx, model.Deployment{Processor: "proc1", Node: "n1", CPUs: 2}))
	before, _, err := agent.Plan(ctx, "n1", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	want := model.Limit{Rate: "100/s", Burst: 7}
	got := make(chan model.Plan, 1)
	go func() {
		defer close(got)
		// One that was being made during the change may be half of before.
		for version := before.Version; ; {
			plan, _, err := agent.Plan(ctx, "n1", version, 10*time.Second)
			if err != nil {
				t.Error(err)
				return
			}
			if as := plan.Assignments; plan.Version == version || len(as) == 1 && len(as[0].Sockets) > 0 && as[0].Sockets[0].ProcessorLimit == want {
				got <- plan
				return
			}
			version = plan.Version
		}
	}()
	p, err := b.c.Processors().Update(ctx, "proc1", client.ProcessorPatch{Rate: new("100/s"), Burst: new(7)})
	if err != nil || p.Limit != want {
		t.Fatalf("%+v, %v", p, err)
	}
	as := (<-got).Assignments
	if len(as) != 1 || as[0].Processor.Generation != before.Assignments[0].Processor.Generation {
		t.Fatalf("the plan is %+v", as)
	}
	for _, e := range as[0].Sockets {
		if e.ProcessorLimit != want {
			t.Errorf("socket %s hears of the limit %+v", e.Socket.Name, e.ProcessorLimit)
		}
	}
}
