// Package agent is what runs on every node: it learns from the server which
// processors the node is wanted to run, prepares their code, keeps one worker
// per CPU it was given, and reports what is.
//
// What is wanted is a plan that only the server writes; what is, is a heartbeat
// that only the agent writes. Calls need neither: once a plan is known, workers
// go on without a server.
//
//	plan ──► crew (one per processor) ──► worker.Worker (one per CPU)
//	              │ source, runtime
//	heart ◄───────┘ status of crews and workers
package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/event"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/processor/procgroup"
	"github.com/elasticcode/flow/processor/source"
	"github.com/elasticcode/flow/result"
)

// api is what the agent asks of the server; *client.Client does it.
type api interface {
	Heartbeat(ctx context.Context, h model.Heartbeat) (planVersion string, err error)
	Plan(ctx context.Context, node, version string, wait time.Duration) (plan model.Plan, changed bool, err error)
	ReportTasks(ctx context.Context, network, processor string, r client.TasksReport) error
	Ended(ctx context.Context, calls []string) ([]model.Call, error)
	Values(ctx context.Context, hashes []string) (map[string]json.RawMessage, error)
}

// sources gives checkouts of commits; *source.Cache does it.
type sources interface {
	Checkout(ctx context.Context, url, commit string, c source.Credentials) (dir string, release func(), err error)
}

// Config is what an agent needs.
type Config struct {
	// Node is the name of the host, under which one agent may run at a time.
	Node string
	// CPUs is how many workers it may run; at least 1.
	CPUs     int
	Version  string
	API      api
	Sources  sources
	Runtimes map[string]processor.Runtime // by model.Runtime… name
	Broker   broker.Broker
	Results  result.Store
	Events   event.Bus
	// KeepResults is for how long workers leave results in the result store. Default 24 h.
	KeepResults time.Duration
	// CacheDir is where checkouts and environments are kept.
	CacheDir string
	Logger   *slog.Logger
	// Fault is handed to the workers; see worker.Config.
	Fault func(point string)
}

func (c Config) validate() error {
	switch {
	case c.CPUs < 1:
		return fmt.Errorf("an agent needs at least 1 CPU, not %d", c.CPUs)
	case c.CacheDir == "":
		return fmt.Errorf("an agent needs a cache directory")
	}
	return model.CheckName("node", c.Node)
}

// Agent runs the workers of one node. Make one with New.
type Agent struct {
	cfg     Config
	log     *slog.Logger
	epoch   string
	started time.Time
	ready   chan struct{} // closed after the first heartbeat was taken
	kick    chan struct{} // something to report now

	mu     sync.Mutex // guards the fields below
	crews  map[string]*crew
	ending []*crew        // to be stopped, or finishing what they run
	wg     sync.WaitGroup // running crews
}

// New returns an agent that does nothing until Run.
func New(cfg Config) (*Agent, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return &Agent{
		cfg: cfg, log: cfg.Logger.With("component", "agent", "agent", cfg.Node), epoch: model.NewID(), started: time.Now().UTC(),
		ready: make(chan struct{}), kick: make(chan struct{}, 1), crews: map[string]*crew{},
	}, nil
}

// Ready is closed when the server knows the node.
func (a *Agent) Ready() <-chan struct{} { return a.ready }

// Run runs the workers that are wanted until ctx ends; then it takes no more
// calls, lets those that run finish, and returns. When kill ends it abandons
// those too: they are run again elsewhere.
func (a *Agent) Run(ctx, kill context.Context) error {
	unlock, err := lock(a.cfg.CacheDir, a.cfg.Node)
	if err != nil {
		return err
	}
	defer unlock()
	// An agent that was killed has left calls behind that are delivered again soon.
	procgroup.EndOrphans()
	working, stop := context.WithCancel(context.WithoutCancel(ctx)) // heart beats while crews drain
	defer stop()
	g, _ := errgroup.WithContext(working)
	g.Go(func() error { return a.beat(working) })
	err = a.follow(ctx, kill)
	a.wg.Wait()
	a.farewell()
	stop()
	_ = g.Wait()
	return err
}

// follow makes the crews fit the plan, whenever it changes.
func (a *Agent) follow(ctx, kill context.Context) error {
	known := ""
	wait := 200 * time.Millisecond
	for ctx.Err() == nil {
		plan, changed, err := a.cfg.API.Plan(ctx, a.cfg.Node, known, 20*time.Second)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			a.log.Warn("the plan cannot be had now; workers go on", "err", err, "in", wait)
			select {
			case <-ctx.Done():
			case <-time.After(wait):
			}
			wait = min(2*wait, 5*time.Second)
			continue
		case changed:
			known = plan.Version
			a.apply(ctx, kill, plan)
		}
		wait = 200 * time.Millisecond
	}
	return nil
}

// apply starts, changes and stops crews so that they fit the plan.
func (a *Agent) apply(ctx, kill context.Context, plan model.Plan) {
	a.mu.Lock()
	defer a.mu.Unlock()
	wanted, changed := map[string]model.Assignment{}, false
	for _, as := range plan.Assignments {
		key := keyOf(as)
		wanted[key] = as
		old := a.crews[key]
		if old != nil && old.accepts(as) {
			old.set(as)
			continue
		}
		changed = true
		fresh := newCrew(a, as)
		a.crews[key] = fresh
		if old != nil {
			a.ending = append(a.ending, old)
		}
		a.wg.Go(func() {
			fresh.run(ctx, kill, old)
			a.tell()
		})
	}
	for key, c := range a.crews {
		if _, ok := wanted[key]; !ok {
			c.stop()
			delete(a.crews, key)
			a.ending = append(a.ending, c)
			changed = true
		}
	}
	if changed {
		a.tell()
	}
	// The next question for a plan says that nobody here holds calls of a socket that has
	// gone or moved, so that its queues may go.
	var told sync.WaitGroup
	for _, c := range a.ending {
		told.Go(func() { c.relocate(wanted[keyOf(c.as)].Sockets) })
	}
	told.Wait()
}

// keyOf names a processor.
func keyOf(as model.Assignment) string { return as.Processor.Network + "/" + as.Processor.Name }

// tell asks for a heartbeat now.
func (a *Agent) tell() {
	select {
	case a.kick <- struct{}{}:
	default:
	}
}
