package api

import (
	"context"
	"net/http"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
)

func (a *API) cancelRoutes() {
	const tag = "calls"
	one := op(http.MethodPost, "/v1/calls/{id}/cancel", "cancel-call", tag, "Cancel a call, whatever it waits for or does", http.StatusNotFound, http.StatusConflict)
	one.Description = "A call that runs is ended with its process within a few seconds. Nothing follows from a cancelled call. To cancel it again changes nothing."
	register(a, one, a.cancelCall)
	all := op(http.MethodPost, "/v1/runs/{id}/cancel", "cancel-run", tag, "Cancel all calls of a run that have not ended", http.StatusNotFound)
	all.Description = "Calls that are made by calls in flight are cancelled, too, as soon as they are known; they may have begun by then."
	register(a, all, a.cancelRun)
}

func (a *API) cancelCall(ctx context.Context, in *OneCall) (*body[client.Submitted], error) {
	id, err := a.identify(ctx, in.Network, in.ID)
	if err != nil {
		return nil, err
	}
	c, err := patient(ctx, func() (model.Call, error) { return a.cfg.Canceller.Cancel(ctx, id, user(ctx)) })
	return &body[client.Submitted]{client.Submitted{ID: c.ID, Tracking: c.Tracking, State: c.State}}, err
}

func (a *API) cancelRun(ctx context.Context, in *Identified) (*body[client.CancelledRun], error) {
	_, err := patient(ctx, func() (bool, error) {
		page, err := a.cfg.Store.Calls(ctx, store.CallFilter{Run: in.ID, List: store.List{Limit: 1}})
		if err == nil && len(page.Items) == 0 {
			err = &store.NotFound{Kind: "run", Name: in.ID}
		}
		return true, err
	})
	if err != nil {
		return nil, err
	}
	n, err := a.cfg.Canceller.CancelRun(ctx, in.ID, user(ctx))
	return &body[client.CancelledRun]{client.CancelledRun{Tracking: in.ID, Cancelled: n}}, err
}
