// Package joiner brings together the arguments of a call that arrive at
// different times. Values on their way into a join come through one durable
// queue; each fills a slot in the database, and the arrival that completes a
// set fires the joined call in the same transaction, through an outbox. Its id
// follows from the ids that met, so it fires once, whoever crashes.
package joiner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/plug"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/socket"
	"github.com/elasticcode/flow/store"
)

type slots interface {
	Arrive(ctx context.Context, arrivals []store.Arrival) ([]store.Fired, error)
	PendingFired(ctx context.Context, limit int) ([]store.Fired, error)
	FiredSent(ctx context.Context, ids ...string) error
	ExpireJoins(ctx context.Context, before time.Time) ([]store.Arrival, error)
	ForgetArrivals(ctx context.Context, ids ...string) error
}

// Target is the socket of a join, as far as the joiner needs to know it.
type Target struct {
	Socket model.Socket
	Task   model.Task
	Fed    []string // arguments that plugs feed
}

// Catalog finds the target of a join. ErrUndescribed says that its function is
// not known yet; any other error but store.ErrUnavailable is final.
type Catalog interface {
	Target(ctx context.Context, network, socket string) (Target, error)
}

// ErrUndescribed says that no worker has described the function yet.
var ErrUndescribed = errors.New("the function has not been described yet")

// Values keeps large values, durably.
type Values interface {
	Keep(ctx context.Context, blobs ...model.Blob) error
}

// Config is what a joiner needs.
type Config struct {
	Broker  broker.Broker
	Slots   slots
	Catalog Catalog
	Results result.Store
	Values  Values
	Logger  *slog.Logger
	// Fault, if set, is called at the named points between the steps of a join:
	// tests end the process there.
	Fault func(point string)
}

// Joiner joins. Make one with New.
type Joiner struct {
	cfg    Config
	log    *slog.Logger
	sender *socket.Sender
}

const (
	prefetch  = 256
	resultTTL = 24 * time.Hour
	// sweepEvery is how often fired calls that were not sent (a crash came
	// between) are looked for.
	sweepEvery = 5 * time.Second
)

// New returns a joiner that does nothing until Run.
func New(cfg Config) *Joiner {
	if cfg.Fault == nil {
		cfg.Fault = func(string) {}
	}
	return &Joiner{cfg: cfg, log: cfg.Logger.With("component", "joiner"), sender: socket.NewSender(cfg.Broker)}
}

// Run joins until ctx ends.
func (j *Joiner) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return broker.Batches(ctx, j.cfg.Broker, socket.Joins, prefetch, j.log, j.join) })
	g.Go(func() error { return j.sweep(ctx) })
	g.Go(func() error { return j.expire(ctx) })
	return g.Wait()
}

