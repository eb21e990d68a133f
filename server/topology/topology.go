// Package topology keeps the broker in the form that the model wants: an
// exchange for each queue object, the broker queues of each socket and edge,
// and the engine's own. Workers only use what it declares.
package topology

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/socket"
)

type objects interface {
	Endpoints(ctx context.Context, network string) ([]model.Endpoint, error)
}

// Topology declares. Make one with New.
type Topology struct {
	broker  broker.Broker
	objects objects
	log     *slog.Logger
}

// New returns a topology of the model on b.
func New(b broker.Broker, o objects, log *slog.Logger) *Topology {
	return &Topology{broker: b, objects: o, log: log.With("component", "topology")}
}

// repairEvery is how often everything is declared again, in case a broker lost
// it (a wiped host, a queue deleted by hand).
const repairEvery = time.Minute

// Run keeps the broker as the model wants it until ctx ends.
func (t *Topology) Run(ctx context.Context) error {
	wait := time.Duration(0)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		wait = repairEvery
		if err := t.ApplyAll(ctx); err != nil && ctx.Err() == nil {
			t.log.Warn("queues cannot be declared now, trying again", "err", err)
			wait = 2 * time.Second
		}
	}
}

// ApplyAll declares everything that the model wants, in all networks.
func (t *Topology) ApplyAll(ctx context.Context) error {
	if err := t.broker.Declare(ctx, socket.Engine()); err != nil {
		return fmt.Errorf("declare the engine's queues: %w", err)
	}
	endpoints, err := t.objects.Endpoints(ctx, "")
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range endpoints {
		if err := t.ApplyEndpoint(ctx, e); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// ApplyQueue declares the exchange of a queue object, before it has sockets.
func (t *Topology) ApplyQueue(ctx context.Context, q model.Queue) error {
	x := broker.Exchange{Name: socket.Exchange(q), Kind: broker.Kind(q.Type)}
	if err := t.broker.Declare(ctx, broker.Topology{Exchanges: []broker.Exchange{x}}); err != nil {
		return fmt.Errorf("declare queue %s on the broker: %w", q.Name, err)
	}
	return nil
}

// ApplyEndpoint declares the broker queues of a socket and of the edges that end
// at it.
func (t *Topology) ApplyEndpoint(ctx context.Context, e model.Endpoint) error {
	if err := t.broker.Declare(ctx, socket.Topology(e)); err != nil {
		return fmt.Errorf("declare socket %s on the broker: %w", e.Socket.Name, err)
	}
	return nil
}

// ForgetQueue removes the exchange of a queue object.
func (t *Topology) ForgetQueue(ctx context.Context, q model.Queue) error {
	return t.broker.Remove(ctx, broker.Topology{Exchanges: []broker.Exchange{{Name: socket.Exchange(q)}}})
}

// ForgetEndpoint removes the broker queues of a socket, with the calls in them.
// The function's shared queue stays while another socket exposes it.
func (t *Topology) ForgetEndpoint(ctx context.Context, e model.Endpoint) error {
	all, err := t.objects.Endpoints(ctx, e.Socket.Network)
	if err != nil {
		return err
	}
	shared := socket.SharedQueue(e.Socket.Network, e.Module, e.Socket.Task)
	gone := []broker.Queue{{Name: socket.OwnQueue(e.Socket)}}
	keep := false
	for _, other := range all {
		keep = keep || other.Socket.ID != e.Socket.ID && socket.SharedQueue(other.Socket.Network, other.Module, other.Socket.Task) == shared
	}
	if !keep {
		gone = append(gone, broker.Queue{Name: shared})
	}
	return t.broker.Remove(ctx, broker.Topology{Queues: gone})
}

// ForgetPlug removes the queue that a plug had for itself, with the calls in it.
func (t *Topology) ForgetPlug(ctx context.Context, p model.Plug) error {
	if p.Queue == "" {
		return nil
	}
	return t.broker.Remove(ctx, broker.Topology{Queues: []broker.Queue{{Name: socket.EdgeQueue(p)}}})
}
