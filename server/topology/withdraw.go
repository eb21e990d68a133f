package topology

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/socket"
)

const (
	// quiet is how long a queue has to give nothing before it counts as empty.
	quiet = 250 * time.Millisecond
	// most is how many calls for other sockets withdraw holds while it looks for
	// those that are to be withdrawn.
	most = 5000
	// together is how many calls are acted on together.
	together = 256
	// resultTTL is how long the outcome of a withdrawn call is kept for those who wait.
	resultTTL = 24 * time.Hour
)

// source is a queue that calls are taken out of.
type source struct {
	queue string
	// owner is whose own queue it is; zero: that of several. On a fanout or topic
	// exchange, what waits there is the owner's own copy of a call.
	owner model.Socket
	// meant are the sockets whose calls are to be taken out of the queue of a class;
	// nil: all.
	meant map[string]bool
}

// taken is a call that was taken out of a queue.
type taken struct {
	call     model.Envelope
	delivery *broker.Delivery
}

// action is what becomes of calls that were taken out.
type action func(ctx context.Context, calls []taken) error

// withdraw takes calls out of a queue, so that none of them ends without a trace. It
// returns how many they were.
func (t *Topology) withdraw(ctx context.Context, from source, act action) (int64, error) {
	if empty, err := t.empty(ctx, from.queue); empty || err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	in := make(chan *broker.Delivery, together)
	prefetch := together
	if from.meant != nil {
		prefetch = most
	}
	taking, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- t.broker.Consume(taking, from.queue, prefetch, in) }()
	total, held, err := t.takeOut(ctx, in, from, act)
	stop()
	err = errors.Join(err, <-ended)
	for len(in) > 0 {
		held = append(held, <-in)
	}
	for _, d := range held {
		_ = d.Release(ctx) // it comes back by itself otherwise
	}
	return total, err
}

// empty tells whether nothing is ready in a queue. A broker may count what was just
// published a moment later, so it is looked whether there is any.
func (t *Topology) empty(ctx context.Context, queue string) (bool, error) {
	stats, err := t.broker.Inspect(ctx, queue)
	if err != nil || stats[0].Messages > 0 {
		return false, err
	}
	msgs, err := t.broker.Peek(ctx, queue, 1)
	return len(msgs) == 0, err
}

// takeOut acts on what is meant of all that comes, and returns the rest.
func (t *Topology) takeOut(ctx context.Context, in <-chan *broker.Delivery, from source, act action) (total int64, held []*broker.Delivery, err error) {
	for len(held) < most {
		select {
		case <-ctx.Done():
			return total, held, ctx.Err()
		case <-time.After(quiet):
			return total, held, nil
		case d := <-in:
			calls, others, err := open(ctx, gather(d, in), from)
			held = append(held, others...)
			if err == nil && len(calls) > 0 {
				err = act(ctx, calls)
			}
			if err != nil {
				return total, held, err
			}
			total += int64(len(calls))
		}
	}
	return total, held, fmt.Errorf("%d calls for other sockets wait in the same queue: let them run first", most)
}

// gather returns first and what else is ready.
func gather(first *broker.Delivery, more <-chan *broker.Delivery) []*broker.Delivery {
	out := []*broker.Delivery{first}
	for len(out) < together && len(more) > 0 {
		out = append(out, <-more)
	}
	return out
}

// open reads calls. What is none goes to the dead letters, and what is not meant is
// returned.
func open(ctx context.Context, ds []*broker.Delivery, from source) (calls []taken, others []*broker.Delivery, err error) {
	for _, d := range ds {
		env, wrong := socket.Decode(d.Body)
		switch {
		case from.meant != nil && (wrong != nil || !from.meant[env.Socket]):
			others = append(others, d)
			continue
		case wrong != nil:
			err = errors.Join(err, d.Dead(ctx, wrong.Error()))
			continue
		case from.owner.Name != "" && env.Socket != "" && env.Socket != from.owner.Name:
			env = socket.Copy(env, from.owner)
		}
		calls = append(calls, taken{env, d})
	}
	return calls, others, err
}

// cancelling records calls as cancelled, but for those that have ended before.
func (t *Topology) cancelling(why string) action {
	return func(ctx context.Context, calls []taken) error {
		now := time.Now().UTC()
		failure := &model.Failure{Error: model.FailureCancelled, Message: "the call was withdrawn: " + why, Permanent: true}
		ends := make([]result.Result, len(calls))
		for i, c := range calls {
			ends[i] = result.Result{Call: c.call.ID, State: model.Cancelled, Failure: failure, Attempt: c.call.Attempt, Finished: now}
		}
		earlier, err := t.results.Put(ctx, resultTTL, ends...)
		if err != nil {
			return err
		}
		ended := map[string]bool{} // their records are on their way
		for _, r := range earlier {
			ended[r.Call] = true
		}
		var records []model.Call
		for _, c := range calls {
			if ended[c.call.ID] {
				continue
			}
			rec := c.call.Call(model.Cancelled)
			rec.Finished, rec.Failure = &now, failure
			rec.Events = []model.Event{{Name: "cancelled", Time: now, Note: failure.Message}}
			records = append(records, rec)
		}
		if err := t.sender.Send(ctx, nil, records); err != nil {
			return err
		}
		return ack(ctx, calls)
	}
}

// sending sends calls to the queue that their socket has now.
func (t *Topology) sending(s model.Socket) action {
	return func(ctx context.Context, calls []taken) error {
		again := make([]socket.Outgoing, len(calls))
		for i, c := range calls {
			again[i] = socket.Outgoing{Envelope: c.call, To: socket.Direct(s, c.call.Priority), Repeat: true}
		}
		if err := t.sender.Send(ctx, again, nil); err != nil {
			return err
		}
		return ack(ctx, calls)
	}
}

func ack(ctx context.Context, calls []taken) error {
	var errs []error
	for _, c := range calls {
		errs = append(errs, c.delivery.Ack(ctx))
	}
	return errors.Join(errs...)
}