// sweep looks for fired calls that were not sent, at once and then now and again.
func (j *Joiner) sweep(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		j.resend(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// join brings a batch of values to their slots. They are acked when the slots
// are filled and what fired is on its way.
func (j *Joiner) join(ctx context.Context, ds []*broker.Delivery) {
	var arrivals []store.Arrival
	var large []model.Blob
	var these []*broker.Delivery
	j.cfg.Fault("join received")
	for _, d := range ds {
		a, blobs, err := j.arrival(ctx, d)
		switch {
		case err == nil:
			arrivals, large, these = append(arrivals, a), append(large, blobs...), append(these, d)
		case !final(err):
			j.settle(ctx, d, d.Retry(ctx, time.Second, nil, nil))
		default:
			j.log.Error("a value finds no join", "call_id", d.ID, "err", err)
			j.settle(ctx, d, d.Dead(ctx, err.Error()))
		}
	}
	if len(arrivals) == 0 {
		return
	}
	refused, ok := j.bring(ctx, arrivals, large)
	if !ok {
		return
	}
	j.cfg.Fault("join before ack")
	for i, d := range these {
		if why, bad := refused[i]; bad {
			j.log.Error("a value cannot be kept", "call_id", d.ID, "err", why)
			j.settle(ctx, d, d.Dead(ctx, why))
			continue
		}
		j.settle(ctx, d, d.Ack(ctx))
	}
}

// bring fills the slots and sends what fires, until that succeeds; false when ctx
// ends first. It returns why some of the values can never be kept, by their places.
func (j *Joiner) bring(ctx context.Context, arrivals []store.Arrival, large []model.Blob) (refused map[int]string, ok bool) {
	ok = j.persist(ctx, func(ctx context.Context) error {
		if err := j.cfg.Values.Keep(ctx, large...); err != nil {
			return err
		}
		fired, err := j.cfg.Slots.Arrive(ctx, arrivals)
		if unfit, some := errors.AsType[*store.Unfit](err); some { // all others are in their slots
			refused, err = unfit.Reasons, nil
		}
		if err != nil {
			return err
		}
		j.cfg.Fault("join fired")
		return j.send(ctx, fired, false)
	})
	return refused, ok
}

// arrival reads a value for a join and finds out what it has to meet. A large
// value that another client sent inside is taken out: it may wait for long.
func (j *Joiner) arrival(ctx context.Context, d *broker.Delivery) (store.Arrival, []model.Blob, error) {
	env, err := socket.Decode(d.Body)
	if err != nil {
		return store.Arrival{}, nil, err
	}
	env, large := env.Seal()
	network := env.Network
	if network == "" {
		network = model.DefaultNetwork
	}
	t, err := j.cfg.Catalog.Target(ctx, network, env.Socket)
	if err != nil {
		return store.Arrival{}, nil, fmt.Errorf("argument %s of socket %s: %w", env.Argument, env.Socket, err)
	}
	if a, ok := t.Task.Argument(env.Argument); !ok || !a.Input() {
		return store.Arrival{}, nil, fmt.Errorf("function %s of socket %s has no argument %q", t.Task.Name, env.Socket, env.Argument)
	}
	parent := env.ID
	if len(env.Parents) > 0 {
		parent = env.Parents[0]
	}
	return store.Arrival{
		ID: env.ID, Network: network, Socket: env.Socket, Policy: t.Socket.Join,
		Needs: plug.Needs(t.Task, append([]string{env.Argument}, t.Fed...)), Argument: env.Argument, Value: env.Args[0],
		Refs:     model.Rebase(env.Refs, "/args/0", ""),
		Tracking: env.Tracking, Parent: parent, Origin: env.Origin, Priority: env.Priority.Brief(), Created: time.Now().UTC(),
	}, large, nil
}

// resend sends the fired calls that a crash left in the outbox.
func (j *Joiner) resend(ctx context.Context) {
	fired, err := j.cfg.Slots.PendingFired(ctx, 500)
	if err == nil {
		err = j.send(ctx, fired, true)
	}
	if err != nil && ctx.Err() == nil {
		j.log.Warn("fired calls wait in the outbox", "err", err)
	}
}

// send publishes the joined calls and tells those who wait for an argument's
// call where it went.
func (j *Joiner) send(ctx context.Context, fired []store.Fired, again bool) error {
	if len(fired) == 0 {
		return nil
	}
	var calls []socket.Outgoing
	var records []model.Call
	var results []result.Result
	var sent []string
	for _, f := range fired {
		t, err := j.cfg.Catalog.Target(ctx, f.Network, f.Socket)
		if final(err) {
			records = append(records, stillborn(f, err))
			sent = append(sent, f.ID)
			continue
		}
		if err != nil {
			return fmt.Errorf("joined call %s of socket %s: %w", f.ID, f.Socket, err)
		}
		env := envelope(f, t)
		if size := env.Size() + around; size > model.MaxPayload {
			end := oversize(env, size)
			records = append(records, end)
			results = append(results, result.Result{Call: f.ID, State: end.State, Failure: end.Failure, Finished: *end.Finished})
		} else {
			calls = append(calls, socket.Outgoing{Envelope: env, To: socket.Direct(t.Socket, env.Priority), Repeat: again})
			records = append(records, env.Call(model.Queued))
		}
		records = append(records, arrivals(f)...)
		for _, id := range f.Arrivals {
			results = append(results, result.Result{Call: id, State: model.Succeeded, Value: json.RawMessage("null"), Joined: f.ID, Finished: env.Created})
		}
		sent = append(sent, f.ID)
	}
	if _, err := j.cfg.Results.Put(ctx, resultTTL, results...); err != nil {
		return err
	}
	j.cfg.Fault("join told")
	if err := j.sender.Send(ctx, calls, records); err != nil {
		return err
	}
	j.cfg.Fault("join sent")
	return j.cfg.Slots.FiredSent(ctx, sent...)
}

// final tells whether looking for the target again is useless.
func final(err error) bool {
	return err != nil && !errors.Is(err, ErrUndescribed) && !errors.Is(err, store.ErrUnavailable) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled)
}

// stillborn is the record of a joined call whose socket was deleted before it
// could be sent.
func stillborn(f store.Fired, why error) model.Call {
	now := time.Now().UTC()
	return model.Call{
		ID: f.ID, Tracking: f.Tracking, Parents: f.Parents, Network: f.Network, Socket: f.Socket, Origin: f.Origin, Priority: f.Priority,
		Kwargs: f.Values, Refs: model.Rebase(f.Refs, "", "/kwargs"), State: model.Dead, Created: now, Finished: &now,
		Failure: &model.Failure{Error: "SocketNotFound", Message: why.Error(), Permanent: true},
	}
}

// around is about what a call has beside its values.
const around = 4 << 10

// oversize is the record of a joined call whose values, each of which is fine,
// are too large together.
func oversize(env model.Envelope, size int) model.Call {
	now := time.Now().UTC()
	c := env.Call(model.Dead)
	c.Finished = &now
	c.Failure = &model.Failure{Error: model.FailureTooLarge, Permanent: true,
		Message: fmt.Sprintf("the arguments that met have %d bytes together, and %d is the limit: store large data elsewhere and pass its address", size, model.MaxPayload)}
	c.Events = []model.Event{{Name: string(c.State), Time: now, Note: c.Failure.Message}}
	return c
}

func envelope(f store.Fired, t Target) model.Envelope {
	args, kwargs, refs := plug.Arguments(t.Task, f.Values, f.Refs)
	return model.Envelope{
		ID: f.ID, Tracking: f.Tracking, Parents: f.Parents, Network: f.Network, Socket: f.Socket,
		Args: args, Kwargs: kwargs, Refs: refs, Priority: f.Priority, Origin: f.Origin, Created: f.Created, // the same when it is sent again
	}
}

// arrivals are the records of the values that were submitted by themselves, not
// by a plug: they have ended, and their outcome is that of the joined call.
func arrivals(f store.Fired) []model.Call {
	parents := map[string]bool{}
	for _, p := range f.Parents {
		parents[p] = true
	}
	now := time.Now().UTC()
	var out []model.Call
	for _, id := range f.Arrivals {
		if parents[id] {
			out = append(out, model.Call{
				ID: id, Network: f.Network, Socket: f.Socket, State: model.Succeeded, Joined: f.ID, Finished: &now,
				Events: []model.Event{{Name: "joined", Time: now, Note: "Became part of call " + f.ID}},
			})
		}
	}
	return out
}

// persist tries a step until it succeeds; false when ctx ends first.
func (j *Joiner) persist(ctx context.Context, step func(context.Context) error) bool {
	wait := 100 * time.Millisecond
	for {
		trying, cancel := context.WithTimeout(ctx, 30*time.Second)
		err := step(trying)
		cancel()
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		j.log.Warn("values wait for their join", "err", err, "in", wait)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, 5*time.Second)
	}
}

func (j *Joiner) settle(ctx context.Context, d *broker.Delivery, err error) {
	if err != nil && ctx.Err() == nil && !errors.Is(err, broker.ErrSessionGone) {
		j.log.Warn("settle", "call_id", d.ID, "err", err)
	}
}
