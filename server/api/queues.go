package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
)

func (a *API) queueRoutes() {
	const path, item, tag = "/v1/queues", "/v1/queues/{name}", "queues"
	register(a, listOp(path, "list-queues", tag, "List queues"), a.listQueues)
	register(a, createOp(path, "create-queue", tag, "Declare a queue"), a.createQueue)
	register(a, getOp(item, "get-queue", tag, "Show a queue"), a.getQueue)
	register(a, updateOp(item, "update-queue", tag, "Change the limits of a queue"), a.updateQueue)
	register(a, deleteOp(item, "delete-queue", tag, "Delete a queue that nothing uses"), a.deleteQueue)
	register(a, getOp(item+"/depth", "queue-depth", tag, "Tell how full the broker queues of a queue are"), a.queueDepth)
	register(a, getOp(item+"/messages", "peek-queue", tag, "Show messages that wait, and leave them there"), a.peekQueue)
	purge := op(http.MethodDelete, item+"/messages", "purge-queue", tag, "Remove all calls that wait", http.StatusNotFound)
	register(a, purge, a.purgeQueue)
}

func (a *API) listQueues(ctx context.Context, in *listing) (*body[model.Page[model.Queue]], error) {
	page, err := a.cfg.Store.Queues(ctx, in.Network, in.list())
	return &body[model.Page[model.Queue]]{page}, err
}

func (a *API) getQueue(ctx context.Context, in *object) (*body[model.Queue], error) {
	q, err := a.cfg.Store.Queue(ctx, in.Network, in.Name)
	return &body[model.Queue]{q}, err
}

func (a *API) createQueue(ctx context.Context, in *creation[client.QueueInput]) (*body[model.Queue], error) {
	b := in.Body
	q := model.Queue{
		Object: model.Object{Network: in.Network, Name: b.Name, Owner: user(ctx)},
		Type:   b.Type, MessageTTLMS: b.MessageTTLMS, MaxMessages: b.MaxMessages, MaxBytes: b.MaxBytes, ExpiresMS: b.ExpiresMS,
	}
	if err := check(q.Check()); err != nil {
		return nil, err
	}
	// Its exchange is declared with the first socket on it.
	q, err := a.cfg.Store.CreateQueue(ctx, q)
	if err != nil {
		return nil, err
	}
	a.announce(ctx, "queue", q.Network, q.Name, "created")
	return &body[model.Queue]{q}, nil
}

func (a *API) updateQueue(ctx context.Context, in *change[client.QueuePatch]) (*body[model.Queue], error) {
	a.shape.Lock()
	defer a.shape.Unlock()
	was, err := a.cfg.Store.Queue(ctx, in.Network, in.Name)
	if err != nil {
		return nil, err
	}
	q := was
	set(&q.MessageTTLMS, in.Body.MessageTTLMS)
	set(&q.MaxMessages, in.Body.MaxMessages)
	set(&q.MaxBytes, in.Body.MaxBytes)
	set(&q.ExpiresMS, in.Body.ExpiresMS)
	if err := check(q.Check()); err != nil {
		return nil, err
	}
	if err := a.applyQueue(ctx, q, was); err != nil {
		return nil, err
	}
	q, err = a.cfg.Store.UpdateQueue(ctx, q)
	if err != nil {
		return nil, err
	}
	a.announce(ctx, "queue", q.Network, q.Name, "updated")
	return &body[model.Queue]{q}, nil
}

// applyQueue gives the broker queues of all sockets on a queue its new limits;
// when the broker refuses one, the others get the old limits back.
func (a *API) applyQueue(ctx context.Context, q, was model.Queue) error {
	endpoints, err := a.cfg.Store.Endpoints(ctx, q.Network)
	if err != nil {
		return err
	}
	var done []model.Endpoint
	for _, e := range endpoints {
		if e.Queue.Name != q.Name {
			continue
		}
		e.Queue = q
		if err := a.cfg.Topology.ApplyEndpoint(ctx, e); err != nil {
			for _, d := range done {
				d.Queue = was
				a.restore(ctx, d)
			}
			return fmt.Errorf("give socket %s its limits: %w", e.Socket.Name, err)
		}
		done = append(done, e)
	}
	return nil
}

// restore declares an endpoint as it was, after a change of it failed.
func (a *API) restore(ctx context.Context, e model.Endpoint) {
	if err := a.cfg.Topology.ApplyEndpoint(context.WithoutCancel(ctx), e); err != nil {
		a.log.WarnContext(ctx, "broker queues not set back", "socket", e.Socket.Name, "queue", e.Queue.Name, "err", err)
	}
}

func (a *API) deleteQueue(ctx context.Context, in *object) (*struct{}, error) {
	a.shape.Lock()
	defer a.shape.Unlock()
	q, err := a.cfg.Store.Queue(ctx, in.Network, in.Name)
	if err != nil {
		return nil, err
	}
	if err := a.cfg.Store.DeleteQueue(ctx, in.Network, in.Name); err != nil {
		return nil, err
	}
	a.forget(ctx, Gone{Network: in.Network, Queues: []model.Queue{q}})
	a.announce(ctx, "queue", in.Network, in.Name, "deleted")
	return nil, nil
}

// leave removes from the broker what calls were sent to until now: agents give back
// what they have taken from there, and send nothing more, before it goes.
func (a *API) leave(ctx context.Context, g Gone) {
	a.settle(ctx)
	a.forget(ctx, g)
}

// forget removes from the broker what the database has no more. What is left
// behind by a failure does no harm: nothing is sent there.
func (a *API) forget(ctx context.Context, g Gone) {
	if err := a.cfg.Topology.Forget(context.WithoutCancel(ctx), g); err != nil {
		a.log.WarnContext(ctx, "broker queues that are not needed any more stay", "network", g.Network, "err", err)
	}
}

// existing returns an error when there is no such queue.
func (a *API) existing(ctx context.Context, in object) error {
	_, err := a.cfg.Store.Queue(ctx, in.Network, in.Name)
	return err
}

func (a *API) queueDepth(ctx context.Context, in *object) (*body[[]model.QueueDepth], error) {
	if err := a.existing(ctx, *in); err != nil {
		return nil, err
	}
	depth, err := a.cfg.Inspector.Depth(ctx, in.Network, in.Name)
	return &body[[]model.QueueDepth]{filled(depth)}, err
}

type peekIn struct {
	InNetwork
	Named
	N int `query:"n" minimum:"1" maximum:"1000" default:"10" doc:"How many messages at most"`
}

func (a *API) peekQueue(ctx context.Context, in *peekIn) (*body[[]client.QueuedMessage], error) {
	if err := a.existing(ctx, object{in.InNetwork, in.Named}); err != nil {
		return nil, err
	}
	msgs, err := a.cfg.Inspector.Peek(ctx, in.Network, in.Name, in.N)
	return &body[[]client.QueuedMessage]{filled(msgs)}, err
}

func (a *API) purgeQueue(ctx context.Context, in *object) (*body[client.Purged], error) {
	if err := a.existing(ctx, *in); err != nil {
		return nil, err
	}
	n, err := a.cfg.Inspector.Purge(ctx, in.Network, in.Name)
	if err != nil {
		return nil, err
	}
	a.log.InfoContext(ctx, "queue purged", "queue", in.Name, "removed", n, "user", user(ctx))
	return &body[client.Purged]{client.Purged{Removed: n}}, nil
}

// set writes the value of a patch when there is one.
func set[T any](field *T, patch *T) {
	if patch != nil {
		*field = *patch
	}
}

// filled is the list, never null.
func filled[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
