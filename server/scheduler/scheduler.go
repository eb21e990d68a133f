// Package scheduler decides which node runs how many workers of a processor,
// and writes that down as deployments; agents make it so.
//
// Every processor that is wanted to run gets at least one worker on a live
// node, even when all CPUs are taken: a busy machine is slow, but a processor
// without a worker is dead. CPUs that are left go to the processors that want
// more, one at a time, to the node with the most room.
package scheduler

import (
	"context"
	"log/slog"
	"sort"
	"time"

	"github.com/elasticcode/flow/model"
)

type objects interface {
	AllProcessors(ctx context.Context) ([]model.Processor, error)
	AllDeployments(ctx context.Context) ([]model.Deployment, error)
	AllAgents(ctx context.Context) ([]model.Agent, error)
	PlaceDeployments(ctx context.Context, put []model.Deployment, remove []string) error
	MarkLost(ctx context.Context, before time.Time) ([]string, error)
}

// Config is what a scheduler needs.
type Config struct {
	Objects objects
	Logger  *slog.Logger
	// Every is how often it looks without being told. Default 2 s.
	Every time.Duration
	// Changed is called after deployments changed.
	Changed func()
}

// Scheduler places processors. Make one with New.
type Scheduler struct {
	cfg  Config
	log  *slog.Logger
	wake chan struct{}
}

// New returns a scheduler that does nothing until Run.
func New(cfg Config) *Scheduler {
	if cfg.Every == 0 {
		cfg.Every = 2 * time.Second
	}
	if cfg.Changed == nil {
		cfg.Changed = func() {}
	}
	return &Scheduler{cfg: cfg, log: cfg.Logger.With("component", "scheduler"), wake: make(chan struct{}, 1)}
}

// Wake makes it look now.
func (s *Scheduler) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run places processors until ctx ends.
func (s *Scheduler) Run(ctx context.Context) error {
	tick := time.NewTicker(s.cfg.Every)
	defer tick.Stop()
	for {
		if err := s.pass(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("cannot place processors now", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-s.wake:
		}
	}
}

func (s *Scheduler) pass(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	lost, err := s.cfg.Objects.MarkLost(ctx, time.Now().Add(-model.AgentLostAfter))
	if err != nil {
		return err
	}
	for _, node := range lost {
		s.log.Warn("node is down: its agent has not been heard of", "agent", node)
	}
	processors, err := s.cfg.Objects.AllProcessors(ctx)
	if err != nil {
		return err
	}
	deployments, err := s.cfg.Objects.AllDeployments(ctx)
	if err != nil {
		return err
	}
	agents, err := s.cfg.Objects.AllAgents(ctx)
	if err != nil {
		return err
	}
	put, remove := Place(processors, deployments, agents)
	if len(put) == 0 && len(remove) == 0 {
		return nil
	}
	if err := s.cfg.Objects.PlaceDeployments(ctx, put, remove); err != nil {
		return err
	}
	for _, d := range put {
		s.log.Info("placed", "processor", d.Processor, "agent", d.Node, "cpus", d.CPUs)
	}
	s.cfg.Changed()
	return nil
}

// place is what is wanted of one processor.
type place struct {
	p     model.Processor
	nodes map[string]int // CPUs by node
	total int
}

// Place compares what is wanted with the deployments there are, and returns
// those to write and the ids of those to remove. It is a pure function: the
// same input gives the same answer, so that two schedulers do not fight.
func Place(processors []model.Processor, deployments []model.Deployment, agents []model.Agent) (put []model.Deployment, remove []string) {
	free := map[string]int{}
	for _, a := range agents {
		if a.Status == model.StatusRunning {
			free[a.Node] = a.CPUs
		}
	}
	places := wanted(processors)
	index := map[string]*place{}
	for _, pl := range places {
		index[pl.p.Network+"/"+pl.p.Name] = pl
	}
	for _, d := range deployments {
		if pl := index[d.Network+"/"+d.Processor]; d.Manual && pl != nil {
			pl.nodes[d.Node] += d.CPUs
			pl.total += d.CPUs
			free[d.Node] -= d.CPUs
		}
	}
	fill(places, free)
	return compare(places, index, deployments)
}

// wanted lists the processors that are to run, in a stable order.
func wanted(processors []model.Processor) []*place {
	var places []*place
	for _, p := range processors {
		if p.Wanted != model.StatusStopped {
			places = append(places, &place{p: p, nodes: map[string]int{}})
		}
	}
	sort.Slice(places, func(i, j int) bool {
		a, b := places[i].p, places[j].p
		if !a.Created.Equal(b.Created) {
			return a.Created.Before(b.Created)
		}
		return a.ID < b.ID
	})
	return places
}

// fill gives every processor one CPU, and then what is left in turns.
func fill(places []*place, free map[string]int) {
	for _, pl := range places {
		if pl.total == 0 {
			if node, ok := roomiest(pl, free, true); ok {
				pl.take(node, free)
			}
		}
	}
	for gave := true; gave; {
		gave = false
		for _, pl := range places {
			if pl.total == 0 || pl.total >= pl.p.Concurrency {
				continue
			}
			if node, ok := roomiest(pl, free, false); ok {
				pl.take(node, free)
				gave = true
			}
		}
	}
}

func (pl *place) take(node string, free map[string]int) {
	pl.nodes[node]++
	pl.total++
	free[node]--
}

// roomiest is the live node with the most free CPUs that the processor may run
// on; with crowd, also one that has none left.
func roomiest(pl *place, free map[string]int, crowd bool) (string, bool) {
	best, found := "", false
	for node, n := range free {
		if pl.p.Hostname != "" && pl.p.Hostname != node || n <= 0 && !crowd {
			continue
		}
		if !found || n > free[best] || n == free[best] && node < best {
			best, found = node, true
		}
	}
	return best, found
}
