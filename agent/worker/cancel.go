package worker

import (
	"context"
	"errors"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
)

// A cancelled call has a result before a worker has told one, so the rules of
// every ended call do most of the work: it is not granted to anybody, and its
// own outcome comes too late. What is added here is that a run of the code is
// ended, and that nothing new of a cancelled run begins.

const (
	// askEvery is how often a worker asks whether what it runs was cancelled.
	askEvery = time.Second
	// askAfter is how long a run of the code goes on before that is asked first.
	askAfter = 400 * time.Millisecond
)

// errCancelled says that the process was ended to end a call.
var errCancelled = errors.New("a cancelled call was ended with its process")

// verdict is the answer to the question whether a running call was cancelled.
type verdict struct {
	job    *job
	result *result.Result // nil: it was not
}

// inquire asks in the background whether the running call was cancelled.
func (h *host) inquire(j *job, ran time.Duration, now time.Time) {
	if ran < askAfter || h.asking || now.Sub(h.asked) < askEvery || h.condemned() {
		return
	}
	h.asking, h.asked = true, now
	h.asks.Go(func() {
		ctx, cancel := h.s.within(2 * time.Second)
		defer cancel()
		run := result.CancelledRun(j.Envelope.Tracking)
		found, err := h.s.w.cfg.Results.Get(ctx, j.Envelope.ID, run)
		v := verdict{job: j}
		if r, ok := found[j.Envelope.ID]; ok && r.State == model.Cancelled {
			v.result = &r
		} else if r, ok := found[run]; ok && err == nil {
			own := ofRun(j, r)
			v.result = &own
		}
		h.told <- v // has room: one question at a time
	})
}

// sentence ends the running call with its process group, if it was cancelled.
func (h *host) sentence(v verdict) {
	h.asking = false
	if v.result == nil || len(h.pipe) == 0 || h.pipe[0] != v.job || h.overdue != nil || h.lost != nil {
		return
	}
	h.cancelled, h.verdict = v.job, *v.result
	h.s.w.log.Info("a cancelled call is ended with its process", "call_id", v.job.Envelope.ID, "socket", v.job.Envelope.Socket)
	h.s.proc.Kill()
}

// ofRun is the result of a call whose run was cancelled.
func ofRun(j *job, run result.Result) result.Result {
	return result.Result{
		Call: j.Envelope.ID, State: model.Cancelled, Failure: run.Failure,
		Attempt: j.attempt, Started: j.began, Finished: time.Now().UTC(),
	}
}

// sift takes the calls of cancelled runs out of those that may be run. It costs
// one small question a second, and one for each batch while cancels are under way.
func (s *session) sift(taking context.Context, run []*job, ended []finished) ([]*job, []finished) {
	if len(run) == 0 || !s.cancelsUnderWay(taking) {
		return run, ended
	}
	var ids []string
	seen := map[string]bool{}
	for _, j := range run {
		if id := result.CancelledRun(j.Envelope.Tracking); !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	ctx, cancel := context.WithTimeout(taking, 5*time.Second)
	defer cancel()
	found, err := s.w.cfg.Results.Get(ctx, ids...)
	if err != nil {
		s.w.log.Warn("cancelled runs cannot be looked up now", "err", err)
		return run, ended
	}
	left := make([]*job, 0, len(run))
	for _, j := range run {
		if r, ok := found[result.CancelledRun(j.Envelope.Tracking)]; ok {
			j.attempt = j.Envelope.Attempt // it has not begun another
			ended = append(ended, finished{job: j, kind: ran, result: ofRun(j, r)})
			continue
		}
		left = append(left, j)
	}
	return left, ended
}

// cancelsUnderWay tells whether any run is being cancelled, as of the last second.
func (s *session) cancelsUnderWay(taking context.Context) bool {
	if time.Since(s.asked) < askEvery {
		return s.underWay
	}
	s.asked = time.Now()
	ctx, cancel := context.WithTimeout(taking, time.Second)
	defer cancel()
	found, err := s.w.cfg.Results.Get(ctx, result.CancelsUnderWay)
	if err == nil {
		_, s.underWay = found[result.CancelsUnderWay]
	}
	return s.underWay
}
