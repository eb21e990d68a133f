package worker

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/socket"
)

// A result store may have lost what it knew: somebody flushed Redis. A call that
// is delivered again may then be granted although it ended before, or although
// another worker is running it now. So what is delivered again and is older than
// the store's memory is put back for a while, in which who runs it claims it
// anew and the recorder writes what is on its way; after that the history, which
// only the server can read, is asked whether the call has ended.
//
// That a message was not delivered before says nothing at first: of two messages of
// one call, sent since nobody knew whether the first had arrived, the second may have
// been run while the first was on its way through this worker. So for as long as the
// store says that it is unsure, whatever is older than its memory is treated alike.

const (
	// skew is how far the clocks of the store and of those who make calls may differ.
	skew = 5 * time.Second
	// resettle is how long after a loss of memory what is older is not looked at: two
	// renewals of claims, and time for the recorder.
	resettle = 12 * time.Second
	// recallDelay is for how long a call is put back that cannot be told yet, after that.
	recallDelay = 2 * time.Second
)

// errUnsettled says that it cannot be told yet which calls have ended.
var errUnsettled = errors.New("the result store was emptied a moment ago, and the history is being written")

// recall takes the calls that have ended, as far as the history knows, out of
// those that were granted.
func (s *session) recall(taking context.Context, run []*job, ended []finished) ([]*job, []finished) {
	memory, ok := s.w.cfg.Results.(result.Memory)
	if !ok || s.w.cfg.History == nil {
		return run, ended
	}
	if !slices.ContainsFunc(run, (*job).mayHaveRun) {
		return run, ended
	}
	ctx, cancel := context.WithTimeout(taking, 10*time.Second)
	defer cancel()
	since, now, err := memory.Since(ctx)
	sure := make([]*job, 0, len(run))
	var doubtful []*job
	for _, j := range run {
		if j.mayHaveRun() && (err != nil || s.older(j.Envelope.Created, since, now)) {
			doubtful = append(doubtful, j)
		} else {
			sure = append(sure, j)
		}
	}
	if len(doubtful) == 0 {
		return run, ended
	}
	var known map[string]model.Call
	delay := recallDelay
	if err == nil {
		delay = max(delay, resettle-now.Sub(since))
		known, err = s.history(ctx, since, now, ids(doubtful))
	}
	if err != nil {
		s.putBack(doubtful, delay, err)
		return sure, ended
	}
	for _, j := range doubtful {
		if c, ok := known[j.Envelope.ID]; ok {
			j.Repeat = true // what follows from it has been sent before
			ended = append(ended, recalled(j, c))
		} else {
			sure = append(sure, j)
		}
	}
	return sure, ended
}

// mayHaveRun tells whether a grant does not say that the call has not been run, when it
// is older than the store's memory.
func (j *job) mayHaveRun() bool { return j.Repeat || j.unsure }

// older tells whether a call may be older than what the store remembers, by the
// store's clock. One that comes from the future was made by a clock that is
// wrong, so its time tells nothing.
func (s *session) older(created, since, now time.Time) bool {
	return created.Before(since.Add(skew)) || created.After(now.Add(skew)) || now.Sub(created) > s.w.cfg.ResultTTL
}

// history returns those of the calls that have ended. What ended before the store lost
// its memory is in there, once the queue of records was seen empty a while later.
func (s *session) history(ctx context.Context, since, now time.Time, calls []string) (map[string]model.Call, error) {
	if now.Sub(since) < resettle {
		return nil, errUnsettled
	}
	// When Redis started is known to a second only: a little later is the same loss.
	if since.Sub(s.written) > resettle/2 {
		stats, err := s.w.cfg.Broker.Inspect(ctx, socket.Records)
		if err != nil {
			return nil, err
		}
		if stats[0].Messages > 0 {
			return nil, errUnsettled
		}
		s.written = since
	}
	found, err := s.w.cfg.History(ctx, calls)
	if err != nil {
		return nil, err
	}
	known := map[string]model.Call{}
	for _, c := range found {
		// A dead call may have been sent again by a person.
		if c.State.Terminal() && c.State != model.Dead {
			known[c.ID] = c
		}
	}
	return known, nil
}

// putBack returns calls to their queues for a moment, with their claims.
func (s *session) putBack(jobs []*job, delay time.Duration, why error) {
	if time.Since(s.doubted) > resettle {
		s.doubted = time.Now()
		s.w.log.Warn("calls that may have ended are put back until that is known", "calls", len(jobs), "why", why)
	}
	s.unclaim(jobs...)
	s.postpone(jobs, delay)
}

// recalled is for a call that the history knows to have ended. It is kept again
// for those who wait, and what follows from it is sent again. What the code
// chose plugs for is not in the history: the record of the call went to the
// broker behind what followed from it, so that is on its way already.
func recalled(j *job, c model.Call) finished {
	r := result.Result{Call: c.ID, State: c.State, Value: c.Result, Failure: c.Failure, Joined: c.Joined, Attempt: c.Attempt,
		Refs: model.Rebase(c.Refs, model.ResultPlace, "/value")}
	if c.Started != nil {
		r.Started = *c.Started
	}
	if c.Finished != nil {
		r.Finished = *c.Finished
	}
	for _, e := range c.Events {
		if e.Name == choseEvent {
			r.Plugs = map[string]json.RawMessage{}
		}
	}
	j.attempt = c.Attempt
	return finished{job: j, kind: ran, result: r}
}
