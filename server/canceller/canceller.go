// Package canceller ends calls and runs before their time.
//
// A cancelled call gets a result before a worker has told one. The first result
// of a call stays, so this one decides: copies of the call that wait in a queue
// or for another attempt are not run when they are received, the worker that
// runs it ends it with its process, and an outcome that comes later counts no
// more. Then the database is told, and values are taken out of the joins they
// wait in.
//
// A cancelled run has a mark as well, and so do calls that are recorded a moment
// later: those that were in flight may have made calls that nobody here knew of.
// Workers look for the mark while cancels are under way, and Run goes through
// the run's calls again for some time.
//
// The result store may lose what it knows (a Redis that is flushed). Run notices
// that and tells it again what was cancelled.
package canceller

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/store"
)

type history interface {
	Call(ctx context.Context, id string) (model.Call, error)
	CallsOfRun(ctx context.Context, tracking string, cancelled bool, after string, limit int) ([]model.Call, error)
	RecordCalls(ctx context.Context, calls []model.Call, begun ...string) error
	AddCancel(ctx context.Context, c store.Cancel) error
	Cancels(ctx context.Context, since time.Time) ([]store.Cancel, error)
	PruneCancels(ctx context.Context, before time.Time) error
	WithdrawArrivals(ctx context.Context, network, socket string, ids ...string) error
	WithdrawRun(ctx context.Context, tracking string) error
	UnfinishedCalls(ctx context.Context, network, socket, after string, limit int) ([]model.Call, error)
	Orphans(ctx context.Context, before time.Time, limit int) ([]model.Call, error)
}

// Config is what a canceller needs.
type Config struct {
	History history
	Results result.Store
	Logger  *slog.Logger
}

// Canceller cancels. Make one with New.
type Canceller struct {
	cfg Config
	log *slog.Logger

	mu   sync.Mutex           // guards held
	held map[string]time.Time // calls of deleted sockets that somebody had claimed, and since when that is known
}

// Keep is how long it is remembered that something was cancelled: no copy of a
// call waits longer in a queue that anybody takes from.
const Keep = 30 * 24 * time.Hour

// atOnce is how many calls of a run are cancelled together.
const atOnce = 500

// New returns a canceller.
func New(cfg Config) *Canceller {
	return &Canceller{cfg: cfg, log: cfg.Logger.With("component", "canceller"), held: map[string]time.Time{}}
}

// Cancel ends a call. One that is cancelled already is no error; one that has
// ended otherwise is a *store.Ended.
func (c *Canceller) Cancel(ctx context.Context, id, by string) (model.Call, error) {
	call, err := c.cfg.History.Call(ctx, id)
	if err != nil {
		return call, err
	}
	if call.State.Terminal() && call.State != model.Cancelled {
		return call, &store.Ended{ID: id, State: call.State, Joined: call.Joined}
	}
	if err := c.cfg.History.AddCancel(ctx, store.Cancel{ID: id, Origin: by, Created: time.Now()}); err != nil {
		return call, err
	}
	if call.State == model.Cancelled {
		return call, nil
	}
	ends, err := c.end(ctx, []model.Call{call}, "cancelled by "+by)
	if err != nil {
		return call, err
	}
	if e := ends[0]; e.State != model.Cancelled {
		return call, &store.Ended{ID: id, State: e.State, Joined: e.Joined}
	}
	call.State = model.Cancelled
	return call, nil
}

// CancelRun ends all calls of a run that have not ended, and those that will be
// made by them. It tells how many were cancelled now.
func (c *Canceller) CancelRun(ctx context.Context, tracking, by string) (int, error) {
	if err := c.cfg.History.AddCancel(ctx, store.Cancel{ID: tracking, Run: true, Origin: by, Created: time.Now()}); err != nil {
		return 0, err
	}
	if err := c.mark(ctx, tracking, by); err != nil {
		return 0, err
	}
	return c.pass(ctx, tracking, by)
}

// mark tells workers that the run is cancelled.
func (c *Canceller) mark(ctx context.Context, tracking, by string) error {
	_, err := c.cfg.Results.Put(ctx, Keep, result.Result{
		Call: result.CancelledRun(tracking), State: model.Cancelled, Failure: failure("the run was cancelled by " + by), Finished: time.Now().UTC(),
	})
	if err != nil {
		return fmt.Errorf("mark run %s: %w", tracking, err)
	}
	return c.underWay(ctx)
}

