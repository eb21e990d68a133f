package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/broker/jetstream"
	"github.com/elasticcode/flow/client"
	eventnats "github.com/elasticcode/flow/event/nats"
	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/processor/source"
	"github.com/elasticcode/flow/result"
	resultnats "github.com/elasticcode/flow/result/nats"
	"github.com/elasticcode/flow/socket"
	"github.com/elasticcode/flow/stack/natsd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeServer is the API: the test sets the plan, and sees the heartbeats.
type fakeServer struct {
	mu    sync.Mutex
	plan  model.Plan
	news  chan struct{} // closed when the plan changes
	beats chan model.Heartbeat
	tasks []client.TasksReport
	down  bool
	deaf  int // how many reports of functions fail
}

var errDown = errors.New("the server is down")

func (s *fakeServer) Heartbeat(ctx context.Context, h model.Heartbeat) (string, error) {
	s.mu.Lock()
	down := s.down
	s.mu.Unlock()
	if down {
		return "", errDown
	}
	select {
	case s.beats <- h:
		return "", nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func (s *fakeServer) Plan(ctx context.Context, _, version string, wait time.Duration) (model.Plan, bool, error) {
	s.mu.Lock()
	plan, news, down := s.plan, s.news, s.down
	s.mu.Unlock()
	if down {
		return model.Plan{}, false, errDown
	}
	if plan.Version != version {
		return plan, true, nil
	}
	select {
	case <-news:
	case <-ctx.Done():
	case <-time.After(wait):
	}
	return model.Plan{}, false, ctx.Err()
}

func (s *fakeServer) ReportTasks(_ context.Context, _, _ string, r client.TasksReport) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deaf > 0 {
		s.deaf--
		return &client.Error{Code: client.CodeUnavailable, Message: "the database cannot be reached"}
	}
	s.tasks = append(s.tasks, r)
	return nil
}

// Values knows no large values.
func (s *fakeServer) Values(ctx context.Context, hashes []string) (map[string]json.RawMessage, error) {
	return nil, nil
}

// Ended knows no history.
func (s *fakeServer) Ended(ctx context.Context, calls []string) ([]model.Call, error) {
	return nil, nil
}

// want sets the plan.
func (s *fakeServer) want(as ...model.Assignment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plan = model.Plan{Version: model.NewID(), Assignments: as}
	close(s.news)
	s.news = make(chan struct{})
}

func (s *fakeServer) outage(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = on
}

// code is sources, runtime and program in one: it prepares unless told why not.
type code struct {
	mu     sync.Mutex
	refuse error
	starts int
}

func (c *code) Checkout(context.Context, string, string, source.Credentials) (string, func(), error) {
	return "/", func() {}, nil
}

func (c *code) Close() {}

func (c *code) Prepare(context.Context, processor.Spec) (processor.Program, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c, c.refuse
}

func (c *code) Describe(context.Context) ([]model.Task, error) {
	return []model.Task{{Name: "f"}}, nil
}

func (c *code) Start(context.Context) (processor.Process, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.starts++
	return &idle{pid: 1000 + c.starts, replies: make(chan processor.Reply)}, nil
}

// idle is a process that has nothing to do.
type idle struct {
	pid     int
	replies chan processor.Reply
	once    sync.Once
}

func (p *idle) Send(...processor.Invocation) error { return nil }
func (p *idle) Replies() <-chan processor.Reply    { return p.replies }
func (p *idle) Err() error                         { return nil }
func (p *idle) PID() int                           { return p.pid }
func (p *idle) Close(context.Context) error        { p.Kill(); return nil }
func (p *idle) Kill()                              { p.once.Do(func() { close(p.replies) }) }

type bench struct {
	t      *testing.T
	server *fakeServer
	code   *code
	agent  *Agent
	stop   func()
}

func setup(t *testing.T, change ...func(*Config)) *bench {
	t.Helper()
	c := &code{}
	b := setupWith(t, c, map[string]processor.Runtime{model.RuntimePython: c}, change...)
	b.code = c
	return b
}

// setupWith runs an agent with other sources and runtimes than the fake.
func setupWith(t *testing.T, s sources, runtimes map[string]processor.Runtime, change ...func(*Config)) *bench {
	t.Helper()
	ctx := testenv.Context(t, time.Minute)
	log := testenv.Logger(t)
	nats, err := natsd.Start(ctx, natsd.Config{Dir: t.TempDir(), Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nats.Shutdown)
	conn, err := nats.Connect(jetstream.Options("test", log)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	b, err := jetstream.Open(ctx, conn, jetstream.Config{Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	results, err := resultnats.New(ctx, conn, resultnats.Config{Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = results.Close() })
	events, err := eventnats.New(ctx, conn, eventnats.Config{Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	out := &bench{t: t, server: &fakeServer{news: make(chan struct{}), beats: make(chan model.Heartbeat)}}
	cfg := Config{
		Node: "n", CPUs: 4, Version: "test", API: out.server, Sources: s, Runtimes: runtimes,
		Broker: b, Results: results, Events: events, CacheDir: t.TempDir(), Logger: log,
	}
	for _, c := range change {
		c(&cfg)
	}
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	out.agent = a
	running, end := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- a.Run(running, ctx) }()
	var once sync.Once
	out.stop = func() {
		once.Do(func() {
			end()
			for {
				select {
				case <-out.server.beats: // the last ones
				case err := <-done:
					if err != nil {
						t.Errorf("agent: %v", err)
					}
					return
				}
			}
		})
	}
	t.Cleanup(out.stop)
	return out
}

// await reads heartbeats until the agent is as wanted.
func (b *bench) await(what string, fits func(*Agent) bool) {
	b.t.Helper()
	b.until(what, func(model.Heartbeat) bool { return fits(b.agent) })
}

// until reads heartbeats until one is as wanted.
func (b *bench) until(what string, fits func(model.Heartbeat) bool) model.Heartbeat {
	b.t.Helper()
	limit := time.After(20 * time.Second)
	for {
		select {
		case h := <-b.server.beats:
			if fits(h) {
				return h
			}
		case <-limit:
			b.t.Fatalf("no heartbeat shows %s", what)
		}
	}
}

func running(n int) func(model.Heartbeat) bool {
	return func(h model.Heartbeat) bool {
		up := 0
		for _, w := range h.Workers {
			if w.Status == model.StatusRunning && w.PID != 0 {
				up++
			}
		}
		return up == n && len(h.Workers) == n
	}
}

func assignment(name string, cpus int, generation int64) model.Assignment {
	return model.Assignment{
		Deployment: model.Deployment{Object: model.Object{ID: "d-" + name, Network: "default", Name: name + ".n"}, Processor: name, Node: "n", CPUs: cpus},
		Processor:  model.Processor{Object: model.Object{ID: name, Network: "default", Name: name}, Runtime: model.RuntimePython, Generation: generation, Commit: fmt.Sprint("commit", generation)},
	}
}

func TestPlanIsFollowed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.until("the node", func(h model.Heartbeat) bool {
		return h.Node.Name == "n" && h.Agent.CPUs == 4 && h.Agent.Status == model.StatusRunning && len(h.Workers) == 0
	})
	b.server.want(assignment("p", 2, 1))
	h := b.until("two workers", running(2))
	if len(h.Processors) != 1 || h.Processors[0].Status != model.StatusRunning || h.Processors[0].Generation != 1 {
		t.Errorf("the processor is reported as %+v", h.Processors)
	}
	b.server.mu.Lock()
	if len(b.server.tasks) != 1 || b.server.tasks[0].Tasks[0].Name != "f" || b.server.tasks[0].Commit != "commit1" {
		t.Errorf("reported tasks: %+v", b.server.tasks)
	}
	b.server.mu.Unlock()

	b.server.want(assignment("p", 3, 1), assignment("q", 1, 1))
	b.until("more workers", running(4))
	b.server.want(assignment("p", 1, 1))
	b.until("fewer workers", running(1))
	b.server.want()
	b.until("no workers", running(0))
}

func TestNewGenerationTakesOver(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.server.want(assignment("p", 1, 1))
	first := b.until("a worker", running(1)).Workers[0].PID
	b.server.want(assignment("p", 1, 2))
	h := b.until("another process", func(h model.Heartbeat) bool { return running(1)(h) && h.Workers[0].PID != first })
	if h.Workers[0].Generation != 2 || h.Workers[0].Commit != "commit2" {
		t.Errorf("the new worker is %+v", h.Workers[0])
	}
}

// TestSocketMovesMeanwhile: workers that others will follow take the calls of a socket
// where it is now, and of none that they may not know.
func TestSocketMovesMeanwhile(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := testenv.Context(t, time.Minute)
	at := func(queue, name, task string) model.Endpoint {
		return model.Endpoint{
			Socket: model.Socket{Object: model.Object{Network: "default", Name: name}, Processor: "p", Queue: queue, Task: task}.WithDefaults(),
			Queue:  model.Queue{Object: model.Object{Network: "default", Name: queue}, Type: model.Direct}, Module: "m",
		}
	}
	before, after, unknown := at("old", "s", "f"), at("new", "s", "f"), at("new", "other", "g")
	cfg := b.agent.cfg
	for _, e := range []model.Endpoint{before, after, unknown} {
		if err := cfg.Broker.Declare(ctx, socket.Topology(e)); err != nil {
			t.Fatal(err)
		}
	}
	first := assignment("p", 1, 1)
	first.Sockets = []model.Endpoint{before}
	b.server.want(first)
	pid := b.until("a worker", running(1)).Workers[0].PID
	b.code.mu.Lock()
	b.code.refuse = errors.New("the repository is away")
	b.code.mu.Unlock()
	second := assignment("p", 1, 2)
	second.Sockets = []model.Endpoint{after, unknown}
	b.server.want(second)
	for _, key := range []string{socket.OwnQueue(unknown.Socket), socket.OwnQueue(after.Socket)} {
		if err := cfg.Broker.Publish(ctx, broker.Message{ID: model.NewID(), Key: key, Body: []byte("no call, so that it is settled at once")}); err != nil {
			t.Fatal(err)
		}
	}
	waiting := func(e model.Endpoint) int64 {
		stats, err := cfg.Broker.Inspect(ctx, socket.OwnQueue(e.Socket))
		if err != nil {
			t.Fatal(err)
		}
		return stats[0].Messages
	}
	h := b.until("the message taken", func(model.Heartbeat) bool { return waiting(after) == 0 })
	if h.Workers[0].PID != pid || waiting(unknown) != 1 {
		t.Errorf("process %d became %+v, and %d messages of a new socket wait", pid, h.Workers, waiting(unknown))
	}
}

// keeping is a result store that tells for how long results are to be kept.
type keeping struct {
	result.Store
	ttl chan time.Duration
}

func (k keeping) Put(ctx context.Context, ttl time.Duration, results ...result.Result) ([]result.Result, error) {
	select {
	case k.ttl <- ttl:
	default:
	}
	return k.Store.Put(ctx, ttl, results...)
}

func TestResultsAreKeptAsSaid(t *testing.T) {
	t.Parallel()
	kept := make(chan time.Duration, 1)
	b := setup(t, func(c *Config) { c.Results, c.KeepResults = keeping{c.Results, kept}, 90*time.Minute })
	ctx := testenv.Context(t, time.Minute)
	e := model.Endpoint{
		Socket: model.Socket{Object: model.Object{Network: "default", Name: "s"}, Processor: "p", Queue: "q", Task: "f"}.WithDefaults(),
		Queue:  model.Queue{Object: model.Object{Network: "default", Name: "q"}, Type: model.Direct}, Module: "m",
	}
	for _, topology := range []broker.Topology{socket.Engine(), socket.Topology(e)} {
		if err := b.agent.cfg.Broker.Declare(ctx, topology); err != nil {
			t.Fatal(err)
		}
	}
	past := time.Now().Add(-time.Minute) // so that the call ends without a process
	late := model.Envelope{ID: model.NewID(), Tracking: model.NewID(), Socket: "s", Created: past, Deadline: &past}
	if err := socket.NewSender(b.agent.cfg.Broker).Send(ctx, []socket.Outgoing{{Envelope: late, To: socket.Own(e.Queue, e.Socket)}}, nil); err != nil {
		t.Fatal(err)
	}
	as := assignment("p", 1, 1)
	as.Sockets = []model.Endpoint{e}
	b.server.want(as)
	b.await("a result", func(*Agent) bool { return len(kept) > 0 })
	if ttl := <-kept; ttl != 90*time.Minute {
		t.Errorf("the result is kept for %s", ttl)
	}
}

func TestCodeThatCannotRunIsReported(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.code.refuse = &processor.Error{Code: processor.CodeModule, Message: "no module named x", Detail: "Traceback", Permanent: true}
	b.server.want(assignment("p", 1, 1))
	b.until("why", func(h model.Heartbeat) bool {
		return len(h.Processors) == 1 && h.Processors[0].Status == model.StatusFailed && strings.Contains(h.Processors[0].Message, "no module named x\nTraceback")
	})
	b.code.mu.Lock()
	b.code.refuse = nil
	b.code.mu.Unlock()
	b.server.want(assignment("p", 1, 2))
	b.until("a worker of the next generation", running(1))
}

func TestWorkersGoOnWithoutAServer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.server.want(assignment("p", 1, 1))
	pid := b.until("a worker", running(1)).Workers[0].PID
	b.server.outage(true)
	b.server.want(assignment("p", 1, 1)) // ends a wait for the plan, so that it meets the outage
	b.server.outage(false)
	if h := b.until("the same worker", running(1)); h.Workers[0].PID != pid {
		t.Errorf("the worker was replaced: process %d became %d", pid, h.Workers[0].PID)
	}
}

// TestCallsDoNotWaitForTheServer: workers run although the server could not be told
// what functions there are, and it is told when it can be.
func TestCallsDoNotWaitForTheServer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.server.mu.Lock()
	b.server.deaf = 1000
	b.server.mu.Unlock()
	b.server.want(assignment("p", 1, 1))
	b.until("a worker", running(1))
	told := func(deaf, reports int) bool {
		b.server.mu.Lock()
		defer b.server.mu.Unlock()
		return b.server.deaf <= deaf && len(b.server.tasks) == reports
	}
	b.await("another try", func(*Agent) bool { return told(998, 0) })
	b.server.mu.Lock()
	b.server.deaf = 0
	b.server.mu.Unlock()
	b.await("the functions", func(*Agent) bool { return told(0, 1) })
}

func TestOneAgentPerNode(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	release, err := lock(dir, "n")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock(dir, "n"); err == nil || !strings.Contains(err.Error(), "runs already") {
		t.Errorf("a second agent: %v", err)
	}
	if other, err := lock(dir, "m"); err != nil {
		t.Errorf("another node: %v", err)
	} else {
		other()
	}
	release()
	again, err := lock(dir, "n")
	if err != nil {
		t.Fatalf("after the first has ended: %v", err)
	}
	again()
}
