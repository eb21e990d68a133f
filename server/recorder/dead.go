package recorder

import (
	"context"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/socket"
)

// resultTTL is how long the outcome of a dead call is kept for those who wait.
const resultTTL = 24 * time.Hour

// bury records the calls that ended in the dead letters, with the reason.
func (r *Recorder) bury(ctx context.Context, ds []*broker.Delivery) {
	for _, d := range ds {
		env, err := socket.Decode(d.Body)
		nameless := err != nil && (env.ID == "" || env.Tracking == "") // else it is a call that is wrong in some other way
		if nameless || d.Headers[broker.HeaderDeadQueue] == socket.Records {
			// Not a call: there is nothing to record but the fact.
			r.log.Error("a message in the dead letters is not a call", "message_id", d.ID,
				"queue", d.Headers[broker.HeaderDeadQueue], "reason", d.Headers[broker.HeaderDeadReason], "bytes", len(d.Body))
			r.ack(ctx, d)
			continue
		}
		if err != nil {
			env.Refs = nil // they may be what is wrong
		}
		env = r.own(ctx, env, d.Headers[broker.HeaderDeadQueue])
		call := burial(env, d.Headers[broker.HeaderDeadReason], d.Headers[broker.HeaderDeadQueue], time.Now())
		put := result.Result{Call: call.ID, State: call.State, Failure: call.Failure, Attempt: call.Attempt, Finished: *call.Finished}
		earlier, err := r.cfg.Results.Put(ctx, resultTTL, put)
		if err != nil {
			r.log.Warn("keep the outcome of a dead call", "call_id", call.ID, "err", err)
		}
		if len(earlier) > 0 { // it had ended before it came here
			e := earlier[0]
			e.Tell(&call)
			call.Finished = &e.Finished
			call.Events = nil
		}
		switch err := r.record(ctx, []model.Call{call}); {
		case err == nil:
			r.cfg.Fault("record before ack")
			r.ack(ctx, d)
		case ctx.Err() == nil: // where it is, is where refused records go: it would come back for ever
			r.log.Error("a dead letter is refused, and dropped", "message_id", d.ID, "call_id", call.ID,
				"queue", d.Headers[broker.HeaderDeadQueue], "reason", d.Headers[broker.HeaderDeadReason], "bytes", len(d.Body), "err", err)
			r.ack(ctx, d)
		}
	}
}

// own is the call that died in the queue: the socket's own one, if it has that queue
// for itself.
func (r *Recorder) own(ctx context.Context, env model.Envelope, queue string) model.Envelope {
	if r.cfg.Owner == nil || env.Socket == "" {
		return env
	}
	var owner string
	err := r.persist(ctx, 1, func(ctx context.Context) (err error) {
		owner, err = r.cfg.Owner(ctx, env.Network, queue)
		return err
	})
	switch {
	case err != nil && ctx.Err() == nil:
		r.log.Error("it cannot be told whose queue a call died in", "call_id", env.ID, "queue", queue, "err", err)
	case owner != "" && owner != env.Socket:
		return socket.Copy(env, model.Socket{Object: model.Object{Name: owner}})
	}
	return env
}

// burial is the record of a call that the broker or a worker gave up.
func burial(env model.Envelope, reason, queue string, now time.Time) model.Call {
	c := env.Call(model.Dead)
	c.Finished = &now
	c.Failure = &model.Failure{Error: "DeadLetter", Message: reason + " (queue " + queue + ")", Permanent: true}
	if reason == broker.ReasonExpired {
		c.State = model.Expired
		c.Failure = &model.Failure{Error: "MessageExpired", Message: "the call waited in queue " + queue + " for longer than the queue's message TTL", Permanent: true}
	}
	c.Events = []model.Event{{Name: string(c.State), Time: now, Note: c.Failure.Message}}
	return c
}
