package recorder

import (
	"context"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/model"
)

// Most calls end a moment after they were queued. The record that says that they
// are queued waits for that moment, so that both are written as one row once,
// where two writes would cost the database three times as much.

const (
	// earlyAge is how long the record of a call that has not begun waits.
	earlyAge = 60 * time.Millisecond
	// A crowd waits for longer: so many calls at once are not done in a moment, and
	// nobody looks at each of them.
	crowd    = 500
	crowdAge = 2 * time.Second
	// earlyMost is how many messages may wait: enough of the prefetch is left for
	// those that tell how calls end.
	earlyMost = prefetch / 2
)

// early is a message about calls that have not begun.
type early struct {
	delivery *broker.Delivery
	since    time.Time
	calls    map[string]model.Call // those that were not written yet
}

// notBegun tells whether nothing is told but that calls are queued.
func notBegun(calls []model.Call) bool {
	for i := range calls {
		if calls[i].State != model.Queued || calls[i].Attempt > 0 {
			return false
		}
	}
	return true
}

// hold lets a message wait; mu is held.
func (r *Recorder) hold(d *broker.Delivery, calls []model.Call) {
	e := &early{delivery: d, since: time.Now(), calls: make(map[string]model.Call, len(calls))}
	for _, c := range calls {
		e.calls[c.ID] = c
		r.waiting[c.ID] = e
	}
	r.early = append(r.early, e)
	select {
	case r.held <- struct{}{}:
	default:
	}
}

// beginnings takes out what waits about the calls; mu is held.
func (r *Recorder) beginnings(calls []model.Call) []model.Call {
	var out []model.Call
	for i := range calls {
		if e := r.waiting[calls[i].ID]; e != nil {
			out = append(out, r.leave(e, calls[i].ID))
		}
	}
	return out
}

// leave takes one call out of a message that waits; mu is held.
func (r *Recorder) leave(e *early, id string) model.Call {
	c := e.calls[id]
	delete(e.calls, id)
	if r.waiting[id] == e {
		delete(r.waiting, id)
	}
	return c
}

// release writes what has waited for long enough, and acks messages of which
// nothing is left; mu is held.
func (r *Recorder) release(ctx context.Context, now time.Time) {
	var left []*early
	var done []*broker.Delivery
	var calls []model.Call
	age := earlyAge
	if len(r.waiting) > crowd {
		age = crowdAge
	}
	for i, e := range r.early {
		if len(e.calls) > 0 && now.Sub(e.since) < age && len(r.early)-i <= earlyMost {
			left = append(left, e)
			continue
		}
		if len(calls) > 0 && len(calls)+len(e.calls) > maxCalls {
			r.store(ctx, done, nil, calls)
			done, calls = nil, nil
		}
		for id := range e.calls {
			calls = append(calls, r.leave(e, id))
		}
		done = append(done, e.delivery)
	}
	r.early = left
	if len(done) > 0 {
		r.store(ctx, done, nil, calls)
	}
}

// age releases what nobody tells more about, until ctx ends. While nothing waits
// it sleeps.
func (r *Recorder) age(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.held:
		}
		for left := true; left; {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(earlyAge / 3):
			}
			r.mu.Lock()
			r.release(ctx, time.Now())
			left = len(r.early) > 0
			r.mu.Unlock()
		}
	}
}

// giveBack returns what waits when the recorder ends.
func (r *Recorder) giveBack(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.early {
		_ = e.delivery.Release(ctx) // if it fails, the delivery comes back by itself
	}
	r.early, r.waiting = nil, map[string]*early{}
}
