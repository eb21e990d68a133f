package joiner

import (
	"context"
	"fmt"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/store"
)

// Patience is how long a value waits for the other arguments of its join.
const Patience = 7 * 24 * time.Hour

// expireEvery is how often values that wait for too long are looked for.
const expireEvery = 10 * time.Minute

// expire ends values that have waited for too long, regularly, until ctx ends.
func (j *Joiner) expire(ctx context.Context) error {
	tick := time.NewTicker(expireEvery)
	defer tick.Stop()
	for {
		if err := j.expireBefore(ctx, time.Now().Add(-Patience)); err != nil && ctx.Err() == nil {
			j.log.Warn("values that wait for too long stay for now", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// expireBefore records the values that came before the time and met nobody as
// expired, then forgets them: a crash in between repeats it. They send nothing
// downstream.
func (j *Joiner) expireBefore(ctx context.Context, before time.Time) error {
	late, err := j.cfg.Slots.ExpireJoins(ctx, before)
	if err != nil || len(late) == 0 {
		return err
	}
	var ids []string
	var results []result.Result
	var records []model.Call
	for _, a := range late {
		c := expired(a, time.Now().UTC())
		ids = append(ids, a.ID)
		records = append(records, c)
		results = append(results, result.Result{Call: c.ID, State: c.State, Failure: c.Failure, Finished: *c.Finished})
		j.log.Warn("a value met no others in time", "call_id", a.ID, "socket", a.Socket, "argument", a.Argument)
	}
	if _, err := j.cfg.Results.Put(ctx, resultTTL, results...); err != nil {
		return err
	}
	if err := j.sender.Send(ctx, nil, records); err != nil {
		return err
	}
	return j.cfg.Slots.ForgetArrivals(ctx, ids...)
}

// expired is the record of a value that met nobody.
func expired(a store.Arrival, now time.Time) model.Call {
	c := model.Call{
		ID: a.ID, Tracking: a.Tracking, Network: a.Network, Socket: a.Socket, Argument: a.Argument, Origin: a.Origin, Priority: a.Priority,
		State: model.Expired, Created: a.Created, Finished: &now,
		Failure: &model.Failure{Error: "JoinExpired", Permanent: true,
			Message: fmt.Sprintf("the other arguments of socket %s did not come within %s", a.Socket, Patience)},
	}
	c.Args, c.Refs = append(c.Args, a.Value), model.Rebase(a.Refs, "", "/args/0")
	if a.Parent != a.ID {
		c.Parents = []string{a.Parent}
	}
	c.Events = []model.Event{{Name: "expired", Time: now, Note: c.Failure.Message}}
	return c
}
