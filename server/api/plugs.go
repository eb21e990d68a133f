package api

import (
	"context"
	"errors"
	"fmt"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
)

func (a *API) plugRoutes() {
	const path, item, tag = "/v1/plugs", "/v1/plugs/{name}", "plugs"
	register(a, listOp(path, "list-plugs", tag, "List plugs"), a.listPlugs)
	register(a, createOp(path, "create-plug", tag, "Wire the outcome of one socket to another"), a.createPlug)
	register(a, getOp(item, "get-plug", tag, "Show a plug"), a.getPlug)
	register(a, updateOp(item, "update-plug", tag, "Change a plug"), a.updatePlug)
	register(a, deleteOp(item, "delete-plug", tag, "Delete a plug"), a.deletePlug)
}

func (a *API) listPlugs(ctx context.Context, in *listing) (*body[model.Page[model.Plug]], error) {
	page, err := a.cfg.Store.Plugs(ctx, in.Network, in.list())
	return &body[model.Page[model.Plug]]{page}, err
}

func (a *API) getPlug(ctx context.Context, in *object) (*body[model.Plug], error) {
	p, err := a.cfg.Store.Plug(ctx, in.Network, in.Name)
	return &body[model.Plug]{p}, err
}

func (a *API) createPlug(ctx context.Context, in *creation[client.PlugInput]) (*body[model.Plug], error) {
	b := in.Body
	p := model.Plug{
		Object: model.Object{Network: in.Network, Name: b.Name, Owner: user(ctx)},
		Type:   b.Type, Source: b.Source, Target: b.Target, Argument: b.Argument, Queue: b.Queue,
	}
	if err := check(p.Check()); err != nil {
		return nil, err
	}
	defer a.settle(ctx) // behind the lock
	a.shape.Lock()
	defer a.shape.Unlock()
	if err := taken("plug", p.Name)(a.cfg.Store.Plug(ctx, p.Network, p.Name)); err != nil {
		return nil, err
	}
	undo, err := a.preparePlug(ctx, p)
	if err != nil {
		return nil, err
	}
	made, err := a.cfg.Store.CreatePlug(ctx, p)
	if err != nil {
		if !errors.Is(err, store.ErrExists) { // else another server has just made it
			undo()
		}
		return nil, err
	}
	a.announce(ctx, "plug", made.Network, made.Name, "created")
	return &body[model.Plug]{made}, nil
}

// preparePlug checks both ends, makes the queue object that the plug names when
// there is none, and declares the edge's own queue. The function it returns
// takes that back.
func (a *API) preparePlug(ctx context.Context, p model.Plug) (undo func(), err error) {
	if _, err := a.cfg.Store.Socket(ctx, p.Network, p.Source); err != nil {
		return nil, about("source", err)
	}
	target, err := a.cfg.Store.Socket(ctx, p.Network, p.Target)
	if err != nil {
		return nil, about("target", err)
	}
	if p.Argument != "" {
		if err := a.takes(ctx, target, p.Argument); err != nil {
			return nil, err
		}
	}
	if p.Queue == "" {
		return func() {}, nil
	}
	e, err := a.endpoint(ctx, target)
	if err != nil {
		return nil, err
	}
	made, err := a.ensureQueue(ctx, p)
	if err != nil {
		return nil, err
	}
	undo = func() {
		a.forget(ctx, Gone{Network: p.Network, Plugs: []model.Plug{p}})
		if made {
			a.unmakeQueue(ctx, p)
		}
	}
	e.In = append(e.In, p)
	if err := a.cfg.Topology.ApplyEndpoint(ctx, e); err != nil {
		if made {
			a.unmakeQueue(ctx, p)
		}
		return nil, fmt.Errorf("declare the queue of plug %s: %w", p.Name, err)
	}
	return undo, nil
}

// ensureQueue makes the queue object that the plug names when there is none.
func (a *API) ensureQueue(ctx context.Context, p model.Plug) (made bool, err error) {
	_, err = a.cfg.Store.Queue(ctx, p.Network, p.Queue)
	if !errors.Is(err, store.ErrNotFound) {
		return false, err
	}
	q := model.Queue{Object: model.Object{Network: p.Network, Name: p.Queue, Owner: user(ctx)}, Type: model.Direct}
	if err := check(q.Check()); err != nil {
		return false, err
	}
	if _, err = a.cfg.Store.CreateQueue(ctx, q); err != nil {
		if errors.Is(err, store.ErrExists) {
			return false, nil
		}
		return false, err
	}
	a.announce(ctx, "queue", p.Network, p.Queue, "created")
	return true, nil
}

func (a *API) unmakeQueue(ctx context.Context, p model.Plug) {
	if err := a.cfg.Store.DeleteQueue(context.WithoutCancel(ctx), p.Network, p.Queue); err != nil {
		a.log.WarnContext(ctx, "queue made for a plug stays", "queue", p.Queue, "err", err)
	}
}

func (a *API) updatePlug(ctx context.Context, in *change[client.PlugPatch]) (*body[model.Plug], error) {
	defer a.settle(ctx) // behind the lock
	a.shape.Lock()
	defer a.shape.Unlock()
	was, err := a.cfg.Store.Plug(ctx, in.Network, in.Name)
	if err != nil {
		return nil, err
	}
	p := was
	set(&p.Type, in.Body.Type)
	set(&p.Source, in.Body.Source)
	set(&p.Target, in.Body.Target)
	set(&p.Argument, in.Body.Argument)
	set(&p.Queue, in.Body.Queue)
	if err := check(p.Check()); err != nil {
		return nil, err
	}
	gone := Gone{Network: was.Network, Plugs: []model.Plug{was}}
	leaves := was.Queue != "" && p.Queue != was.Queue
	if leaves {
		if err := a.drained(ctx, gone, "plug "+was.Name); err != nil {
			return nil, err
		}
	}
	undo, err := a.preparePlug(ctx, p)
	if err != nil {
		return nil, err
	}
	made, err := a.cfg.Store.UpdatePlug(ctx, p)
	if err != nil {
		if p.Queue != was.Queue {
			undo()
		}
		return nil, err
	}
	a.announce(ctx, "plug", made.Network, made.Name, "updated")
	if leaves {
		a.leave(ctx, gone)
	}
	return &body[model.Plug]{made}, nil
}

func (a *API) deletePlug(ctx context.Context, in *deletion) (*struct{}, error) {
	defer a.settle(ctx) // behind the lock
	a.shape.Lock()
	defer a.shape.Unlock()
	p, err := a.cfg.Store.Plug(ctx, in.Network, in.Name)
	if err != nil {
		return nil, err
	}
	gone := Gone{Network: p.Network, Plugs: []model.Plug{p}}
	if p.Queue != "" && !in.Force {
		if err := a.drained(ctx, gone, "plug "+p.Name); err != nil {
			return nil, err
		}
	}
	if err := a.cfg.Store.DeletePlug(ctx, p.Network, p.Name); err != nil {
		return nil, err
	}
	a.announce(ctx, "plug", p.Network, p.Name, "deleted")
	if p.Queue != "" {
		a.leave(ctx, gone)
	}
	return nil, nil
}
