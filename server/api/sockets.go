package api

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
)

func (a *API) socketRoutes() {
	const path, item, tag = "/v1/sockets", "/v1/sockets/{name}", "sockets"
	register(a, listOp(path, "list-sockets", tag, "List sockets"), a.listSockets)
	register(a, createOp(path, "create-socket", tag, "Declare a socket"), a.createSocket)
	register(a, getOp(item, "get-socket", tag, "Show a socket"), a.getSocket)
	register(a, updateOp(item, "update-socket", tag, "Change a socket"), a.updateSocket)
	register(a, deleteOp(item, "delete-socket", tag, "Delete a socket that no plug uses"), a.deleteSocket)
}

func (a *API) listSockets(ctx context.Context, in *listing) (*body[model.Page[model.Socket]], error) {
	page, err := a.cfg.Store.Sockets(ctx, in.Network, in.list())
	return &body[model.Page[model.Socket]]{page}, err
}

func (a *API) getSocket(ctx context.Context, in *object) (*body[model.Socket], error) {
	s, err := a.cfg.Store.Socket(ctx, in.Network, in.Name)
	return &body[model.Socket]{s}, err
}

func (a *API) createSocket(ctx context.Context, in *creation[client.SocketInput]) (*body[model.Socket], error) {
	b := in.Body
	limit, err := limited(model.Limit{}, &b.Rate, &b.Burst)
	if err != nil {
		return nil, err
	}
	s := model.Socket{
		Object:    model.Object{Network: in.Network, Name: b.Name, Owner: user(ctx)},
		Processor: b.Processor, Queue: b.Queue, Task: b.Task, MaxAttempts: b.MaxAttempts,
		BackoffMS: b.BackoffMS, BackoffMaxMS: b.BackoffMaxMS, TimeoutMS: b.TimeoutMS, Join: b.Join,
		Limit: limit, MaxRunning: b.MaxRunning, QueueTimeoutMS: b.QueueTimeoutMS,
	}.WithDefaults()
	if err := check(s.Check()); err != nil {
		return nil, err
	}
	if err := taken("socket", s.Name)(a.cfg.Store.Socket(ctx, s.Network, s.Name)); err != nil {
		return nil, err
	}
	e, err := a.surroundings(ctx, s)
	if err != nil {
		return nil, err
	}
	a.shape.Lock()
	defer a.shape.Unlock()
	if err := a.unbound(ctx, s); err != nil {
		return nil, err
	}
	if err := a.cfg.Topology.ApplyEndpoint(ctx, e); err != nil {
		return nil, fmt.Errorf("declare queues of socket %s: %w", s.Name, err)
	}
	s, err = a.cfg.Store.CreateSocket(ctx, s)
	if err != nil {
		if !errors.Is(err, store.ErrExists) { // else another server has just made it: the queues are in use
			a.forget(ctx, Gone{Network: e.Socket.Network, Sockets: []model.Endpoint{e}})
		}
		return nil, err
	}
	a.announce(ctx, "socket", s.Network, s.Name, "created")
	return &body[model.Socket]{s}, nil
}

// surroundings finds what the socket refers to, and checks its function.
func (a *API) surroundings(ctx context.Context, s model.Socket) (model.Endpoint, error) {
	p, err := a.cfg.Store.Processor(ctx, s.Network, s.Processor)
	if err != nil {
		return model.Endpoint{}, err
	}
	q, err := a.cfg.Store.Queue(ctx, s.Network, s.Queue)
	if err != nil {
		return model.Endpoint{}, err
	}
	if err := a.function(ctx, p, s.Task); err != nil {
		return model.Endpoint{}, err
	}
	return model.Endpoint{Socket: s, Queue: q, Module: p.Module}, nil
}

// unbound returns a conflict when another socket has the same broker queue.
func (a *API) unbound(ctx context.Context, s model.Socket) error {
	name, err := a.cfg.Store.SocketAt(ctx, s)
	if err != nil || name == "" {
		return err
	}
	return problem(409, fmt.Sprintf("socket %q is task %s of processor %s on queue %s already", name, s.Task, s.Processor, s.Queue),
		"use that socket, or another queue")
}

func (a *API) updateSocket(ctx context.Context, in *change[client.SocketPatch]) (*body[model.Socket], error) {
	defer a.settle(ctx) // behind the lock
	was, err := a.cfg.Store.Socket(ctx, in.Network, in.Name)
	if err != nil {
		return nil, err
	}
	s := patchSocket(was, in.Body)
	if s.Limit, err = limited(was.Limit, in.Body.Rate, in.Body.Burst); err != nil {
		return nil, err
	}
	if err := check(s.Check()); err != nil {
		return nil, err
	}
	if s.Processor == was.Processor && s.Queue == was.Queue && s.Task == was.Task {
		return a.saveSocket(ctx, s)
	}
	next, err := a.surroundings(ctx, s)
	if err != nil {
		return nil, err
	}
	a.shape.Lock()
	defer a.shape.Unlock()
	old, err := a.endpoint(ctx, was)
	if err != nil {
		return nil, err
	}
	next.In, next.Out = old.In, old.Out
	if err := a.movable(ctx, old, next); err != nil {
		return nil, err
	}
	if err := a.cfg.Topology.ApplyEndpoint(ctx, next); err != nil {
		return nil, fmt.Errorf("declare queues of socket %s: %w", s.Name, err)
	}
	out, err := a.saveSocket(ctx, s)
	if err != nil {
		return nil, err
	}
	a.leave(ctx, Gone{Network: in.Network, Sockets: []model.Endpoint{old}})
	return out, nil
}

