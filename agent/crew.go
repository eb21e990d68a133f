package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/elasticcode/flow/agent/worker"
	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
)

// crew is the workers of one processor, at one generation of it.
type crew struct {
	agent *Agent
	log   *slog.Logger
	ended chan struct{} // closed when run has returned

	tell func(ctx context.Context) // tells the functions, if the server could not be told; used by run only

	mu      sync.Mutex // guards the fields below
	as      model.Assignment
	slots   map[int]*slot
	parting []*slot      // are to stop, and finish what they run
	status  model.Status // of preparing the code; running when there is code to run
	message string
	halt    context.CancelFunc // nil before run
	halted  bool
	changed chan struct{} // as has changed
}

// slot is one worker of a crew.
type slot struct {
	id     string
	worker *worker.Worker
	stop   context.CancelFunc
	ended  chan struct{}
	status worker.Status
}

func newCrew(a *Agent, as model.Assignment) *crew {
	return &crew{
		agent: a, as: as, log: a.log.With("processor", as.Processor.Name), slots: map[int]*slot{},
		status: model.StatusStarting, ended: make(chan struct{}), changed: make(chan struct{}, 1),
	}
}

// accepts tells whether the crew can serve the assignment as it is: its code
// and the wishes about it are the same.
func (c *crew) accepts(as model.Assignment) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.as.Processor.ID == as.Processor.ID && c.as.Processor.Generation == as.Processor.Generation
}

// set changes how many workers there are and which sockets they serve.
func (c *crew) set(as model.Assignment) {
	c.mu.Lock()
	c.as = as
	c.mu.Unlock()
	c.serve(as.Sockets)
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// serve tells all workers, also those that are to stop, which sockets there are. When
// it returns, calls of others that have not begun are back in their queues.
func (c *crew) serve(sockets []model.Endpoint) {
	c.mu.Lock()
	c.parting = slices.DeleteFunc(c.parting, (*slot).over)
	all := append(slices.Collect(maps.Values(c.slots)), c.parting...)
	c.mu.Unlock()
	var told sync.WaitGroup // before the next question for a plan says that this one is known
	for _, s := range all {
		told.Go(func() { s.worker.Set(sockets) })
	}
	told.Wait()
}

// relocate is serve for a crew that another one follows. Its code may be older: it goes
// on with the sockets that it had, wherever they are now, and leaves new ones alone.
func (c *crew) relocate(sockets []model.Endpoint) {
	c.mu.Lock()
	had := map[string]string{}
	for _, e := range c.as.Sockets {
		had[e.Socket.Name] = e.Socket.Task
	}
	c.mu.Unlock()
	c.serve(slices.DeleteFunc(slices.Clone(sockets), func(e model.Endpoint) bool { return had[e.Socket.Name] != e.Socket.Task }))
}

// over tells whether the worker has ended.
func (s *slot) over() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// stop lets the crew finish what it runs and end.
func (c *crew) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.halted = true
	if c.halt != nil {
		c.halt()
	}
}

// run prepares the code and keeps the workers until ctx ends or the crew is
// stopped. The crew it replaces is stopped when this one is ready to take over,
// so that calls always have somebody to run them.
func (c *crew) run(ctx, kill context.Context, old *crew) {
	defer close(c.ended)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.mu.Lock()
	c.halt = cancel
	if c.halted {
		cancel()
	}
	c.mu.Unlock()
	program, ok := c.prepareUntil(ctx)
	if old != nil {
		old.stop()
	}
	if !ok {
		return
	}
	defer program.Close() // after the last process has ended
	c.note(model.StatusRunning, "")
	var workers sync.WaitGroup
	if c.tell != nil {
		workers.Go(func() { c.tell(ctx) })
	}
	for ctx.Err() == nil {
		c.reconcile(ctx, kill, program, &workers)
		select {
		case <-ctx.Done():
		case <-c.changed:
		}
	}
	workers.Wait()
}

// prepareUntil prepares the code, and tries again after failures; false when
// the crew is to stop first.
func (c *crew) prepareUntil(ctx context.Context) (processor.Program, bool) {
	for wait := time.Second; ; wait = min(2*wait, time.Minute) {
		program, err := c.prepare(ctx)
		if err == nil {
			return program, true
		}
		if ctx.Err() != nil {
			return nil, false
		}
		if client.IsConflict(err) { // the crew of what it is now takes over
			c.log.Info("the processor was changed while its code was prepared", "err", err)
		} else {
			c.log.Error("processor cannot run", "err", err)
			c.note(model.StatusFailed, explain(err))
		}
		delay := wait
		if processor.Permanent(err) {
			delay = time.Minute // only a new generation helps, and that makes a new crew
		}
		select {
		case <-ctx.Done():
			return nil, false
		case <-time.After(delay/2 + rand.N(delay/2)):
		}
	}
}

// prepare checks the code out, builds its environment and tells the server what
// functions it has.
func (c *crew) prepare(ctx context.Context) (processor.Program, error) {
	c.mu.Lock()
	as := c.as
	c.mu.Unlock()
	cfg := c.agent.cfg
	program, err := Prepare(ctx, cfg.Sources, cfg.Runtimes, cfg.CacheDir, as)
	if err != nil {
		return nil, err
	}
	tasks, err := program.Describe(ctx)
	if err != nil {
		program.Close()
		return nil, err
	}
	p := as.Processor
	for i := range tasks {
		tasks[i].Network, tasks[i].Processor, tasks[i].Module, tasks[i].Commit = p.Network, p.Name, p.Module, p.Commit
	}
	switch err := c.report(ctx, p, tasks); {
	case client.IsTemporary(err): // calls do not wait for that
		c.log.Warn("the server is told later", "err", err)
		c.tell = func(ctx context.Context) { c.tellLater(ctx, p, tasks) }
	case err != nil:
		program.Close()
		return nil, err
	}
	return program, nil
}

