package worker

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/event"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/result"
)

// Config is what a worker needs.
type Config struct {
	// Name is how people know it: <node>.<processor>.<slot>.
	Name string
	// Node is the host it runs on, and Epoch the start of the agent it belongs
	// to. A claim that an earlier epoch of the same node holds is void, since
	// only one agent runs under a node's name.
	Node  string
	Epoch string
	// Processor is whose code it hosts, as it was when the worker was made.
	Processor model.Processor
	Endpoints []model.Endpoint
	Program   processor.Program
	Broker    broker.Broker
	Results   result.Store
	Events    event.Bus
	Logger    *slog.Logger
	// Report is told of every change of the worker's status. Required.
	Report func(Status)
	// Lease is how long a claim lasts without renewal. Default 15 s.
	Lease time.Duration
	// ResultTTL is how long results are kept for those who wait. Default 24 h.
	ResultTTL time.Duration
	// History returns those of the calls that have been recorded, as they are.
	// It is asked when the result store has lost its memory; nil asks nobody.
	History func(ctx context.Context, calls []string) ([]model.Call, error)
	// Values returns those of the large values that the server knows, by hash. It
	// is asked when the result store does not have them; nil asks nobody.
	Values func(ctx context.Context, hashes []string) (map[string]json.RawMessage, error)
	// Fault, if set, is called at the named points between the steps of the
	// order of effects. Only tests set it, to crash there.
	Fault func(point string)
}

// Status is how a worker is.
type Status struct {
	Status   model.Status
	Message  string // why it does not run
	PID      int    // of the child process
	Restarts int
	Started  time.Time // of the child process
}

// Worker runs calls in a child process. Make one with New.
type Worker struct {
	cfg     Config
	holder  string         // who claims
	limiter result.Limiter // the results' other side; nil if they have none
	log     *slog.Logger
	news    *news
	ill     map[string]*illness // by socket: whose calls processes died of; used by Run only

	mu        sync.Mutex // guards the fields below
	endpoints []model.Endpoint
	session   *session // nil while no child runs
	restarts  int
}

// crashBudget is how often a call may be running when the process dies before
// it is dead: the first time may be bad luck, the third is not.
const crashBudget = 3

// New returns a worker that does nothing until Run.
func New(cfg Config) *Worker {
	if cfg.Lease == 0 {
		cfg.Lease = 15 * time.Second
	}
	if cfg.ResultTTL == 0 {
		cfg.ResultTTL = 24 * time.Hour
	}
	if cfg.Fault == nil {
		cfg.Fault = func(string) {}
	}
	log := cfg.Logger.With("component", "worker", "worker", cfg.Name, "processor", cfg.Processor.Name)
	limiter, _ := cfg.Results.(result.Limiter)
	return &Worker{
		cfg: cfg, log: log, endpoints: cfg.Endpoints, news: newNews(cfg.Events, log), limiter: limiter, ill: map[string]*illness{},
		holder: cfg.Node + "/" + cfg.Epoch + "/" + cfg.Name + "/" + model.NewID()[24:],
	}
}

// Set changes the sockets whose calls the worker takes, their limits, and where their
// results go. When it returns, calls of others that have not begun are back in their
// queues, and nothing is on its way to where results went before, so that queues may be
// deleted; it waits for that a moment at most.
func (w *Worker) Set(endpoints []model.Endpoint) {
	w.mu.Lock()
	w.endpoints = endpoints
	s := w.session
	if s != nil {
		s.receiver.Set(endpoints)
	}
	w.mu.Unlock()
	if s != nil {
		s.disown()
	}
}

// Run keeps a child process and runs calls in it. When ctx ends it takes no
// more and finishes what runs; when kill ends it abandons that too. It returns
// when both the calls and the child process are settled.
func (w *Worker) Run(ctx, kill context.Context) error {
	var newsDone sync.WaitGroup
	newsCtx, stopNews := context.WithCancel(context.WithoutCancel(ctx))
	newsDone.Go(func() { w.news.run(newsCtx) })
	defer newsDone.Wait()
	defer stopNews()
	delay := backoff{base: 200 * time.Millisecond, top: 30 * time.Second}
	for ctx.Err() == nil {
		w.report(Status{Status: model.StatusStarting})
		proc, err := w.cfg.Program.Start(ctx)
		if err != nil {
			if ctx.Err() != nil {
				break
			}
			if !w.pause(ctx, &delay, err) {
				break
			}
			continue
		}
		started := time.Now()
		w.report(Status{Status: model.StatusRunning, PID: proc.PID(), Started: started})
		useful, err := w.serve(ctx, kill, proc)
		if err == nil {
			break
		}
		if errors.Is(err, errCancelled) || errors.Is(err, errLost) {
			continue // nothing is wrong with the code
		}
		// Pauses grow only while processes are of no use. Which calls they die of is
		// for the calls' own budget; others do not wait for it (quarantine.go).
		if useful || time.Since(started) > delay.top {
			delay.reset()
		}
		w.count()
		w.log.Warn("process ended", "err", err)
		if !w.pause(ctx, &delay, err) {
			break
		}
	}
	w.report(Status{Status: model.StatusStopped})
	return nil
}

// pause reports why no process runs and waits before the next try. It returns
// false when the worker is to stop meanwhile.
func (w *Worker) pause(ctx context.Context, delay *backoff, err error) bool {
	status := model.StatusBackoff
	if processor.Permanent(err) {
		status = model.StatusFailed
	}
	w.report(Status{Status: status, Message: describe(err)})
	select {
	case <-ctx.Done():
		return false
	case <-time.After(delay.next()):
		return true
	}
}

func describe(err error) string {
	var e *processor.Error
	if errors.As(err, &e) && e.Detail != "" {
		return e.Error() + "\n" + e.Detail
	}
	return err.Error()
}

func (w *Worker) report(s Status) {
	w.mu.Lock()
	s.Restarts = w.restarts
	w.mu.Unlock()
	w.cfg.Report(s)
}

func (w *Worker) count() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.restarts++
}

// backoff gives growing delays with jitter between tries.
type backoff struct {
	base, top, last time.Duration
}

func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, b.base), b.top)
	return b.last/2 + rand.N(b.last/2+1)
}

func (b *backoff) reset() { b.last = 0 }
