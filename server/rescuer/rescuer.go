// Package rescuer sends calls again whose messages are gone: a broker lost its disk,
// somebody purged or deleted a queue by hand, or a queue expired with what was in it.
// The history has such a call as under way for ever, and nothing else would end it.
//
// That a message is gone is concluded, not seen. It is, when for a while
//
//   - the history has seen no progress of the call, and waits for no records,
//   - all queues that the message could be in were empty, twice,
//   - nobody has a claim to run the call,
//   - and nothing was away meanwhile, and the broker takes messages: else workers put
//     back what they cannot tell, and calls are on their way to the broker.
//
// The conclusion may be wrong, for a message that is on its way back to its queue
// after a delay. Then there are two messages of one call, which workers know how to
// tell from two calls, as after any publish in doubt: one is run, the other is
// dropped. So that such copies do not add up, each is sent later than the one before.
//
// A call whose result is known is sent again, too: a worker then does what is left to
// do, the calls that follow and the record. What is not in the history cannot be
// rescued: calls whose record was lost together with them.
package rescuer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/socket"
	"github.com/elasticcode/flow/store"
)

type history interface {
	Underway(ctx context.Context, before time.Time) ([]store.Underway, error)
	UnderwayOf(ctx context.Context, network, socket string, before time.Time, after string, limit int) ([]model.Call, error)
	CallsByID(ctx context.Context, ids ...string) ([]model.Call, error)
	Endpoints(ctx context.Context, network string) ([]model.Endpoint, error)
	Ping(ctx context.Context) error
}

type queues interface {
	Inspect(ctx context.Context, queues ...string) ([]broker.Stats, error)
	Publish(ctx context.Context, msgs ...broker.Message) error
}

type claimer interface {
	Claim(ctx context.Context, holder string, lease time.Duration, calls ...string) ([]result.Claim, error)
	Release(ctx context.Context, holder string, calls ...string) error
}

type sender interface {
	Send(ctx context.Context, calls []socket.Outgoing, records []model.Call) error
}

// Config is what a rescuer needs.
type Config struct {
	History history
	Queues  queues
	Claims  claimer
	Sender  sender
	Logger  *slog.Logger
}

// Rescuer rescues. Make one with New.
type Rescuer struct {
	cfg    Config
	log    *slog.Logger
	holder string
	watch  map[place]map[string]mark // calls that may be lost, by id
}

// place is a socket.
type place struct{ network, socket string }

// mark is what is remembered of a call that may be lost.
type mark struct {
	state   model.State
	attempt int
	since   time.Time // when its queues were empty and nothing had happened
	sent    int       // how often it was sent again
}

const (
	// every is how often is looked, and young how old a call is at least that is
	// looked at: the history may know of it, and of its end, a moment later.
	every = 15 * time.Second
	young = 15 * time.Second
	// patience is for how long nothing may happen to a call before it counts as lost.
	// It is longer than any delay after which workers put back what they cannot run now.
	patience = 30 * time.Second
	// beat is how often it is found out, while calls are suspected, whether others get on,
	// and unwell how long an answer takes at least that counts as none. Workers think so
	// after a third of a lease.
	beat   = time.Second
	unwell = 3 * time.Second
	// mostPatience is how long it is at most for one that was sent again often.
	mostPatience = time.Hour
	// lease is how long a call is claimed to find out whether somebody runs it.
	lease = 10 * time.Second
	// atOnce is how many calls are read, and sent, together; watched how many are
	// looked at in one round: of a million lost ones, the others have their turn later.
	atOnce  = 256
	watched = 50_000
)

// New returns a rescuer.
func New(cfg Config) *Rescuer {
	return &Rescuer{cfg: cfg, log: cfg.Logger.With("component", "rescuer"), holder: "rescue/" + model.NewID(), watch: map[place]map[string]mark{}}
}

// Run looks for lost calls until ctx ends.
func (r *Rescuer) Run(ctx context.Context) error {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	next := time.Now().Add(every)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		begun := time.Now()
		err := r.feel(ctx)
		if err == nil && !begun.Before(next) {
			err = r.look(ctx, begun)
			next = time.Now().Add(max(every, 50*time.Since(begun))) // it is to cost next to nothing, however many calls wait
		}
		if err != nil && ctx.Err() == nil {
			r.log.Debug("lost calls cannot be looked for now", "err", err)
		}
	}
}

// feel forgets the calls that it suspects when others may not get on now: then, and for
// a moment after, that nothing happens to them says nothing.
func (r *Rescuer) feel(ctx context.Context) error {
	if len(r.watch) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, unwell)
	defer cancel()
	err := errors.Join(r.cfg.History.Ping(ctx), result.Probe(ctx, r.cfg.Claims, r.holder), r.knock(ctx))
	if err != nil {
		r.watch = map[place]map[string]mark{}
	}
	return err
}

// knock finds out whether the broker takes messages: while it does not, calls that are
// recorded as queued may be on their way to it. One that goes nowhere comes back.
func (r *Rescuer) knock(ctx context.Context) error {
	err := r.cfg.Queues.Publish(ctx, broker.Message{ID: model.NewID(), Key: socket.Nowhere})
	if err == nil || errors.Is(err, broker.ErrUnroutable) {
		return nil
	}
	return fmt.Errorf("the broker takes no messages: %w", err)
}