// tellLater tells the server the functions of the module when it is back.
func (c *crew) tellLater(ctx context.Context, p model.Processor, tasks []model.Task) {
	for wait := time.Second; ; wait = min(2*wait, 10*time.Second) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait/2 + rand.N(wait/2)):
		}
		err := c.report(ctx, p, tasks)
		if err == nil || ctx.Err() != nil {
			return
		}
		if !client.IsTemporary(err) {
			c.log.Error("the server does not take the functions", "err", err)
			c.note(model.StatusRunning, explain(err))
			return
		}
	}
}

// report tells the server the functions of the module.
func (c *crew) report(ctx context.Context, p model.Processor, tasks []model.Task) error {
	telling, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := c.agent.cfg.API.ReportTasks(telling, p.Network, p.Name, client.TasksReport{Commit: p.Commit, Generation: p.Generation, Tasks: tasks}); err != nil {
		return fmt.Errorf("tell the server the functions of %s: %w", p.Name, err)
	}
	return nil
}

// reconcile starts and stops workers so that they are as many as wanted. Those
// that go on have been given their sockets by set.
func (c *crew) reconcile(ctx, kill context.Context, program processor.Program, workers *sync.WaitGroup) {
	c.mu.Lock()
	defer c.mu.Unlock()
	changed := false
	for n, s := range c.slots {
		if n >= c.as.Deployment.CPUs {
			s.stop()
			delete(c.slots, n)
			c.parting = append(c.parting, s)
			changed = true
		}
	}
	for n := range c.as.Deployment.CPUs {
		if c.slots[n] == nil {
			c.slots[n] = c.start(ctx, kill, program, n, workers)
			changed = true
		}
	}
	if changed { // more and other sockets are nothing to report
		c.agent.tell()
	}
}

// start starts the worker of a slot; mu is held.
func (c *crew) start(ctx, kill context.Context, program processor.Program, n int, workers *sync.WaitGroup) *slot {
	ctx, stop := context.WithCancel(ctx)
	cfg := c.agent.cfg
	s := &slot{id: model.DeriveID("worker", c.as.Deployment.ID, fmt.Sprint(n)), stop: stop, ended: make(chan struct{}), status: worker.Status{Status: model.StatusStarting}}
	s.worker = worker.New(worker.Config{
		Name: workerName(cfg.Node, c.as.Processor, n), Node: cfg.Node, Epoch: c.agent.epoch, Processor: c.as.Processor, Endpoints: c.as.Sockets,
		Program: program, Broker: cfg.Broker, Results: cfg.Results, Events: cfg.Events, Logger: cfg.Logger, Fault: cfg.Fault,
		ResultTTL: cfg.KeepResults, History: cfg.API.Ended, Values: cfg.API.Values,
		Report: func(st worker.Status) {
			c.mu.Lock()
			s.status = st
			c.mu.Unlock()
			c.agent.tell()
		},
	})
	workers.Go(func() {
		defer close(s.ended)
		defer stop()
		if err := s.worker.Run(ctx, kill); err != nil && !errors.Is(err, context.Canceled) {
			c.log.Error("worker ended", "slot", n, "err", err)
		}
	})
	return s
}

func workerName(node string, p model.Processor, n int) string {
	name := fmt.Sprintf("%s.%s.%d", node, p.Name, n+1)
	if p.Network != model.DefaultNetwork {
		name = p.Network + "/" + name
	}
	return name
}

func (c *crew) note(status model.Status, message string) {
	c.mu.Lock()
	c.status, c.message = status, message
	c.mu.Unlock()
	c.agent.tell()
}

// observe is how the crew is now: its workers and what to say of the processor.
func (c *crew) observe() ([]model.Worker, model.ProcessorReport) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.as.Processor
	rep := model.ProcessorReport{Processor: p.Name, Network: p.Network, Generation: p.Generation, Commit: p.Commit, Status: c.status, Message: c.message}
	var workers []model.Worker
	running, trouble := 0, worker.Status{}
	for n, s := range c.slots {
		w := model.Worker{
			Object: model.Object{ID: s.id, Network: p.Network, Name: workerName(c.agent.cfg.Node, p, n)},
			Node:   c.agent.cfg.Node, Processor: p.Name, Deployment: c.as.Deployment.Name, Slot: n, PID: s.status.PID, Status: s.status.Status,
			Message: s.status.Message, Restarts: s.status.Restarts, Commit: p.Commit, Generation: p.Generation,
		}
		if c.halted && w.Status == model.StatusRunning {
			w.Status = model.StatusStopping
		}
		if !s.status.Started.IsZero() {
			started := s.status.Started.UTC()
			w.Started = &started
		}
		switch s.status.Status {
		case model.StatusRunning:
			running++
		case model.StatusFailed, model.StatusBackoff:
			trouble = s.status
		}
		workers = append(workers, w)
	}
	sort.Slice(workers, func(i, j int) bool { return workers[i].Slot < workers[j].Slot })
	if c.status == model.StatusRunning && running == 0 {
		rep.Status = model.StatusStarting
		if trouble.Status != "" {
			rep.Status, rep.Message = trouble.Status, trouble.Message
		}
	}
	return workers, rep
}

func explain(err error) string {
	var e *processor.Error
	if errors.As(err, &e) && e.Detail != "" {
		return e.Error() + "\n" + e.Detail
	}
	return err.Error()
}
