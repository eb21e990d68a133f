// Package redriver runs calls again that ended without success.
//
// The order of steps, so that a crash between any two loses nothing and never
// lets two copies of a call run at the same time:
//
//  1. reopen: in one transaction the database has the call as queued again, and
//     in an outbox. From here on the call is accepted.
//  2. forget: the result of the old end goes, which would end every new copy.
//  3. publish the call, confirmed, marked as a repeat.
//  4. the outbox is told.
//
// One whose socket was deleted meanwhile ends in the dead letters again.
//
// Who finds a call in the outbox begins again at step 2. The attempts of a call
// only grow, so a result of a new attempt is told from the old one and is not
// forgotten; and copies of a call that were published twice are one call to the
// workers, as ever.
package redriver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/socket"
	"github.com/elasticcode/flow/store"
)

type history interface {
	Call(ctx context.Context, id string) (model.Call, error)
	Reopen(ctx context.Context, ids ...string) ([]model.Call, error)
	PendingRedrives(ctx context.Context, before time.Time, limit int) ([]model.Call, error)
	Redriven(ctx context.Context, ids ...string) error
	Socket(ctx context.Context, network, name string) (model.Socket, error)
	Endpoints(ctx context.Context, network string) ([]model.Endpoint, error)
}

type sender interface {
	Send(ctx context.Context, calls []socket.Outgoing, records []model.Call) error
}

// Config is what a redriver needs.
type Config struct {
	History history
	Results result.Store
	Sender  sender
	Logger  *slog.Logger
}

// Redriver redrives. Make one with New.
type Redriver struct {
	cfg Config
	log *slog.Logger
}

const (
	// sweepEvery is how often the outbox is looked into, and patience how long
	// who reopened a call has to send it.
	sweepEvery = 5 * time.Second
	patience   = 30 * time.Second
	atOnce     = 200
	// endTTL is how long the end of one that could not be sent is kept for those who wait.
	endTTL = 24 * time.Hour
)

// New returns a redriver.
func New(cfg Config) *Redriver {
	return &Redriver{cfg: cfg, log: cfg.Logger.With("component", "redriver")}
}

// ErrArgument says that a call cannot be run again because it only brought an
// argument to a join.
var ErrArgument = errors.New("it brought an argument to a join: submit the value again")

// Redrive runs calls again. It returns an error for each that cannot be, by id;
// the others are queued, or will be as soon as the broker can be reached.
func (r *Redriver) Redrive(ctx context.Context, by string, ids ...string) (refused map[string]error, err error) {
	refused = map[string]error{}
	var good []string
	for _, id := range ids {
		call, err := r.cfg.History.Call(ctx, id)
		if err == nil {
			err = r.check(ctx, call)
		}
		switch {
		case errors.Is(err, store.ErrUnavailable), ctx.Err() != nil:
			return refused, err
		case err != nil:
			refused[id] = err
		case !slices.Contains(good, id):
			good = append(good, id)
		}
	}
	for part := range slices.Chunk(good, atOnce) {
		calls, err := r.cfg.History.Reopen(ctx, part...)
		if err != nil {
			return refused, err
		}
		if err := r.send(ctx, calls, by); err != nil {
			r.log.Warn("calls to be run again wait in the outbox", "calls", len(calls), "err", err)
		}
	}
	return refused, nil
}

// check tells why a call cannot be run again.
func (r *Redriver) check(ctx context.Context, c model.Call) error {
	if !c.State.Terminal() || c.State == model.Succeeded {
		return &store.Ended{ID: c.ID, State: c.State, Joined: c.Joined}
	}
	_, err := r.address(ctx, c)
	return err
}

// address is where the call goes: the queue of its own socket, whatever the
// others on the exchange are, or of its class, or the function's shared queue.
func (r *Redriver) address(ctx context.Context, c model.Call) (socket.Address, error) {
	if c.Argument != "" {
		return socket.Address{}, ErrArgument
	}
	if c.Socket != "" {
		s, err := r.cfg.History.Socket(ctx, c.Network, c.Socket)
		return socket.Direct(s, c.Priority), err
	}
	endpoints, err := r.cfg.History.Endpoints(ctx, c.Network)
	if err != nil {
		return socket.Address{}, err
	}
	if !slices.ContainsFunc(endpoints, func(e model.Endpoint) bool { return e.Module == c.Module && e.Socket.Task == c.Task }) {
		return socket.Address{}, &store.NotFound{Kind: "socket", Name: "of function " + c.Module + "." + c.Task}
	}
	return socket.Shared(c.Network, c.Module, c.Task), nil
}