// underWay makes workers look for cancelled runs for a while.
func (c *Canceller) underWay(ctx context.Context) error {
	_, err := c.cfg.Results.Put(ctx, time.Minute, result.Result{Call: result.CancelsUnderWay, State: model.Cancelled, Finished: time.Now().UTC()})
	if err != nil {
		return fmt.Errorf("announce cancels: %w", err)
	}
	return nil
}

// pass goes once through the calls of a run that have not ended.
func (c *Canceller) pass(ctx context.Context, tracking, by string) (int, error) {
	if err := c.cfg.History.WithdrawRun(ctx, tracking); err != nil {
		return 0, err
	}
	count, after := 0, ""
	for {
		calls, err := c.cfg.History.CallsOfRun(ctx, tracking, false, after, atOnce)
		if err != nil || len(calls) == 0 {
			return count, err
		}
		after = calls[len(calls)-1].ID
		ends, err := c.end(ctx, calls, "the run was cancelled by "+by)
		if err != nil {
			return count, err
		}
		for _, e := range ends {
			if e.State == model.Cancelled {
				count++
			}
		}
	}
}

// end gives the calls a result, unless they have one, and tells the history. It
// returns how each has ended.
func (c *Canceller) end(ctx context.Context, calls []model.Call, why string) ([]result.Result, error) {
	now := time.Now().UTC()
	ends := make([]result.Result, len(calls))
	place := make(map[string]int, len(calls))
	for i, call := range calls {
		ends[i] = result.Result{Call: call.ID, State: model.Cancelled, Failure: failure(why), Attempt: call.Attempt, Finished: now}
		place[call.ID] = i
	}
	earlier, err := c.cfg.Results.Put(ctx, Keep, ends...)
	if err != nil {
		return nil, fmt.Errorf("cancel %d calls: %w", len(calls), err)
	}
	for _, r := range earlier {
		ends[place[r.Call]] = r
	}
	var records []model.Call
	for i, call := range calls {
		if ends[i].State != model.Cancelled {
			continue // its record is on its way
		}
		if call.State == model.Waiting {
			if err := c.cfg.History.WithdrawArrivals(ctx, call.Network, call.Socket, call.ID); err != nil {
				return nil, err
			}
		}
		records = append(records, record(call, ends[i]))
	}
	return ends, c.cfg.History.RecordCalls(ctx, records)
}

// record is the record of a call that was cancelled.
func record(call model.Call, end result.Result) model.Call {
	call.State, call.Failure, call.Finished = model.Cancelled, end.Failure, &end.Finished
	note := ""
	if end.Failure != nil {
		note = end.Failure.Message
	}
	call.Events = []model.Event{{Name: "cancelled", Time: end.Finished, Note: note}}
	return call
}

func failure(why string) *model.Failure {
	return &model.Failure{Error: model.FailureCancelled, Message: why, Permanent: true}
}

// withdrawing is for how long a call is claimed that is to be withdrawn: while it is
// ours, nobody begins it.
const withdrawing = 30 * time.Second

// Withdraw ends a call that has not begun; one that has is a *store.Ended.
func (c *Canceller) Withdraw(ctx context.Context, id, by string) (model.Call, error) {
	call, err := c.cfg.History.Call(ctx, id)
	if err != nil {
		return call, err
	}
	if call.State != model.Queued {
		return call, &store.Ended{ID: id, State: call.State, Joined: call.Joined}
	}
	holder := "withdraw/" + model.NewID()
	claims, err := c.cfg.Results.Claim(ctx, holder, withdrawing, id)
	if err != nil {
		return call, err
	}
	switch r := claims[0].Result; {
	case r != nil:
		return call, &store.Ended{ID: id, State: r.State, Joined: r.Joined}
	case !claims[0].Granted:
		return call, &store.Ended{ID: id, State: model.Running}
	}
	call, err = c.Cancel(ctx, id, by)
	if err != nil {
		_ = c.cfg.Results.Release(context.WithoutCancel(ctx), holder, id) // else it ends by itself
	}
	return call, err
}
