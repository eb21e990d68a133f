package root

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func object(id, name string) model.Object {
	return model.Object{ID: "00000000-0000-7000-8000-0000000000" + id, Network: "default", Name: name, Owner: "admin", Created: noon, Updated: noon.Add(time.Minute)}
}

func at(d time.Duration) *time.Time { t := noon.Add(d); return &t }

const (
	do1   = "00000000-0000-7000-8000-0000000000c1"
	do2   = "00000000-0000-7000-8000-0000000000c2"
	do3   = "00000000-0000-7000-8000-0000000000c3"
	do4   = "00000000-0000-7000-8000-0000000000c4"
	track = "00000000-0000-7000-8000-0000000000a1"
)

var (
	queue1 = model.Queue{Object: object("01", "pyfi.queue1"), Type: model.Direct, MessageTTLMS: 30_000}
	news   = model.Queue{Object: object("02", "news"), Type: model.Fanout, MaxMessages: 1000, MaxBytes: 64 << 20}
	proc1  = model.Processor{
		Object: object("03", "proc1"), GitRepo: "https://github.com/radiantone/pyfi-processors", Ref: "main", RefKind: "branch",
		Commit: "955e44e0123456789abcdef0123456789abcdef0", Module: "pyfi.processors.sample", Runtime: "python", Hostname: "localhost",
		Concurrency: 5, Wanted: model.StatusRunning, Status: model.StatusRunning, Generation: 1, Observed: 1,
	}
	doThis = model.Socket{Object: object("04", "pyfi.processors.sample.do_this"), Processor: "proc1", Queue: "pyfi.queue1", Task: "do_this",
		Limit: model.Limit{Rate: "90/m", Burst: 20}, MaxRunning: 3, QueueTimeoutMS: 300_000}.WithDefaults()
	doSome = model.Socket{Object: object("05", "pyfi.processors.sample.do_something"), Processor: "proc1", Queue: "pyfi.queue1", Task: "do_something"}.WithDefaults()
	plug1  = model.Plug{Object: object("06", "plug1"), Type: model.PlugResult, Source: doSome.Name, Target: doThis.Name, Queue: "pyfi.queue2"}
	node1  = model.Node{Object: object("07", "localhost"), Cores: 8, Memory: 16 << 30, MemFree: 9 << 29, Load: "0.10 0.20 0.30", Status: model.StatusRunning, Platform: "linux/amd64"}
	agent1 = model.Agent{Object: object("08", "localhost.agent"), Node: "localhost", CPUs: 8, PID: 4711, Status: model.StatusRunning, Beat: noon, Version: "v1.0.0", Started: noon}
	work1  = model.Worker{Object: object("09", "localhost.proc1.0"), Node: "localhost", Processor: "proc1", Deployment: "proc1.localhost", PID: 4712, Status: model.StatusRunning, Commit: proc1.Commit, Started: at(0)}
	work2  = model.Worker{Object: object("10", "localhost.proc1.1"), Node: "localhost", Processor: "proc1", Deployment: "proc1.localhost", Slot: 1, Status: model.StatusBackoff, Message: "its process exited with 1", Restarts: 3, Commit: proc1.Commit}
	deploy = model.Deployment{Object: object("11", "proc1.localhost"), Processor: "proc1", Node: "localhost", CPUs: 5, Status: model.StatusRunning}
	task1  = model.Task{
		ID: "t1", Network: "default", Processor: "proc1", Module: "pyfi.processors.sample", Name: "do_this", Commit: proc1.Commit,
		Doc: "Do this.\n\nIt says what it did.", Source: "def do_this(message, *args, plugs={}, **kwargs):\n    return f\"Do this: {message}\"\n",
		Arguments: []model.Argument{
			{Name: "message", Kind: model.PositionalOrKeyword, Schema: json.RawMessage(`{"type":"string"}`)},
			{Name: "args", Position: 1, Kind: model.VarPositional},
			{Name: "plugs", Position: 2, Kind: model.KeywordOnly, HasDefault: true, Default: json.RawMessage(`{}`)},
			{Name: "kwargs", Position: 3, Kind: model.VarKeyword},
		},
	}
)

