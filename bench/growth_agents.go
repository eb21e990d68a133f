package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
)

// simulated is an agent that says that it does what its plan wants, as package
// agent does: it reports every model.HeartbeatEvery and when something changed,
// and always has a request for its plan under way.
type simulated struct {
	node    string
	api     *client.Client
	started time.Time

	mu   sync.Mutex // guards plan
	plan model.Plan
	kick chan struct{}
}

// failures are the requests of the agents that failed.
type failures struct {
	mu   sync.Mutex // guards the fields below
	n    int
	last error
}

func (f *failures) add(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n, f.last = f.n+1, err
}

// take returns how many there were since it was called last.
func (f *failures) take() (n int, last error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, last = f.n, f.last
	f.n, f.last = 0, nil
	return n, last
}

// agentCPUs is how many workers each simulated agent says it has.
const agentCPUs = 2

// planWait is how long an agent lets the server wait for another plan.
const planWait = 20 * time.Second

func (f *flow) simulate(i int) *simulated {
	return &simulated{
		node: fmt.Sprintf("node%03d", i), api: client.New(f.at), started: time.Now().UTC(), kick: make(chan struct{}, 1),
	}
}

// run goes on until ctx ends; errors are counted.
func (s *simulated) run(ctx context.Context, failed *failures) {
	var g sync.WaitGroup
	g.Go(func() { s.follow(ctx, failed) })
	tick := time.NewTicker(model.HeartbeatEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		if err := s.beat(ctx); err != nil && ctx.Err() == nil {
			failed.add(err)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-s.kick:
		}
	}
	g.Wait()
}

func (s *simulated) follow(ctx context.Context, failed *failures) {
	version := ""
	for ctx.Err() == nil {
		plan, changed, err := s.api.Plan(ctx, s.node, version, planWait)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			failed.add(err)
			_ = sleep(ctx, time.Second)
		case changed:
			version = plan.Version
			s.mu.Lock()
			s.plan = plan
			s.mu.Unlock()
			select {
			case s.kick <- struct{}{}:
			default:
			}
		}
	}
}

func (s *simulated) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, model.HeartbeatEvery)
	defer cancel()
	_, err := s.api.Heartbeat(ctx, s.state())
	return err
}

// state is what an agent reports whose workers all run.
func (s *simulated) state() model.Heartbeat {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := model.Heartbeat{
		Node: model.Node{
			Object: model.Object{Network: model.DefaultNetwork, Name: s.node},
			Cores:  agentCPUs, Memory: 8 << 30, MemFree: 4 << 30, Load: "0.10 0.10 0.10", Status: model.StatusRunning, Platform: "linux/amd64",
		},
		Agent: model.Agent{
			Object: model.Object{Network: model.DefaultNetwork, Name: s.node + ".agent"},
			Node:   s.node, CPUs: agentCPUs, PID: os.Getpid(), Status: model.StatusRunning, Beat: time.Now().UTC(), Version: "bench", Started: s.started,
		},
		Workers: []model.Worker{}, Processors: []model.ProcessorReport{},
	}
	for _, as := range s.plan.Assignments {
		p := as.Processor
		h.Processors = append(h.Processors, model.ProcessorReport{
			Processor: p.Name, Network: p.Network, Generation: p.Generation, Commit: p.Commit, Status: model.StatusRunning,
		})
		for n := range as.Deployment.CPUs {
			h.Workers = append(h.Workers, model.Worker{
				Object: model.Object{ID: model.DeriveID("worker", as.Deployment.ID, fmt.Sprint(n)), Network: p.Network, Name: fmt.Sprintf("%s.%s.%d", s.node, p.Name, n+1)},
				Node:   s.node, Processor: p.Name, Deployment: as.Deployment.Name, Slot: n, PID: os.Getpid(), Status: model.StatusRunning,
				Commit: p.Commit, Generation: p.Generation, Started: &s.started,
			})
		}
	}
	return h
}

// growAgents measures what more and more agents cost the server while nothing
// else happens.
func (b *bench) growAgents(ctx context.Context, r *report, f *flow, want func(string) bool) (err error) {
	if err := f.process(ctx, pythonFunctions()); err != nil {
		return fmt.Errorf("declare the processor: %w", err)
	}
	if _, err := f.more(ctx, 0, 10, b.growth.declare); err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	var failed failures
	have := 0
	for _, n := range b.growth.agents {
		name := fmt.Sprintf("growth_agents_%d", n)
		if !want(name) {
			continue
		}
		for ; have < n; have++ {
			s := f.simulate(have)
			all.Go(func() { s.run(running, &failed) })
		}
		if err := f.settled(ctx, n); err != nil {
			lost, last := failed.take()
			return fmt.Errorf("%s: %w (%d requests of the agents failed, the last one: %w)", name, err, lost, last)
		}
		_, _ = failed.take()
		for range b.growth.rounds {
			percent, err := f.share(ctx, b.growth.watch)
			if err != nil {
				return err
			}
			r.grown(name, fmt.Sprintf("growth_agents_%d", b.growth.agents[0]), "%", percent)
		}
		if lost, last := failed.take(); lost > 0 {
			return fmt.Errorf("%s: %d requests of the agents failed, the last one: %w", name, lost, last)
		}
	}
	return nil
}

// settled deploys to each of n simulated nodes, and waits until all say that
// their workers run.
func (f *flow) settled(ctx context.Context, n int) error {
	err := until(ctx, time.Minute, 250*time.Millisecond, func() (bool, error) {
		nodes, err := f.api.Nodes().All(ctx)
		return len(nodes) >= n+1, err // and the one of the program itself
	})
	if err != nil {
		return fmt.Errorf("wait for the nodes: %w", err)
	}
	there, err := f.api.Deployments().All(ctx)
	if err != nil {
		return err
	}
	placed := map[string]bool{}
	for _, d := range there {
		placed[d.Node] = placed[d.Node] || d.Manual // the scheduler takes its own away
	}
	g, sending := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i := range n {
		node := fmt.Sprintf("node%03d", i)
		if placed[node] {
			continue
		}
		g.Go(func() error {
			_, err := f.api.Deployments().Create(sending, model.Deployment{
				Object: model.Object{Name: "simulated." + node}, Processor: processorName, Node: node, CPUs: agentCPUs,
			})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("deploy to the nodes: %w", err)
	}
	running := 0
	err = until(ctx, time.Minute, 250*time.Millisecond, func() (bool, error) {
		workers, err := f.api.Workers().All(ctx)
		running = 0
		for _, w := range workers {
			if w.Status == model.StatusRunning && strings.HasPrefix(w.Node, "node") {
				running++
			}
		}
		return running >= n*agentCPUs, err
	})
	if err != nil {
		return fmt.Errorf("wait for the workers, %d of %d run: %w", running, n*agentCPUs, err)
	}
	return sleep(ctx, 2*model.HeartbeatEvery/3) // what follows a change has been said
}
