// Package topology keeps the broker in the form that the model wants: an
// exchange for each queue object, the broker queues of each socket and edge,
// and the engine's own. Workers only use what it declares.
package topology

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/socket"
)

type objects interface {
	Endpoints(ctx context.Context, network string) ([]model.Endpoint, error)
}

// Topology declares. Make one with New.
type Topology struct {
	broker  broker.Broker
	objects objects
	results result.Store
	sender  *socket.Sender
	log     *slog.Logger
	missing chan struct{} // that something is missing on the broker

	mu       sync.Mutex // guards declared
	declared map[string]declaration
}

// declaration is that a queue which several sockets share was declared.
type declaration struct {
	queue broker.Queue
	at    time.Time
}

// sharedFor is for how long a shared queue is not declared again for another
// socket: a thousand sockets of a processor share a few queues. It is short, as
// another server may remove one meanwhile with the last socket that it knows.
const sharedFor = 5 * time.Second

// New returns a topology of the model on b. Results are told of calls that end
// because their queue is purged or removed.
func New(b broker.Broker, o objects, r result.Store, log *slog.Logger) *Topology {
	return &Topology{broker: b, objects: o, results: r, sender: socket.NewSender(b), log: log.With("component", "topology"), missing: make(chan struct{}, 1), declared: map[string]declaration{}}
}

// ApplyAll declares the engine's own queues and everything that the model wants,
// in all networks.
func (t *Topology) ApplyAll(ctx context.Context) error {
	if err := t.broker.Declare(ctx, socket.Engine()); err != nil {
		return fmt.Errorf("declare the engine's queues: %w", err)
	}
	return t.Apply(ctx, "")
}

// Apply declares everything that the model wants in a network; in all networks
// when none is named.
func (t *Topology) Apply(ctx context.Context, network string) error {
	endpoints, err := t.objects.Endpoints(ctx, network)
	if err != nil {
		return err
	}
	var errs []error
	done := map[string]bool{}
	for _, e := range endpoints {
		want := socket.Topology(e)
		want.Queues = slices.DeleteFunc(want.Queues, func(q broker.Queue) bool { return done[q.Name] })
		if err := t.declare(ctx, e, want); err != nil {
			errs = append(errs, err)
			continue
		}
		for _, q := range want.Queues { // those that several sockets share are declared once
			done[q.Name] = true
		}
	}
	return errors.Join(errs...)
}

// ApplyEndpoint declares the broker queues of a socket, of the edges that end
// at it, and of the classes of its processor.
func (t *Topology) ApplyEndpoint(ctx context.Context, e model.Endpoint) error {
	want := socket.Topology(e)
	own := socket.OwnQueue(e.Socket)
	want.Queues = slices.DeleteFunc(want.Queues, func(q broker.Queue) bool { return q.Name != own && t.fresh(q) })
	if err := t.declare(ctx, e, want); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(t.declared, func(_ string, d declaration) bool { return now.Sub(d.at) > sharedFor })
	for _, q := range want.Queues {
		if q.Name != own {
			t.declared[q.Name] = declaration{q, now}
		}
	}
	return nil
}

// fresh tells whether the queue was declared like this a moment ago.
func (t *Topology) fresh(q broker.Queue) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	d, ok := t.declared[q.Name]
	return ok && time.Since(d.at) <= sharedFor && reflect.DeepEqual(d.queue, q)
}

// forgotten says that queues are removed, so that the next one who needs them
// declares them.
func (t *Topology) forgotten(queues []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, q := range queues {
		delete(t.declared, q)
	}
}

func (t *Topology) declare(ctx context.Context, e model.Endpoint, want broker.Topology) error {
	if err := t.broker.Declare(ctx, want); err != nil {
		return fmt.Errorf("declare socket %s on the broker: %w", e.Socket.Name, err)
	}
	return nil
}
