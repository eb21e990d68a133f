package topology

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/socket"
)

// Gone names things whose broker queues are not needed any more.
type Gone struct {
	Network string
	Sockets []model.Endpoint // their own queues, and shared ones that nobody else takes from
	Plugs   []model.Plug     // the queues that the edges have for themselves
	Queues  []model.Queue    // the exchanges of queue objects
	// Moving says that the sockets only leave their own queues, and stay at their processors.
	Moving bool
}

// leaving is what Gone means on the broker.
type leaving struct {
	queues []string                // that go
	bound  []broker.Queue          // those of them that exchanges send to
	owners map[string]model.Socket // by queue: whose own it is
	moved  map[string]model.Socket // the same: the socket as it is now, if it has another one
	// shared are class queues that stay, since their processors have other
	// sockets; calls in them for the sockets named here go.
	shared  []string
	sockets map[string]bool
}

// Waiting counts the calls in queues that Forget would remove.
func (t *Topology) Waiting(ctx context.Context, g Gone) (int64, error) {
	l, err := t.leaving(ctx, g)
	if err != nil {
		return 0, err
	}
	var total int64
	for _, name := range l.queues {
		stats, err := t.broker.Inspect(ctx, name)
		switch {
		case errors.Is(err, broker.ErrNotFound):
		case err != nil:
			return 0, fmt.Errorf("ask the broker for queue %s: %w", name, err)
		default:
			total += stats[0].Messages
		}
	}
	for _, name := range l.shared {
		n, err := t.among(ctx, name, l.sockets)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// among counts the calls for the sockets in a queue, as far as can be looked.
func (t *Topology) among(ctx context.Context, queue string, sockets map[string]bool) (n int64, err error) {
	const far = 1000
	stats, err := t.broker.Inspect(ctx, queue)
	if errors.Is(err, broker.ErrNotFound) || err == nil && stats[0].Messages == 0 {
		return 0, nil
	}
	var msgs []broker.Message
	if err == nil {
		msgs, err = t.broker.Peek(ctx, queue, far)
	}
	if err != nil {
		return 0, fmt.Errorf("look into queue %s: %w", queue, err)
	}
	for _, m := range msgs {
		if env, err := socket.Decode(m.Body); err == nil && sockets[env.Socket] {
			n++
		}
	}
	return n, nil
}

// Forget removes queues and exchanges. Calls that wait in them end as cancelled;
// those of a socket that has moved follow it.
func (t *Topology) Forget(ctx context.Context, g Gone) error {
	l, err := t.leaving(ctx, g)
	if err != nil {
		return err
	}
	var gone broker.Topology
	defer t.forgotten(l.queues)
	if err := t.close(ctx, l.bound); err != nil {
		return err
	}
	for _, name := range l.queues {
		act := t.cancelling("its queue was deleted")
		if s, ok := l.moved[name]; ok {
			act = t.sending(s)
		}
		if _, err := t.withdraw(ctx, source{queue: name, owner: l.owners[name]}, act); err != nil && !errors.Is(err, broker.ErrNotFound) {
			return err
		}
		gone.Queues = append(gone.Queues, broker.Queue{Name: name})
	}
	for _, q := range g.Queues {
		gone.Exchanges = append(gone.Exchanges, broker.Exchange{Name: socket.Exchange(q)})
	}
	if err := t.broker.Remove(ctx, gone); err != nil {
		return err
	}
	// What is not found in the shared ones is passed on by a worker to the
	// socket's own queue, which is gone by now, and so to the dead letters.
	for _, name := range l.shared {
		_, err := t.withdraw(ctx, source{queue: name, meant: l.sockets}, t.cancelling("its socket was deleted"))
		if err != nil && !errors.Is(err, broker.ErrNotFound) {
			return err
		}
	}
	return nil
}

// close lets nothing into queues any more, and waits for what is on its way: what is
// sent there by somebody who does not know of the change yet comes back to him, instead
// of going with the queue.
func (t *Topology) close(ctx context.Context, queues []broker.Queue) error {
	if len(queues) == 0 {
		return nil
	}
	if err := t.broker.Unbind(ctx, queues...); err != nil {
		return err
	}
	select {
	case <-time.After(quiet):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// leaving finds the broker queues that go: a function's shared queue stays while
// another socket exposes it, and those of the classes while their processor has
// another socket.
func (t *Topology) leaving(ctx context.Context, g Gone) (leaving, error) {
	l := leaving{sockets: map[string]bool{}, owners: map[string]model.Socket{}, moved: map[string]model.Socket{}}
	for _, p := range g.Plugs {
		if p.Queue != "" {
			l.queues = append(l.queues, socket.EdgeQueue(p))
		}
	}
	if len(g.Sockets) == 0 {
		return l, nil
	}
	all, err := t.objects.Endpoints(ctx, g.Network)
	if err != nil {
		return l, err
	}
	going := map[string]bool{} // by address: one that has moved needs those of its new one
	for _, e := range g.Sockets {
		going[socket.OwnQueue(e.Socket)] = !g.Moving
	}
	needed := map[string]bool{}
	for _, e := range all {
		if going[socket.OwnQueue(e.Socket)] {
			continue
		}
		needed[shared(e)] = true
		for _, q := range classes(e) {
			needed[q] = true
		}
	}
	for _, e := range g.Sockets {
		own := socket.OwnQueue(e.Socket)
		l.queues = append(l.queues, own)
		l.bound = append(l.bound, socket.Bound(e))
		l.owners[own] = e.Socket
		for _, q := range append(classes(e), shared(e)) {
			if !needed[q] {
				l.queues = append(l.queues, q)
				needed[q] = true // once
			}
		}
		if now, ok := moved(e, all); ok {
			l.moved[own] = now
			if now.Processor == e.Socket.Processor {
				continue // what the classes have is for it still
			}
		}
		if g.Moving {
			continue
		}
		l.sockets[e.Socket.Name] = true
		l.shared = append(l.shared, classes(e)...)
	}
	l.shared = slices.DeleteFunc(l.shared, func(q string) bool { return slices.Contains(l.queues, q) })
	slices.Sort(l.shared)
	l.shared = slices.Compact(l.shared)
	return l, nil
}

// moved returns the socket as it is now, if it has another address.
func moved(e model.Endpoint, all []model.Endpoint) (model.Socket, bool) {
	i := slices.IndexFunc(all, func(now model.Endpoint) bool {
		return now.Socket.Name == e.Socket.Name && socket.OwnQueue(now.Socket) != socket.OwnQueue(e.Socket)
	})
	if i < 0 {
		return model.Socket{}, false
	}
	return all[i].Socket, true
}

func classes(e model.Endpoint) []string {
	return socket.ClassQueues(e.Socket.Network, e.Socket.Processor)
}

func shared(e model.Endpoint) string {
	return socket.SharedQueue(e.Socket.Network, e.Module, e.Socket.Task)
}