// movable returns a conflict when the socket cannot leave its address: calls
// wait there, another socket has the new one, or a plug feeds an argument that
// the new function lacks.
func (a *API) movable(ctx context.Context, old, next model.Endpoint) error {
	if err := a.unbound(ctx, next.Socket); err != nil {
		return err
	}
	gone := Gone{Network: old.Socket.Network, Sockets: []model.Endpoint{old}, Moving: next.Socket.Processor == old.Socket.Processor && next.Socket.Task == old.Socket.Task}
	if err := a.drained(ctx, gone, "socket "+old.Socket.Name); err != nil {
		return err
	}
	if next.Socket.Task == old.Socket.Task && next.Socket.Processor == old.Socket.Processor {
		return nil
	}
	plugs, err := everything(func(l store.List) (model.Page[model.Plug], error) {
		return a.cfg.Store.Plugs(ctx, next.Socket.Network, l)
	})
	if err != nil {
		return err
	}
	for _, p := range plugs {
		if p.Target != next.Socket.Name || p.Argument == "" {
			continue
		}
		if err := a.takes(ctx, next.Socket, p.Argument); err != nil {
			return about("plug "+p.Name, err)
		}
	}
	return nil
}

// drained returns a conflict when calls wait in queues that are to be removed, or for
// another attempt, or are in one of the states.
func (a *API) drained(ctx context.Context, g Gone, what string, states ...model.State) error {
	n, err := a.cfg.Topology.Waiting(ctx, g)
	if err != nil {
		return fmt.Errorf("count the calls that wait at %s: %w", what, err)
	}
	for _, e := range g.Sockets {
		for _, state := range append(states, model.Retrying) { // the broker has these aside until they are due
			more, err := a.cfg.Store.Calls(ctx, store.CallFilter{Network: g.Network, Socket: e.Socket.Name, State: state, List: store.List{Limit: 1}})
			if err != nil {
				return err
			}
			n += more.Total
		}
	}
	if n == 0 {
		return nil
	}
	return problem(409, fmt.Sprintf("at least %d calls wait at %s", n, what), // a message may have several
		"let them run first, or purge its queue; deleting with --force removes them, too")
}

func patchSocket(s model.Socket, b client.SocketPatch) model.Socket {
	set(&s.Processor, b.Processor)
	set(&s.Queue, b.Queue)
	set(&s.Task, b.Task)
	set(&s.MaxAttempts, b.MaxAttempts)
	set(&s.BackoffMS, b.BackoffMS)
	set(&s.BackoffMaxMS, b.BackoffMaxMS)
	set(&s.TimeoutMS, b.TimeoutMS)
	set(&s.Join, b.Join)
	set(&s.MaxRunning, b.MaxRunning)
	set(&s.QueueTimeoutMS, b.QueueTimeoutMS)
	return s
}

// limited is a limit after a change of what was given.
func limited(was model.Limit, rate *string, burst *int) (model.Limit, error) {
	l, err := was.Changed(rate, burst)
	return l, check(err)
}

func (a *API) saveSocket(ctx context.Context, s model.Socket) (*body[model.Socket], error) {
	s, err := a.cfg.Store.UpdateSocket(ctx, s)
	if err != nil {
		return nil, err
	}
	a.announce(ctx, "socket", s.Network, s.Name, "updated")
	return &body[model.Socket]{s}, nil
}

func (a *API) deleteSocket(ctx context.Context, in *deletion) (*struct{}, error) {
	a.shape.Lock()
	defer a.shape.Unlock()
	s, err := a.cfg.Store.Socket(ctx, in.Network, in.Name)
	if err != nil {
		return nil, err
	}
	e, err := a.endpoint(ctx, s)
	if err != nil {
		return nil, err
	}
	gone := Gone{Network: s.Network, Sockets: []model.Endpoint{e}}
	if !in.Force {
		if err := a.drained(ctx, gone, "socket "+s.Name, model.Waiting); err != nil {
			return nil, err
		}
	}
	if err := a.cfg.Store.DeleteSocket(ctx, s.Network, s.Name); err != nil {
		return nil, err
	}
	a.announce(ctx, "socket", s.Network, s.Name, "deleted")
	a.leave(ctx, gone)
	if err := a.cfg.Canceller.Abandon(context.WithoutCancel(ctx), s.Network, s.Name); err != nil {
		a.log.WarnContext(ctx, "calls of a deleted socket are cancelled later", "socket", s.Name, "err", err)
	}
	return nil, nil
}

// endpoint is a stored socket with its surroundings.
func (a *API) endpoint(ctx context.Context, s model.Socket) (model.Endpoint, error) {
	endpoints, err := a.cfg.Store.EndpointsOf(ctx, s.Network, s.Processor)
	if err != nil {
		return model.Endpoint{}, err
	}
	i := slices.IndexFunc(endpoints, func(e model.Endpoint) bool { return e.Socket.Name == s.Name })
	if i < 0 {
		return model.Endpoint{}, &store.NotFound{Kind: "socket", Name: s.Name}
	}
	return endpoints[i], nil
}

// everything reads all pages of a listing.
func everything[T any](list func(store.List) (model.Page[T], error)) ([]T, error) {
	var out []T
	l := store.List{Limit: store.MaxLimit}
	for {
		page, err := list(l)
		if err != nil {
			return nil, err
		}
		out = append(out, page.Items...)
		if page.Next == "" {
			return out, nil
		}
		l.Cursor = page.Next
	}
}
