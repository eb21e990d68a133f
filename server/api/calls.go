package api

import (
	"context"
	"errors"
	"time"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
)

func (a *API) callRoutes() {
	const tag = "calls"
	list := listOp("/v1/calls", "list-calls", tag, "List calls, without their logs and events")
	list.Description = listsRefs
	register(a, list, a.listCalls)
	register(a, getOp("/v1/calls/{id}", "get-call", tag, "Show a call with its log and events"), a.getCall)
	outcome := getOp("/v1/calls/{id}/result", "get-result", tag, "Show how a call ended, waiting for it when asked to")
	outcome.Description = "Answers 200 when the call ended, and 202 when it has not yet. The outcome of a call that brought an argument to a join is that of the joined call."
	alsoAnswers[client.Outcome](a, &outcome, 202, "The call has not ended yet")
	register(a, outcome, a.getResult)
	tree := getOp("/v1/calls/{id}/tree", "get-tree", tag, "List a call and all that descend from it, parents first")
	tree.Description = listsRefs
	register(a, tree, a.getTree)
	run := getOp("/v1/runs/{id}", "get-run", tag, "List all calls of a run, oldest first")
	run.Description = listsRefs
	register(a, run, a.getRun)
}

// listsRefs is said of listings.
const listsRefs = "Values over 128 KiB are null here, and refs says where and how large they are; the call itself has them."

// Identified is a request about one run.
type Identified struct {
	ID string `path:"id" maxLength:"255" doc:"Id of the run"`
}

// OneCall is a request about one call.
type OneCall struct {
	InNetwork
	ID string `path:"id" maxLength:"255" doc:"Id of the call, or the one that it was submitted under to a socket of the network"`
}

type callsIn struct {
	InNetwork
	Paged
	Socket     string      `query:"socket" maxLength:"80" doc:"Only calls of this socket"`
	State      model.State `query:"state" enum:"queued,waiting,running,retrying,succeeded,failed,cancelled,expired,dead" doc:"Only calls in this state"`
	Run        string      `query:"run" maxLength:"255" doc:"Only calls of this run"`
	Unfinished bool        `query:"unfinished" doc:"Only calls that have not ended"`
	Exact      bool        `query:"exact" doc:"Count all in total; without it, no further than to 10,000: at_least is true when there are more"`
	Since      string      `query:"since" maxLength:"64" doc:"Only calls that were made then or later: a time (RFC 3339) or how long ago (5m)"`
	Until      string      `query:"until" maxLength:"64" doc:"Only calls that were made before: a time (RFC 3339) or how long ago (5m)"`
	Order      string      `query:"order" enum:"asc,desc" default:"desc" doc:"Newest first (desc) or oldest first (asc)"`
}

func (a *API) listCalls(ctx context.Context, in *callsIn) (*body[model.Page[model.Call]], error) {
	since, until, err := between(in.Since, in.Until)
	if err != nil {
		return nil, err
	}
	page, err := a.cfg.Store.Calls(ctx, store.CallFilter{
		Network: in.Network, Socket: in.Socket, State: in.State, Run: in.Run, Unfinished: in.Unfinished,
		Since: since, Until: until, Ascending: in.Order == "asc", Exact: in.Exact, List: in.list(),
	})
	return &body[model.Page[model.Call]]{page}, err
}

func (a *API) getCall(ctx context.Context, in *OneCall) (*body[model.Call], error) {
	id, err := a.identify(ctx, in.Network, in.ID)
	if err != nil {
		return nil, err
	}
	c, err := patient(ctx, func() (model.Call, error) {
		c, err := a.cfg.Store.Call(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			if early, ok := a.unrecorded(ctx, id); ok {
				return early, nil
			}
		}
		return c, err
	})
	if err != nil {
		return nil, err
	}
	if !c.State.Terminal() {
		a.ahead(ctx, &c)
	}
	c.Events = c.Timeline()
	c, err = a.whole(ctx, c)
	return &body[model.Call]{c}, err
}

// ahead adds how a call has ended that the history has as unfinished, since its end
// is on the way there: who has been given the result finds the call ended.
func (a *API) ahead(ctx context.Context, c *model.Call) {
	r, ended := a.result(ctx, c.ID)
	again := c.State == model.Queued && r.Attempt <= c.Attempt // it is to run again after the end that is known
	if !ended || again || r.Call != c.ID {
		return
	}
	r.Tell(c)
	c.Attempt, c.Finished = r.Attempt, &r.Finished
	if !r.Started.IsZero() {
		c.Started = &r.Started
	}
}

// unrecorded is what is known of a call before the history knows it: how it was
// accepted, and how it ended.
func (a *API) unrecorded(ctx context.Context, id string) (model.Call, bool) {
	c, accepted := a.cfg.Submitter.Accepted(id)
	r, ended := a.result(ctx, id)
	if !accepted {
		c = model.Call{ID: id, Tracking: model.RunOf(id), Created: r.Started}
	}
	if ended {
		r.Tell(&c)
		c.Attempt, c.Started, c.Finished = r.Attempt, &r.Started, &r.Finished
	}
	return c, accepted || ended
}

// patient looks again for a moment when something is not there: the recorder
// may lag behind what was accepted.
func patient[T any](ctx context.Context, look func() (T, error)) (T, error) {
	end := time.Now().Add(recorderLag)
	for {
		out, err := look()
		if !errors.Is(err, store.ErrNotFound) || time.Now().After(end) {
			return out, err
		}
		if pause(ctx, 50*time.Millisecond) != nil {
			return out, err
		}
	}
}

type resultIn struct {
	OneCall
	Wait string `query:"wait" maxLength:"32" doc:"Wait so long for the end of the call, for example 30s; at most 1m"`
}

func (a *API) getResult(ctx context.Context, in *resultIn) (*outcomeOut, error) {
	wait, err := waiting(in.Wait)
	if err != nil {
		return nil, err
	}
	id, err := a.identify(ctx, in.Network, in.ID)
	if err != nil {
		return nil, err
	}
	out, err := a.outcome(ctx, id, wait)
	if err != nil {
		return nil, err
	}
	if err := a.fill(ctx, &out); err != nil {
		return nil, err
	}
	return answer(out), nil
}

func (a *API) getTree(ctx context.Context, in *OneCall) (*body[[]model.Call], error) {
	id, err := a.identify(ctx, in.Network, in.ID)
	if err != nil {
		return nil, err
	}
	calls, err := patient(ctx, func() ([]model.Call, error) { return a.cfg.Store.Tree(ctx, id) })
	return &body[[]model.Call]{filled(calls)}, err
}

func (a *API) getRun(ctx context.Context, in *Identified) (*body[[]model.Call], error) {
	calls, err := patient(ctx, func() ([]model.Call, error) { return a.cfg.Store.Run(ctx, in.ID) })
	return &body[[]model.Call]{filled(calls)}, err
}
