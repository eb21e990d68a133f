package worker

import (
	"context"
	"strconv"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
)

// An attempt that is to be made again leaves no result of its call. Without a mark,
// a message whose ack was lost would be run once more, and have one more successor:
// from then on there would be two lines of attempts. So what has a successor on the
// broker is marked, as if it were a call that has ended, and is only acked when it
// comes again.

// triedFor is how long a message that has a successor is remembered, beyond the
// delay of that.
const triedFor = time.Hour

// tried is under what it is kept that the message of a call has a successor. One
// that a person has sent again is due at another time.
func tried(e model.Envelope) string {
	due := ""
	if e.Due != nil {
		due = strconv.FormatInt(e.Due.UnixNano(), 10)
	}
	return model.DeriveID(e.ID, "tried", strconv.Itoa(e.Attempt), strconv.Itoa(e.Crashes), due)
}

// note marks the messages whose successors were published. It is tried once: what
// is not marked may be run once more than its socket allows, and loses nothing.
func (s *session) note(batch []finished) {
	var marks []result.Result
	var delay time.Duration
	for _, f := range batch {
		if f.kind == again {
			marks = append(marks, result.Result{Call: tried(f.job.Envelope), State: model.Failed, Attempt: f.job.attempt, Finished: f.ended})
			delay = max(delay, f.delay)
		}
	}
	if len(marks) == 0 {
		return
	}
	ctx, cancel := s.within(2 * time.Second)
	defer cancel()
	if _, err := s.w.cfg.Results.Put(ctx, delay+triedFor, marks...); err != nil {
		s.w.log.Warn("attempts may be repeated if they are delivered again", "calls", len(marks), "err", err)
	}
}

// superseded takes out, and acks, what may have been delivered before and has a
// successor.
func (s *session) superseded(taking context.Context, run []*job) []*job {
	left := make([]*job, 0, len(run))
	var repeats []*job
	for _, j := range run {
		if j.Repeat {
			repeats = append(repeats, j)
		} else {
			left = append(left, j)
		}
	}
	if len(repeats) == 0 {
		return run
	}
	marked, err := s.marked(taking, repeats)
	if err != nil { // stopping: nothing was begun
		s.giveUp(repeats)
		return left
	}
	var over []*job
	for _, j := range repeats {
		if _, ok := marked[tried(j.Envelope)]; ok {
			over = append(over, j)
		} else {
			left = append(left, j)
		}
	}
	if len(over) > 0 {
		s.unclaim(over...)
		for _, j := range over {
			s.drop(j)
		}
	}
	return left
}

// marked asks which of the calls' messages have successors, until the result store
// answers; an error says that taking ended first.
func (s *session) marked(taking context.Context, jobs []*job) (map[string]result.Result, error) {
	marks := make([]string, len(jobs))
	for i, j := range jobs {
		marks[i] = tried(j.Envelope)
	}
	delay := backoff{base: 100 * time.Millisecond, top: 5 * time.Second}
	for {
		ctx, cancel := context.WithTimeout(taking, 10*time.Second)
		known, err := s.w.cfg.Results.Get(ctx, marks...)
		cancel()
		if err == nil {
			return known, nil
		}
		if taking.Err() == nil {
			s.w.log.Warn("calls wait for the result store", "err", err)
		}
		select {
		case <-taking.Done():
			return nil, taking.Err()
		case <-time.After(delay.next()):
		}
	}
}

// drop acks a delivery that there is nothing to do for.
func (s *session) drop(j *job) {
	ctx, cancel := s.within(10 * time.Second)
	defer cancel()
	if err := j.Delivery.Ack(ctx); err != nil && !settledElsewhere(err) {
		s.w.log.Warn("ack", "call_id", j.Envelope.ID, "err", err)
	}
}
