package worker

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/plug"
	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/result"
)

// kind is what the committer is to do with a call.
type kind int

const (
	ran     kind = iota // it has ended: keep and forward its result
	again               // it is to be tried again after a delay
	arrived             // it is a value for a join: pass it on
	runs                // it runs: record that, settle nothing
)

// finished is a call on its way to the committer.
type finished struct {
	job    *job
	kind   kind
	result result.Result // of kind ran
	repeat bool          // the result is known already: only what follows is repeated
	log    []model.LogLine

	// of kind again
	failure *model.Failure
	crash   bool
	delay   time.Duration
	started time.Time
	ended   time.Time
}

// soonest is after what time at least a call comes again: its claim is given back by then.
const soonest = 50 * time.Millisecond

// MaxResult is the largest result, in bytes of JSON: what is left of the limit
// of a call when it becomes the value of one.
const MaxResult = model.MaxPayload - 64<<10

// conclude turns a reply into what is to be done.
func conclude(j *job, r processor.Reply) finished {
	if r.Failure == nil && r.Plugs != nil {
		r.Failure = plug.CheckChoice(j.Endpoint, r.Plugs)
	}
	if size := largest(r); r.Failure == nil && size > MaxResult {
		r.Failure = &model.Failure{Error: model.FailureTooLarge, Permanent: true,
			Message: fmt.Sprintf("the result has %d bytes, and %d is the limit: store large data elsewhere and return its address", size, MaxResult)}
	}
	if r.Failure != nil {
		return judge(j, r.Failure, r.Started, r.Finished, r.Log)
	}
	return finished{job: j, kind: ran, log: r.Log, result: result.Result{
		Call: j.Envelope.ID, State: model.Succeeded, Value: r.Value, Plugs: r.Plugs,
		Attempt: j.attempt, Started: r.Started, Finished: r.Finished,
	}}
}

// largest is the size of the largest value that the code gave.
func largest(r processor.Reply) int {
	size := len(r.Value)
	for _, v := range r.Plugs {
		size = max(size, len(v))
	}
	return size
}

// judge decides whether a failed run is tried again. A failure for good is
// "failed" when no other attempt was meant to be made, and "dead", parked for a
// person, when all attempts are used up.
func judge(j *job, f *model.Failure, started, ended time.Time, log []model.LogLine) finished {
	s := j.Endpoint.Socket
	attempt := j.attempt - j.Envelope.Before // of those that the socket allows
	if !f.Permanent && attempt < s.MaxAttempts {
		delay := jitter(time.Duration(s.BackoffMS)*time.Millisecond, attempt, time.Duration(s.BackoffMaxMS)*time.Millisecond)
		if f.RetryAfterMS > 0 {
			delay = time.Duration(f.RetryAfterMS) * time.Millisecond
		}
		return finished{job: j, kind: again, failure: f, delay: max(delay, soonest), started: started, ended: ended, log: log}
	}
	if !f.Permanent && s.MaxAttempts > 1 {
		return dead(j, f, started, ended, log)
	}
	return finished{job: j, kind: ran, log: log, result: result.Result{
		Call: j.Envelope.ID, State: model.Failed, Failure: f, Attempt: j.attempt, Started: started, Finished: ended,
	}}
}

func dead(j *job, f *model.Failure, started, ended time.Time, log []model.LogLine) finished {
	return finished{job: j, kind: ran, log: log, result: result.Result{
		Call: j.Envelope.ID, State: model.Dead, Failure: f, Attempt: j.attempt, Started: started, Finished: ended,
	}}
}

// repeat is for a call that has ended before: its stored result is what follows from.
func repeat(j *job, r result.Result) finished {
	j.attempt = r.Attempt
	return finished{job: j, kind: ran, result: r, repeat: true}
}

// jitter is a random delay below base·2^(attempt-1), at most top: full jitter
// keeps calls that failed together from coming back together.
func jitter(base time.Duration, attempt int, top time.Duration) time.Duration {
	d := base
	for range attempt - 1 {
		if d *= 2; d >= top {
			d = top
			break
		}
	}
	return rand.N(min(d, top) + 1)
}