// send does steps 2 to 4.
func (r *Redriver) send(ctx context.Context, calls []model.Call, by string) error {
	var sent []string
	var out []socket.Outgoing
	var records []model.Call
	fresh, err := r.forget(ctx, calls)
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	var ends []result.Result
	for _, c := range calls {
		sent = append(sent, c.ID)
		if fresh[c.ID] {
			continue // it was published before, and has run since
		}
		to, err := r.address(ctx, c)
		if gone, ok := errors.AsType[*store.NotFound](err); ok {
			rec, end := bury(c, gone, now)
			records, ends = append(records, rec), append(ends, end)
			continue
		}
		if err != nil {
			return fmt.Errorf("run call %s again: %w", c.ID, err)
		}
		env := envelope(c)
		out = append(out, socket.Outgoing{Envelope: env, To: to, Repeat: true})
		rec := env.Call(model.Queued)
		if by != "" {
			rec.Events = []model.Event{{Name: model.EventRedriven, Time: now, Note: "Run again by " + by}}
		}
		records = append(records, rec)
	}
	if len(ends) > 0 {
		if _, err := r.cfg.Results.Put(ctx, endTTL, ends...); err != nil {
			return fmt.Errorf("end %d calls that cannot be run again: %w", len(ends), err)
		}
	}
	if err := r.cfg.Sender.Send(ctx, out, records); err != nil {
		return fmt.Errorf("run %d calls again: %w", len(out), err)
	}
	return r.cfg.History.Redriven(ctx, sent...)
}

// bury is the end of a reopened call whose socket was deleted before it could be
// sent, as of those that wait in the queue of a socket that is deleted.
func bury(c model.Call, gone error, now time.Time) (model.Call, result.Result) {
	end := result.Result{Call: c.ID, State: model.Dead, Attempt: c.Attempt, Finished: now, Failure: &model.Failure{
		Error: "DeadLetter", Message: "its socket was deleted before the call could be run again: " + gone.Error(), Permanent: true,
	}}
	env := envelope(c)
	rec := env.Call(model.Dead)
	end.Tell(&rec)
	rec.Finished = &now
	rec.Events = []model.Event{{Name: string(model.Dead), Time: now, Note: end.Failure.Message}}
	return rec, end
}

// envelope is the call as it is sent again: with all attempts of its socket
// before it, and without a deadline, which has passed.
func envelope(c model.Call) model.Envelope {
	due := time.Now().UTC() // it begins to wait anew
	env := c.Envelope()
	env.Due, env.Before, env.Deadline = &due, c.Attempt, nil
	return env
}

// forget removes the results of the old ends, and the marks of cancelled runs.
// It tells which calls have a result of a new attempt.
func (r *Redriver) forget(ctx context.Context, calls []model.Call) (map[string]bool, error) {
	ids := make([]string, len(calls))
	for i, c := range calls {
		ids[i] = c.ID
	}
	found, err := r.cfg.Results.Get(ctx, ids...)
	if err != nil {
		return nil, err
	}
	fresh := map[string]bool{}
	var old []string
	for _, c := range calls {
		if res, ok := found[c.ID]; ok && res.Attempt > c.Attempt {
			fresh[c.ID] = true
		} else if ok {
			old = append(old, c.ID)
		}
		old = append(old, result.CancelledRun(c.Tracking))
	}
	slices.Sort(old)
	return fresh, r.cfg.Results.Forget(ctx, slices.Compact(old)...)
}

// Run sends what a crash left in the outbox, until ctx ends.
func (r *Redriver) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := r.resend(ctx); err != nil && ctx.Err() == nil {
			r.log.Warn("calls to be run again wait in the outbox", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (r *Redriver) resend(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	calls, err := r.cfg.History.PendingRedrives(ctx, time.Now().Add(-patience), atOnce)
	if err != nil || len(calls) == 0 {
		return err
	}
	var errs []error
	for _, c := range calls { // one by one: a socket that was deleted meanwhile stops no other
		if c.State != model.Queued {
			errs = append(errs, r.cfg.History.Redriven(ctx, c.ID)) // it was published before
			continue
		}
		errs = append(errs, r.send(ctx, []model.Call{c}, ""))
	}
	return errors.Join(errs...)
}
