package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
)

func (a *API) deadRoutes() {
	const tag = "dead letters"
	list := listOp("/v1/dead", "list-dead", tag, "List calls that ended without success and were not dropped, the newest first")
	list.Description = listsRefs
	register(a, list, a.listDead)
	edit := updateOp("/v1/dead/{id}", "edit-dead", tag, "Change the arguments of a call before it is run again")
	readsJSON(&edit, maxSubmission)
	register(a, edit, a.editDead)
	describeJSON[client.Edit](a, edit)
	for _, o := range []struct {
		verb, summary string
		do            func(context.Context, []string) (client.Dealt, error)
	}{
		{"redrive", "Run calls again that ended without success", a.redrive},
		{"drop", "Take calls off the list; their records stay", a.drop},
		{"withdraw", "Cancel calls that have not begun", a.withdraw},
	} {
		p := op(http.MethodPost, "/v1/dead/"+o.verb, o.verb+"-dead", tag, o.summary, http.StatusBadRequest)
		p.Description = "Answers for each call, in the order given, how it stands or why this cannot be done."
		register(a, p, func(ctx context.Context, in *choice) (*body[client.Dealt], error) {
			ids, err := a.identifyAll(ctx, in.Network, in.Body.IDs)
			if err != nil {
				return nil, err
			}
			out, err := o.do(ctx, ids)
			return &body[client.Dealt]{out}, err
		})
	}
}

// choice is a request about several calls.
type choice struct {
	InNetwork
	Body client.IDs
}

type deadIn struct {
	InNetwork
	Paged
	Socket string      `query:"socket" maxLength:"80" doc:"Only calls of this socket"`
	Run    string      `query:"run" maxLength:"255" doc:"Only calls of this run"`
	State  model.State `query:"state" enum:"dead,failed,expired" doc:"Only calls in this state"`
	Error  string      `query:"error" maxLength:"255" doc:"Only calls with a failure of this type, for example ValueError"`
	Since  string      `query:"since" maxLength:"64" doc:"Only calls that ended then or later: a time (RFC 3339) or how long ago (5m)"`
	Until  string      `query:"until" maxLength:"64" doc:"Only calls that ended before: a time (RFC 3339) or how long ago (5m)"`
}

func (a *API) listDead(ctx context.Context, in *deadIn) (*body[model.Page[model.Call]], error) {
	since, until, err := between(in.Since, in.Until)
	if err != nil {
		return nil, err
	}
	page, err := a.cfg.Store.Dead(ctx, store.DeadFilter{
		Network: in.Network, Socket: in.Socket, Run: in.Run, State: in.State, Error: in.Error,
		Since: since, Until: until, List: in.list(),
	})
	return &body[model.Page[model.Call]]{page}, err
}

type editIn struct {
	OneCall
	RawBody []byte `contentType:"application/json"`
}

func (a *API) editDead(ctx context.Context, in *editIn) (*body[model.Call], error) {
	var e client.Edit
	if err := decode(in.RawBody, &e); err != nil {
		return nil, err
	}
	if e.Args == nil && e.Kwargs == nil {
		return nil, invalid("there is nothing to change", "give args, kwargs or both")
	}
	id, err := a.identify(ctx, in.Network, in.ID)
	if err != nil {
		return nil, err
	}
	c, err := a.cfg.Store.Call(ctx, id)
	if err != nil {
		return nil, err
	}
	refs := c.Refs
	if e.Args != nil {
		c.Args, refs = *e.Args, without(refs, "/args")
	}
	if e.Kwargs != nil {
		c.Kwargs, refs = *e.Kwargs, without(refs, "/kwargs")
	}
	c.Refs = refs
	if err := a.fits(ctx, c); err != nil {
		return nil, err
	}
	env, large := model.Envelope{Args: c.Args, Kwargs: c.Kwargs, Refs: c.InputRefs()}.Seal()
	if err := a.cfg.Values.Keep(ctx, large...); err != nil {
		return nil, &Unkept{Err: err}
	}
	if err := a.cfg.Store.EditCall(ctx, c.ID, env.Args, env.Kwargs, env.Refs); err != nil {
		return nil, err
	}
	c, err = a.whole(ctx, c)
	return &body[model.Call]{c}, err
}

// fits checks a call's arguments as if it were submitted now.
func (a *API) fits(ctx context.Context, c model.Call) error {
	s := client.Submission{Socket: c.Socket, Args: c.Args, Kwargs: c.Kwargs, Argument: c.Argument}
	if s.Socket == "" {
		s.Task = c.Module + "." + c.Task
	}
	t, err := a.target(ctx, c.Network, s)
	if err != nil {
		return err
	}
	aside := 0
	for _, r := range c.InputRefs() {
		aside += r.Size
	}
	return checkSubmission(t, s, aside)
}

// without leaves out the references below a place.
func without(refs []model.Ref, place string) []model.Ref {
	return slices.DeleteFunc(slices.Clone(refs), func(r model.Ref) bool { return strings.HasPrefix(r.At, place+"/") })
}

func (a *API) redrive(ctx context.Context, ids []string) (client.Dealt, error) {
	refused, err := a.cfg.Redriver.Redrive(ctx, user(ctx), ids...)
	if err != nil {
		return client.Dealt{}, err
	}
	return a.dealt(ids, model.Queued, refused), nil
}

func (a *API) drop(ctx context.Context, ids []string) (client.Dealt, error) {
	dropped, err := a.cfg.Store.Drop(ctx, ids...)
	if err != nil {
		return client.Dealt{}, err
	}
	refused := map[string]error{}
	for _, id := range ids {
		refused[id] = errNotListed
	}
	for _, id := range dropped {
		delete(refused, id)
	}
	return a.dealt(ids, "", refused), nil
}

var errNotListed = errors.New("it is not on the list of the dead letters")

func (a *API) withdraw(ctx context.Context, ids []string) (client.Dealt, error) {
	refused := map[string]error{}
	for _, id := range ids {
		_, err := a.cfg.Canceller.Withdraw(ctx, id, user(ctx))
		if away(err) && !errors.Is(err, store.ErrConflict) {
			return client.Dealt{}, err
		}
		if err != nil {
			refused[id] = err
		}
	}
	return a.dealt(ids, model.Cancelled, refused), nil
}

// dealt answers for each call: its state now, or why nothing was done.
func (a *API) dealt(ids []string, state model.State, refused map[string]error) client.Dealt {
	out := client.Dealt{Calls: make([]client.DealtCall, len(ids))}
	for i, id := range ids {
		d := client.DealtCall{ID: id, State: state}
		if err := refused[id]; err != nil {
			d.State, d.Error = "", a.reason(err)
		}
		out.Calls[i] = d
	}
	return out
}

// reason is why something cannot be done with one of several calls.
func (a *API) reason(err error) string {
	var ended *store.Ended
	if p := ofStore(err); p != nil && !errors.As(err, &ended) {
		return p.Detail
	}
	return err.Error()
}
