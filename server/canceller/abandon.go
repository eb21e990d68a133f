package canceller

import (
	"context"

	"github.com/elasticcode/flow/model"
)

// Calls of a socket that is deleted go with it. Those that wait in its queues are
// withdrawn from there; others are not to be seen at that time: they wait for
// another attempt, or are just being given back. The history knows them.

// Abandon ends the calls of a socket that was deleted, but for those that run.
func (c *Canceller) Abandon(ctx context.Context, network, socket string) error {
	for after := ""; ; {
		calls, err := c.cfg.History.IdleCalls(ctx, network, socket, after, atOnce)
		if err != nil || len(calls) == 0 {
			return err
		}
		after = calls[len(calls)-1].ID
		if err := c.abandon(ctx, calls); err != nil {
			return err
		}
	}
}

// abandon ends those of the calls that nobody runs.
func (c *Canceller) abandon(ctx context.Context, calls []model.Call) error {
	if len(calls) == 0 {
		return nil
	}
	ids := make([]string, len(calls))
	for i, call := range calls {
		ids[i] = call.ID
	}
	claims, err := c.cfg.Results.Claim(ctx, "withdraw/"+model.NewID(), withdrawing, ids...)
	if err != nil {
		return err
	}
	var idle []model.Call
	for i, claim := range claims {
		if claim.Granted { // else it runs, or its record is on its way
			idle = append(idle, calls[i])
		}
	}
	if len(idle) == 0 {
		return nil
	}
	c.log.Info("calls of a deleted socket are cancelled", "calls", len(idle))
	_, err = c.end(ctx, idle, "its socket was deleted")
	return err
}
