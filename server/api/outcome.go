package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/store"
)

// maxWait is how long one request waits for an outcome.
const maxWait = time.Minute

// recorderLag is how long a call may be accepted and not yet be recorded.
const recorderLag = time.Second

// waiting reads how long a request wants to wait.
func waiting(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil || d < 0:
		return 0, invalid(fmt.Sprintf("wait=%.32q is not a duration", text), "write it with a unit, for example 30s or 500ms")
	case d > maxWait:
		return 0, invalid(fmt.Sprintf("one request waits at most %s, and not %s", maxWait, d), "ask again for the result of the call")
	}
	return d, nil
}

// await returns the outcome of a call that was accepted, or how it stands after
// the wait.
func (a *API) await(ctx context.Context, s client.Submitted, wait time.Duration) (client.Outcome, error) {
	ctx, cancel := a.until(ctx, wait)
	defer cancel()
	for {
		r, err := a.cfg.Results.Wait(ctx, s.ID)
		if err == nil {
			return ofResult(s, r), nil
		}
		if ctx.Err() == nil {
			// The result store is away: the database learns of the end, too.
			a.log.DebugContext(ctx, "result cannot be waited for, asking the database", "call_id", s.ID, "err", err)
			if out, found := a.stored(ctx, s.ID); found && out.Done() {
				return out, nil
			}
			if pause(ctx, 250*time.Millisecond) == nil {
				continue
			}
		}
		return a.standing(ctx, s), nil
	}
}

// until is a context for waiting; it also ends when the server stops.
func (a *API) until(ctx context.Context, wait time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	stop := context.AfterFunc(a.life, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// standing is a call that has not ended as far as it is known.
func (a *API) standing(ctx context.Context, s client.Submitted) client.Outcome {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if out, found := a.stored(ctx, s.ID); found {
		return out
	}
	return client.Outcome{Submitted: s}
}

// stored is the outcome of a call from the database, following joins.
func (a *API) stored(ctx context.Context, id string) (client.Outcome, bool) {
	c, err := a.cfg.Store.Call(ctx, id)
	if err != nil {
		return client.Outcome{}, false
	}
	out := client.Outcome{
		Submitted: client.Submitted{ID: c.ID, Tracking: c.Tracking, State: c.State},
		Joined:    c.Joined, Result: c.Result, Refs: ofResultPlace(c.Refs), Failure: c.Failure,
	}
	if c.Joined == "" {
		return out, true
	}
	j, err := a.cfg.Store.Call(ctx, c.Joined)
	if err != nil { // the joined call is on its way, and not recorded yet
		out.State, out.Result, out.Refs, out.Failure = model.Queued, nil, nil, nil
		return out, true
	}
	out.State, out.Result, out.Refs, out.Failure = j.State, j.Result, ofResultPlace(j.Refs), j.Failure
	return out, true
}

// ofResult is the outcome of a call by its result, which may be that of the
// call it became part of.
func ofResult(s client.Submitted, r result.Result) client.Outcome {
	s.State = r.State
	out := client.Outcome{Submitted: s, Joined: r.Joined, Failure: r.Failure}
	if r.Call != s.ID {
		out.Joined = r.Call
	}
	if r.State == model.Succeeded {
		out.Result, out.Refs = r.Value, model.Rebase(r.Refs, "/value", model.ResultPlace)
	}
	return out
}

// outcome returns how a call ended or stands now, wherever that is known.
func (a *API) outcome(ctx context.Context, id string, wait time.Duration) (client.Outcome, error) {
	out, err := a.current(ctx, id)
	if err != nil || out.Done() || wait <= 0 {
		return out, err
	}
	return a.await(ctx, out.Submitted, wait)
}

// current finds a call in the database or, while it is not recorded yet, in the
// result store; it waits a moment for a recorder that lags behind.
func (a *API) current(ctx context.Context, id string) (client.Outcome, error) {
	end := time.Now().Add(recorderLag)
	for {
		c, err := a.cfg.Store.Call(ctx, id)
		if err == nil {
			return a.fresh(ctx, c), nil
		}
		if !errors.Is(err, store.ErrNotFound) && !away(err) {
			return client.Outcome{}, err
		}
		if r, found := a.result(ctx, id); found {
			return ofResult(client.Submitted{ID: id, Tracking: model.RunOf(id)}, r), nil
		}
		if c, ok := a.cfg.Submitter.Accepted(id); ok {
			return client.Outcome{Submitted: client.Submitted{ID: c.ID, Tracking: c.Tracking, State: c.State}}, nil
		}
		if time.Now().After(end) {
			return client.Outcome{}, err
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return client.Outcome{}, err
		}
	}
}

// fresh is a recorded call with the outcome that the result store may know
// before the recorder.
func (a *API) fresh(ctx context.Context, c model.Call) client.Outcome {
	s := client.Submitted{ID: c.ID, Tracking: c.Tracking, State: c.State}
	if !c.State.Terminal() {
		if r, found := a.result(ctx, c.ID); found {
			return ofResult(s, r)
		}
	}
	if c.Joined != "" {
		if r, found := a.result(ctx, c.Joined); found {
			return ofResult(s, r)
		}
		if out, found := a.stored(ctx, c.ID); found {
			return out
		}
	}
	return client.Outcome{Submitted: s, Joined: c.Joined, Result: c.Result, Refs: ofResultPlace(c.Refs), Failure: c.Failure}
}

// result looks into the result store, following joins as far as they are known.
func (a *API) result(ctx context.Context, id string) (result.Result, bool) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	for range 8 { // a joined call is not joined again; the bound guards against a bad record
		found, err := a.cfg.Results.Get(ctx, id)
		r, ok := found[id]
		if err != nil || !ok {
			return result.Result{}, false
		}
		if r.Joined == "" {
			return r, true
		}
		id = r.Joined
	}
	return result.Result{}, false
}
