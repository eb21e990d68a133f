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

// Gone names things whose broker queues are not needed any more.
type Gone struct {
	Network string
	Sockets []model.Endpoint // their own queues, and shared ones that nobody else takes from
	Plugs   []model.Plug     // the queues that the edges have for themselves
	Queues  []model.Queue    // the exchanges of queue objects
}

// Waiting counts the calls in queues that Forget would remove.
func (t *Topology) Waiting(ctx context.Context, g Gone) (int64, error) {
	names, err := t.queues(ctx, g)
	if err != nil {
		return 0, err
	}
	var total int64
	for _, name := range names {
		stats, err := t.broker.Inspect(ctx, name)
		switch {
		case errors.Is(err, broker.ErrNotFound):
		case err != nil:
			return 0, fmt.Errorf("ask the broker for queue %s: %w", name, err)
		default:
			total += stats[0].Messages
		}
	}
	return total, nil
}

// Forget removes queues and exchanges. Calls that wait in them end as cancelled.
func (t *Topology) Forget(ctx context.Context, g Gone) error {
	names, err := t.queues(ctx, g)
	if err != nil {
		return err
	}
	var gone broker.Topology
	for _, name := range names {
		if _, err := t.withdraw(ctx, name, "its queue was deleted"); err != nil && !errors.Is(err, broker.ErrNotFound) {
			return err
		}
		gone.Queues = append(gone.Queues, broker.Queue{Name: name})
	}
	for _, q := range g.Queues {
		gone.Exchanges = append(gone.Exchanges, broker.Exchange{Name: socket.Exchange(q)})
	}
	return t.broker.Remove(ctx, gone)
}

// queues names the broker queues that go: a function's shared queue stays while
// another socket exposes it.
func (t *Topology) queues(ctx context.Context, g Gone) ([]string, error) {
	var names []string
	for _, p := range g.Plugs {
		if p.Queue != "" {
			names = append(names, socket.EdgeQueue(p))
		}
	}
	if len(g.Sockets) == 0 {
		return names, nil
	}
	all, err := t.objects.Endpoints(ctx, g.Network)
	if err != nil {
		return nil, err
	}
	going := map[string]bool{}
	for _, e := range g.Sockets {
		going[e.Socket.ID] = true
	}
	needed := map[string]bool{}
	for _, e := range all {
		if !going[e.Socket.ID] {
			needed[shared(e)] = true
		}
	}
	for _, e := range g.Sockets {
		names = append(names, socket.OwnQueue(e.Socket))
		if q := shared(e); !needed[q] {
			names = append(names, q)
			needed[q] = true // once
		}
	}
	return names, nil
}

func shared(e model.Endpoint) string {
	return socket.SharedQueue(e.Socket.Network, e.Module, e.Socket.Task)
}

// quiet is how long a queue has to give nothing before it counts as empty.
const quiet = 250 * time.Millisecond

// withdraw takes every call out of a queue and records it as cancelled, so that
// none of them ends without a trace. It returns how many they were.
func (t *Topology) withdraw(ctx context.Context, queue, why string) (int64, error) {
	stats, err := t.broker.Inspect(ctx, queue)
	if err != nil || stats[0].Messages == 0 {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	in := make(chan *broker.Delivery, 256)
	taking, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- t.broker.Consume(taking, queue, cap(in), in) }()
	total, err := t.cancelAll(ctx, in, why)
	stop()
	err = errors.Join(err, <-ended)
	for len(in) > 0 {
		_ = (<-in).Release(ctx) // it comes back by itself otherwise
	}
	return total, err
}

func (t *Topology) cancelAll(ctx context.Context, in <-chan *broker.Delivery, why string) (total int64, err error) {
	for {
		select {
		case <-ctx.Done():
			return total, ctx.Err()
		case <-time.After(quiet):
			return total, nil
		case d := <-in:
			if err := t.cancel(ctx, d, why); err != nil {
				return total, err
			}
			total++
		}
	}
}

func (t *Topology) cancel(ctx context.Context, d *broker.Delivery, why string) error {
	env, err := socket.Decode(d.Body)
	if err != nil {
		return d.Dead(ctx, err.Error())
	}
	now := time.Now().UTC()
	c := env.Call(model.Cancelled)
	c.Finished = &now
	c.Failure = &model.Failure{Error: model.FailureCancelled, Message: "the call was withdrawn: " + why, Permanent: true}
	c.Events = []model.Event{{Name: "cancelled", Time: now, Note: c.Failure.Message}}
	if _, err := t.results.Put(ctx, resultTTL, result.Result{Call: c.ID, State: c.State, Failure: c.Failure, Finished: now}); err != nil {
		return err
	}
	if err := t.sender.Send(ctx, nil, []model.Call{c}); err != nil {
		return err
	}
	return d.Ack(ctx)
}

// resultTTL is how long the outcome of a withdrawn call is kept for those who wait.
const resultTTL = 24 * time.Hour
