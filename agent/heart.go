package agent

import (
	"context"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/elasticcode/flow/model"
)

// beat reports the node, the agent and its workers regularly and whenever
// something changed, until ctx ends.
func (a *Agent) beat(ctx context.Context) error {
	tick := time.NewTicker(model.HeartbeatEvery)
	defer tick.Stop()
	first := true
	for {
		err := a.report(ctx, a.state(model.StatusRunning))
		switch {
		case err == nil && first:
			first = false
			close(a.ready)
		case err != nil && ctx.Err() == nil:
			a.log.Warn("the server does not take the heartbeat now", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-a.kick:
			if err != nil { // do not hammer a server that is away
				select {
				case <-ctx.Done():
					return nil
				case <-tick.C:
				}
			}
		}
	}
}

// report sends a heartbeat; it is of no use any more when the next one is due.
func (a *Agent) report(ctx context.Context, h model.Heartbeat) error {
	ctx, cancel := context.WithTimeout(ctx, model.HeartbeatEvery)
	defer cancel()
	_, err := a.cfg.API.Heartbeat(ctx, h)
	return err
}

// farewell reports that the node runs nothing any more.
func (a *Agent) farewell() {
	h := a.state(model.StatusStopped)
	h.Workers = []model.Worker{}
	if err := a.report(context.Background(), h); err != nil {
		a.log.Debug("farewell", "err", err)
	}
}

// state is how everything is now.
func (a *Agent) state(status model.Status) model.Heartbeat {
	crews, ending := a.known()
	total, free, load := machine()
	h := model.Heartbeat{
		Node: model.Node{
			Object: model.Object{Network: model.DefaultNetwork, Name: a.cfg.Node},
			Cores:  runtime.NumCPU(), Memory: total, MemFree: free, Load: load, Status: status, Platform: runtime.GOOS + "/" + runtime.GOARCH,
		},
		Agent: model.Agent{
			Object: model.Object{Network: model.DefaultNetwork, Name: a.cfg.Node + ".agent"},
			Node:   a.cfg.Node, CPUs: a.cfg.CPUs, PID: os.Getpid(), Status: status, Beat: time.Now().UTC(), Version: a.cfg.Version, Started: a.started,
		},
		Workers: []model.Worker{}, Processors: []model.ProcessorReport{},
	}
	for _, c := range crews {
		workers, rep := c.observe()
		h.Workers = append(h.Workers, workers...)
		h.Processors = append(h.Processors, rep)
	}
	for _, c := range ending { // unless another has taken their place already
		workers, rep := c.observe()
		if !slices.ContainsFunc(h.Processors, func(other model.ProcessorReport) bool {
			return other.Network == rep.Network && other.Processor == rep.Processor
		}) {
			rep.Status, rep.Message = model.StatusStopping, ""
			h.Processors = append(h.Processors, rep)
		}
		for _, w := range workers {
			if !slices.ContainsFunc(h.Workers, func(other model.Worker) bool { return other.ID == w.ID }) {
				h.Workers = append(h.Workers, w)
			}
		}
	}
	return h
}

// known lists the crews that are wanted, and those that are not any more but
// have not ended yet.
func (a *Agent) known() (crews, ending []*crew) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.crews {
		crews = append(crews, c)
	}
	a.ending = slices.DeleteFunc(a.ending, func(c *crew) bool {
		select {
		case <-c.ended:
			return true
		default:
			return false
		}
	})
	return crews, slices.Clone(a.ending)
}
