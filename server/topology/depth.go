package topology

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/socket"
)

// names lists the broker queues that belong to a queue object: its sockets' own,
// those of the edges that name it, and those of the classes of its sockets'
// processors, where calls for sockets of other queue objects may wait, too. On are
// the sockets on the queue object, owners those that queues are the own ones of.
func (t *Topology) names(ctx context.Context, network, queue string) (names []string, on map[string]bool, owners map[string]model.Socket, err error) {
	endpoints, err := t.objects.Endpoints(ctx, network)
	if err != nil {
		return nil, nil, nil, err
	}
	on, owners = map[string]bool{}, map[string]model.Socket{}
	var classes []string
	for _, e := range endpoints {
		if e.Queue.Name == queue {
			on[e.Socket.Name] = true
			own := socket.OwnQueue(e.Socket)
			names, owners[own] = append(names, own), e.Socket
			classes = append(classes, socket.ClassQueues(network, e.Socket.Processor)...)
		}
		for _, p := range e.In {
			if p.Queue == queue {
				names = append(names, socket.EdgeQueue(p))
			}
		}
	}
	slices.Sort(classes)
	return append(names, slices.Compact(classes)...), on, owners, nil
}

// Depth asks the broker how full the queues of a queue object are.
func (t *Topology) Depth(ctx context.Context, network, queue string) ([]model.QueueDepth, error) {
	names, _, _, err := t.names(ctx, network, queue)
	if err != nil {
		return nil, err
	}
	out := make([]model.QueueDepth, 0, len(names))
	for _, name := range names {
		stats, err := t.broker.Inspect(ctx, name)
		if errors.Is(err, broker.ErrNotFound) {
			continue // removed a moment ago, or not declared yet
		}
		if err != nil {
			return nil, fmt.Errorf("ask the broker for queue %s: %w", name, err)
		}
		out = append(out, model.QueueDepth{Name: name, Queue: queue, Messages: stats[0].Messages, Unacked: stats[0].Unacked, Consumers: stats[0].Consumers})
	}
	return out, nil
}

// Peek returns up to n messages that wait in the queues of a queue object.
func (t *Topology) Peek(ctx context.Context, network, queue string, n int) ([]client.QueuedMessage, error) {
	names, on, _, err := t.names(ctx, network, queue)
	if err != nil {
		return nil, err
	}
	out := []client.QueuedMessage{}
	for _, name := range names {
		if len(out) >= n {
			break
		}
		msgs, err := t.broker.Peek(ctx, name, n-len(out))
		if err != nil && !errors.Is(err, broker.ErrNotFound) {
			return nil, fmt.Errorf("look into queue %s: %w", name, err)
		}
		for _, m := range msgs {
			q := client.QueuedMessage{ID: m.ID, Queue: name, Headers: m.Headers}
			if env, err := socket.Decode(m.Body); err == nil {
				if socket.InClass(name) && !on[env.Socket] {
					continue
				}
				q.Call = &env
			} else {
				q.Body = string(m.Body)
			}
			out = append(out, q)
		}
	}
	return out, nil
}

// Purge ends the calls that wait in the queues of a queue object as cancelled,
// and tells how many they were.
func (t *Topology) Purge(ctx context.Context, network, queue string) (int64, error) {
	names, on, owners, err := t.names(ctx, network, queue)
	if err != nil {
		return 0, err
	}
	var total int64
	for _, name := range names {
		from := source{queue: name, owner: owners[name]}
		if socket.InClass(name) {
			from.meant = on
		}
		n, err := t.withdraw(ctx, from, t.cancelling("its queue was purged"))
		total += n
		if err != nil && !errors.Is(err, broker.ErrNotFound) {
			return total, fmt.Errorf("purge queue %s: %w", name, err)
		}
	}
	return total, nil
}
