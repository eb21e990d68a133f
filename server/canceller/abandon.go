package canceller

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
)

// Calls of a socket that is deleted go with it. Those that wait in its queues are
// withdrawn from there; others are not to be seen at that time: they wait for
// another attempt, or are just being given back. The history knows them.

const (
	// orphanAge is how old a call is at least that is ended because its socket is
	// not there any more: the history may know of its running a moment later.
	orphanAge = time.Minute
	// heldFor is how long it is looked whether who had claimed a call of a deleted
	// socket has let go of it, and heldMost how many such calls there are at most.
	heldFor  = time.Hour
	heldMost = 1000
)

// Abandon ends the calls of a socket that was deleted, but for those that run. Run
// ends these if they are let go of.
func (c *Canceller) Abandon(ctx context.Context, network, socket string) error {
	for after := ""; ; {
		calls, err := c.cfg.History.UnfinishedCalls(ctx, network, socket, after, atOnce)
		if err != nil || len(calls) == 0 {
			return err
		}
		after = calls[len(calls)-1].ID
		held, err := c.abandon(ctx, calls)
		if err != nil { // Run tries again
			for _, call := range calls {
				held = append(held, call.ID)
			}
		}
		c.hold(held, time.Now())
		if err != nil {
			return err
		}
	}
}

// hold remembers calls that somebody had claimed.
func (c *Canceller) hold(ids []string, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		if len(c.held) < heldMost {
			c.held[id] = now
		}
	}
}

// letGo ends calls of deleted sockets that were claimed when these went, and are not
// any more.
func (c *Canceller) letGo(ctx context.Context, now time.Time) error {
	c.mu.Lock()
	maps.DeleteFunc(c.held, func(_ string, since time.Time) bool { return now.Sub(since) > heldFor })
	ids := slices.Sorted(maps.Keys(c.held))
	c.mu.Unlock()
	for part := range slices.Chunk(ids, atOnce) {
		var calls []model.Call
		for _, id := range part {
			call, err := c.cfg.History.Call(ctx, id)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
			if err == nil && !call.State.Terminal() {
				calls = append(calls, call)
			}
		}
		held, err := c.abandon(ctx, calls)
		if err != nil {
			return err
		}
		c.mu.Lock()
		for _, id := range part {
			if !slices.Contains(held, id) {
				delete(c.held, id)
			}
		}
		c.mu.Unlock()
	}
	return nil
}

// abandon ends those of the calls that nobody runs, and returns those that somebody
// does.
func (c *Canceller) abandon(ctx context.Context, calls []model.Call) (held []string, err error) {
	if len(calls) == 0 {
		return nil, nil
	}
	ids := make([]string, len(calls))
	for i, call := range calls {
		ids[i] = call.ID
	}
	claims, err := c.cfg.Results.Claim(ctx, "withdraw/"+model.NewID(), withdrawing, ids...)
	if err != nil {
		return nil, err
	}
	var idle []model.Call
	for i, claim := range claims {
		switch {
		case claim.Granted:
			idle = append(idle, calls[i])
		case claim.Result == nil: // else its record is on its way
			held = append(held, calls[i].ID)
		}
	}
	if len(idle) == 0 {
		return held, nil
	}
	c.log.Info("calls of a deleted socket are cancelled", "calls", len(idle))
	_, err = c.end(ctx, idle, "its socket was deleted")
	return held, err
}
