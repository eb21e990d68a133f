package rescuer

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/socket"
)

// rescue sends those of the calls again that nobody runs, and tells which.
func (r *Rescuer) rescue(ctx context.Context, n *network, ids []string, now time.Time) (sent map[string]bool, err error) {
	calls, err := r.cfg.History.CallsByID(ctx, ids...)
	if err != nil {
		return nil, err
	}
	calls = slices.DeleteFunc(calls, func(c model.Call) bool {
		_, there := n.address(c)
		return c.State.Terminal() || !there || !due(c, now)
	})
	if calls, err = r.free(ctx, calls); err != nil || len(calls) == 0 {
		return nil, err
	}
	out := make([]socket.Outgoing, len(calls))
	sent = map[string]bool{}
	for i, c := range calls {
		to, _ := n.address(c)
		out[i] = socket.Outgoing{Envelope: envelope(c), To: to, Repeat: true}
		sent[c.ID] = true
		// The history has the rest.
		calls[i].Args, calls[i].Kwargs, calls[i].Refs = nil, nil, nil
		calls[i].Events = []model.Event{{Name: "rescued", Time: now, Note: "Sent again: its message was gone from its queue"}}
	}
	if err := r.cfg.Sender.Send(ctx, out, calls); err != nil {
		return nil, fmt.Errorf("send %d lost calls again: %w", len(out), err)
	}
	r.log.Warn("calls are sent again: their messages are gone", "calls", len(calls), "socket", calls[0].Socket, "first", calls[0].ID)
	return sent, nil
}

// free returns those of the calls that nobody has a claim to run.
func (r *Rescuer) free(ctx context.Context, calls []model.Call) ([]model.Call, error) {
	if len(calls) == 0 {
		return nil, nil
	}
	ids := make([]string, len(calls))
	for i, c := range calls {
		ids[i] = c.ID
	}
	claims, err := r.cfg.Claims.Claim(ctx, r.holder, lease, ids...)
	if err != nil {
		return nil, err
	}
	var out []model.Call
	var mine []string
	for i, c := range claims {
		if c.Granted {
			mine = append(mine, ids[i])
		}
		if c.Granted || c.Result != nil {
			out = append(out, calls[i])
		}
	}
	if len(mine) > 0 { // before they are sent: who takes them is to get the claims
		err = r.cfg.Claims.Release(ctx, r.holder, mine...)
	}
	return out, err
}

// due tells whether a call that was to be tried again should have been by now.
// Brokers may round a delay up by a tenth.
func due(c model.Call, now time.Time) bool {
	if c.State != model.Retrying {
		return true
	}
	var ended, next time.Time
	for _, e := range c.Events {
		switch e.Name {
		case model.EventRetry:
			ended = e.Time
		case model.EventDue:
			next = e.Time
		}
	}
	return !next.IsZero() && now.After(next.Add(max(0, next.Sub(ended)/5)+patience))
}

// envelope is the call as it was when it was sent last, as far as its record tells:
// the attempt under way is made again, and of several that ended with the process one
// counts.
func envelope(c model.Call) model.Envelope {
	env := c.Envelope()
	if crashed := c.State == model.Retrying && c.Failure != nil && c.Failure.Error == model.FailureCrash; crashed || c.State == model.Running {
		env.Attempt = max(0, c.Attempt-1)
		if crashed {
			env.Crashes = 1
		}
	}
	retries, redriven := 0, false
	for _, e := range c.Events {
		switch e.Name {
		case model.EventRedriven:
			retries, redriven = 0, true
		case model.EventRetry:
			retries++
		}
	}
	if redriven {
		env.Before = max(0, env.Attempt-retries)
	}
	return env
}