// run1 is a run of four calls: the first one's output goes to two, and theirs
// meet in the fourth, which fails.
func run1() []model.Call {
	base := model.Call{
		Tracking: track, Network: "default", Queue: "pyfi.queue1", Processor: "proc1", Module: "pyfi.processors.sample",
		Commit: proc1.Commit, State: model.Succeeded, Attempt: 1, Origin: "admin", Worker: "localhost.proc1.0", Created: noon,
	}
	first := base
	first.ID, first.Socket, first.Task = do1, doSome.Name, "do_something"
	first.Result = json.RawMessage(`{"message": "hi", "graph": [1, 2.50]}`)
	first.Started, first.Finished = at(time.Millisecond), at(13*time.Millisecond)
	first.Events = []model.Event{
		{Name: "received", Time: noon, Note: "Received task pyfi.processors.sample.do_something"},
		{Name: "prerun", Time: noon.Add(time.Millisecond)},
		{Name: "postrun", Time: noon.Add(13 * time.Millisecond), Note: "12ms"},
	}
	first.Log = []model.LogLine{{Time: noon, Stream: "stdout", Text: "working \x1b[31mhard\x1b[0m"}, {Time: noon, Stream: "stderr", Text: "beware"}}
	second := base
	second.ID, second.Socket, second.Task, second.Parents, second.Plug = do2, doThis.Name, "do_this", []string{do1}, "plug1"
	second.Result = json.RawMessage(`"Do this: hi"`)
	second.Started, second.Finished = at(20*time.Millisecond), at(23*time.Millisecond)
	third := base
	third.ID, third.Socket, third.Task, third.Parents = do3, "wait", "wait", []string{do1}
	third.State, third.Started, third.Finished = model.Running, at(20*time.Millisecond), nil
	fourth := base
	fourth.ID, fourth.Socket, fourth.Task, fourth.Parents, fourth.Attempt = do4, "join", "join", []string{do2, do3}, 3
	fourth.State, fourth.Started, fourth.Finished = model.Failed, at(30*time.Millisecond), at(31*time.Millisecond)
	fourth.Failure = &model.Failure{Error: "ValueError", Message: "no", Trace: "Traceback (most recent call last):\n  File \"a.py\", line 1, in join\n    raise ValueError(\"no\")\nValueError: no\n"}
	return []model.Call{first, second, third, fourth}
}

// world is a fake with one of everything.
func world(t *testing.T) *api {
	t.Helper()
	a := newAPI(t)
	list(a, "GET /v1/networks", model.Network{ID: "n1", Name: "default", Owner: "admin", Created: noon})
	a.give("GET /v1/networks/default", model.Network{ID: "n1", Name: "default", Owner: "admin", Created: noon})
	list(a, "GET /v1/queues", news, queue1)
	a.give("GET /v1/queues/pyfi.queue1", queue1)
	a.give("GET /v1/queues/pyfi.queue1/depth", []model.QueueDepth{
		{Name: "pyfi.queue1.proc1.do_this", Queue: "pyfi.queue1", Messages: 3, Unacked: 2, Consumers: 5},
		{Name: "pyfi.processors.sample.do_this", Queue: "pyfi.queue1", Messages: 1, Unacked: -1, Consumers: 5},
	})
	a.give("GET /v1/queues/news/depth", []model.QueueDepth{})
	list(a, "GET /v1/processors", proc1)
	a.give("GET /v1/processors/proc1", proc1)
	list(a, "GET /v1/sockets", doSome, doThis)
	a.give("GET /v1/sockets/"+doThis.Name, doThis)
	a.give("GET /v1/sockets/"+doSome.Name, doSome)
	list(a, "GET /v1/plugs", plug1)
	a.give("GET /v1/plugs/plug1", plug1)
	list(a, "GET /v1/nodes", node1)
	a.give("GET /v1/nodes/localhost", node1)
	list(a, "GET /v1/agents", agent1)
	a.give("GET /v1/agents/localhost.agent", agent1)
	list(a, "GET /v1/workers", work1, work2)
	list(a, "GET /v1/deployments", deploy)
	a.give("GET /v1/deployments/proc1.localhost", deploy)
	list(a, "GET /v1/tasks", task1)
	a.give("GET /v1/tasks/do_this", task1)
	list(a, "GET /v1/calls", run1()...)
	for _, c := range run1() {
		a.give("GET /v1/calls/"+c.ID, c)
	}
	a.give("GET /v1/calls/"+do1+"/tree", run1())
	for _, c := range run1() {
		a.give("GET /v1/calls/"+c.ID+"/result", client.Outcome{
			Submitted: client.Submitted{ID: c.ID, Tracking: c.Tracking, State: c.State}, Result: c.Result, Failure: c.Failure,
		})
	}
	a.give("GET /v1/runs/"+track, run1())
	a.give("GET /v1/tokens", []model.Token{{ID: "k1", User: "admin", Name: "laptop", Scope: model.ScopeAdmin, Created: noon}})
	a.give("GET /v1/whoami", client.Identity{User: "admin", Token: "laptop", Scope: model.ScopeAdmin})
	return a
}
