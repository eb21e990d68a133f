package recorder

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/socket"
)

// Most calls end a moment after they were queued. The record that says that they
// are queued waits for that moment, so that both are written as one row once,
// where two writes would cost the database three times as much.

const (
	// earlyAge is how long the record of a call that has not begun waits.
	earlyAge = 60 * time.Millisecond
	// A crowd waits for longer: so many calls at once are not done in a moment, and
	// nobody looks at each of them. It does as long as some of those that wait end,
	// none of them for longer than crowdAge.
	crowd    = 500
	crowdAge = 5 * time.Second
	stillAge = 500 * time.Millisecond
	// earlyMost is how many messages may wait, and earlyBytes about how large they
	// may be together: enough of the prefetch is left for those that tell how calls
	// end. What came first waits, since it ends first.
	earlyMost  = prefetch * 2 / 3
	earlyBytes = 16 << 20
)

// early is a message about calls that have not begun. It is read when it has to
// be: what ends a call tells all of it again.
type early struct {
	delivery *broker.Delivery
	since    time.Time
	left     int // how many of its calls wait
	going    int // how many are being written with what was told of them later
}

// hold lets a message about calls wait; mu is held.
func (r *Recorder) hold(d *broker.Delivery, ids []string) {
	e := &early{delivery: d, since: time.Now()}
	for _, id := range ids {
		if r.waiting[id] == nil { // else told twice, which one of them tells
			r.waiting[id] = e
			e.left++
		}
	}
	r.early = append(r.early, e)
	select {
	case r.held <- struct{}{}:
	default:
	}
}

// beginnings is what waited of calls that are written now.
type beginnings struct {
	ids     []string
	of      []*early     // the message of each
	records []model.Call // of those whose end may not tell all of them
}

// beginnings takes out what waits about the calls; mu is held.
func (r *Recorder) beginnings(calls []model.Call) (out beginnings) {
	for i := range calls {
		id := calls[i].ID
		e := r.waiting[id]
		if e == nil {
			continue
		}
		if out.ids == nil {
			out.ids, out.of = make([]string, 0, len(calls)-i), make([]*early, 0, len(calls)-i)
		}
		out.ids, out.of = append(out.ids, id), append(out.of, e)
		if calls[i].Worker == "" { // it may know little of the call; a worker knows all
			out.records = append(out.records, e.record(id))
		}
		r.leave(e, id)
		e.going++
	}
	return out
}

// ended notes that beginnings were written; mu is held. Where that is never said,
// their messages are not acked and come again.
func (r *Recorder) ended(b beginnings, now time.Time) {
	for _, e := range b.of {
		e.going--
	}
	if len(b.of) > 0 {
		r.lastEnd = now
	}
}

// record reads what a message tells of one call.
func (e *early) record(id string) model.Call {
	rec, _ := socket.DecodeRecord(e.delivery.Body)
	i := slices.IndexFunc(rec.Calls, func(c model.Call) bool { return c.ID == id })
	if i < 0 { // it was there when the message was taken
		return model.Call{ID: id, State: model.Queued}
	}
	return rec.Calls[i]
}

// leave forgets that one call of a message waits; mu is held.
func (r *Recorder) leave(e *early, id string) {
	delete(r.waiting, id)
	e.left--
}

// release writes what has waited for long enough or finds no room to wait, and acks
// messages of which nothing is left; mu is held.
func (r *Recorder) release(ctx context.Context, now time.Time) {
	var left []*early
	var done []*broker.Delivery
	var calls []model.Call
	crowded, size := len(r.waiting) > crowd, 0
	for _, e := range r.early {
		waits := e.left > 0 && !r.due(e, crowded, now) && len(left) < earlyMost && size < earlyBytes
		if waits || e.going > 0 { // else it would be acked before all of it is written
			left, size = append(left, e), size+len(e.delivery.Body)
			continue
		}
		if len(calls) > 0 && len(calls)+e.left > maxCalls {
			r.start(ctx, done, beginnings{}, calls)
			done, calls = nil, nil
		}
		rest, err := r.remaining(e)
		if err != nil {
			r.refuse(ctx, e.delivery, err)
			continue
		}
		calls, done = append(calls, rest...), append(done, e.delivery)
	}
	r.early = left
	if len(done) > 0 {
		r.start(ctx, done, beginnings{}, calls)
	}
}

// due tells whether a message has waited for long enough; mu is held.
func (r *Recorder) due(e *early, crowded bool, now time.Time) bool {
	waited := now.Sub(e.since)
	if !crowded || waited < earlyAge {
		return waited >= earlyAge
	}
	return waited >= crowdAge || waited >= stillAge && now.Sub(r.lastEnd) >= stillAge
}

// remaining takes out the calls of a message that nothing more was told of; mu is held.
func (r *Recorder) remaining(e *early) ([]model.Call, error) {
	if e.left == 0 {
		return nil, nil
	}
	rec, err := socket.DecodeRecord(e.delivery.Body)
	if err != nil {
		maps.DeleteFunc(r.waiting, func(_ string, of *early) bool { return of == e })
		return nil, err
	}
	return slices.DeleteFunc(rec.Calls, func(c model.Call) bool {
		if r.waiting[c.ID] != e {
			return true
		}
		r.leave(e, c.ID)
		return false
	}), nil
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
