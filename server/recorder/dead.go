package recorder

import (
	"context"
	"strings"
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
		if err == nil && r.followed(ctx, d, env) {
			continue
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

// followed sends a call after its socket, when that has moved: who was late had sent it
// to the old queue, or it came back there after a delay. It tells whether that is done.
func (r *Recorder) followed(ctx context.Context, d *broker.Delivery, env model.Envelope) bool {
	if r.cfg.Follow == nil || !strings.HasPrefix(d.Headers[broker.HeaderDeadReason], broker.ReasonGone) {
		return false
	}
	var to socket.Address
	moved := false
	err := r.persist(ctx, 1, func(ctx context.Context) (err error) {
		to, moved, err = r.cfg.Follow(ctx, env, d.Headers[broker.HeaderDeadQueue])
		return err
	})
	if err != nil || !moved {
		return ctx.Err() != nil
	}
	sending, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := socket.NewSender(r.cfg.Broker).Send(sending, []socket.Outgoing{{Envelope: env, To: to, Repeat: true}}, nil); err != nil {
		r.log.Warn("a call cannot follow its socket now, trying again", "call_id", env.ID, "socket", env.Socket, "err", err)
		err = d.Retry(ctx, time.Second, nil, d.Headers)
		if err != nil && ctx.Err() == nil {
			r.log.Warn("put a dead letter back", "call_id", env.ID, "err", err) // it comes back by itself
		}
		return true
	}
	r.ack(ctx, d)
	return true
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
