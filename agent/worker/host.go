package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/result"
)

// host owns the child process and the calls that were given to it. Its fields
// are only used by run.
type host struct {
	s       *session
	waiting line          // claimed, not in the pipe yet
	work    time.Duration // about what the calls in the pipe take together
	pipe    []*job        // sent, in order: the first one runs
	overdue *job          // the call whose run was ended for taking too long
	useful  bool          // the process has answered calls, or died of one
	watch   *time.Timer

	renewal   *time.Ticker // of claims
	renewed   time.Time    // when the last one that succeeded was asked for
	taken     taken        // what it told
	hurried   bool         // the next one was called for, as calls wait for it
	warned    time.Time    // when it was said last that they fail
	contested *job         // the call that runs and that another worker had claimed at the last one
	lost      *job         // the call whose run was ended because it is another worker's

	cancelled *job           // the call whose run was ended because it was cancelled
	verdict   result.Result  // its result
	asked     time.Time      // when the last question whether a call was cancelled was asked
	asking    bool           // the answer is not there yet
	told      chan verdict   // the answers
	asks      sync.WaitGroup // questions under way
}

// The clock of the host while something runs.
const (
	watchEvery   = 50 * time.Millisecond
	noteAfter    = 100 * time.Millisecond // a run this long is recorded as running
	reofferAfter = 90 * time.Millisecond  // a run this long gives the calls behind it to others
	splitAfter   = 400 * time.Millisecond // as reofferAfter, for calls that share a message, while calls are quick as a rule
	restAfter    = 500 * time.Millisecond // from a run this long on, nothing more is taken that would only be given back
	hoardMost    = 300 * time.Millisecond // of work that waits, beyond what is taken ahead one by one
)

// errAbandoned says that the worker was told to drop what it does.
var errAbandoned = errors.New("abandoned")

func newHost(s *session) *host {
	return &host{
		s: s, watch: time.NewTimer(time.Hour), told: make(chan verdict, 1),
		renewal: time.NewTicker(s.w.cfg.Lease / 3), renewed: time.Now(),
	}
}

// host runs jobs in the process until there are no more (nil) or it dies. It also
// tells whether the process was of use: it has run calls.
func (s *session) host() (useful bool, err error) {
	h := newHost(s)
	defer h.asks.Wait()
	defer h.watch.Stop()
	defer h.renewal.Stop()
	err = h.run()
	return h.useful, err
}

func (h *host) run() error {
	jobs, replies := h.s.jobs, h.s.proc.Replies()
	for {
		if jobs == nil {
			h.giveUp(h.waiting.clear()) // draining: what has not begun is for others
			if len(h.pipe) == 0 {
				return h.close()
			}
		}
		h.feed()
		select {
		case batch, ok := <-jobs:
			if !ok {
				jobs = nil
				continue
			}
			h.waiting.join(batch)
			h.cede() // the batch may have been on its way here while the worker slept
		case r, ok := <-replies:
			if !ok {
				return h.died(jobs)
			}
			h.answered(gather(r, replies))
		case <-h.watch.C:
			h.look()
		case v := <-h.told:
			h.sentence(v)
		case <-h.renewal.C:
			h.renew()
		case heard := <-h.s.changes:
			h.giveUp(h.waiting.trim(h.s.owned))
			close(heard)
		case <-h.s.kill.Done():
			h.s.proc.Kill()
			for range replies { // until it is gone
			}
			h.discard(jobs)
			return errAbandoned
		}
	}
}

// feed sends waiting calls into the pipe as long as little work is ahead of them.
func (h *host) feed() {
	if h.waiting.size() == 0 || h.condemned() || !h.entitled() {
		return
	}
	var next []*job
	var invs []processor.Invocation
	for h.work < ahead && len(h.pipe)+len(next) < batchSize && h.waiting.size() > 0 {
		j := h.waiting.next()
		j.expected = h.s.pace.expect(j.Endpoint.Socket.Task)
		h.work += j.expected
		next, invs = append(next, j), append(invs, invocation(j))
	}
	if len(next) == 0 {
		return
	}
	if err := h.s.proc.Send(invs...); err != nil {
		h.waiting.join(next)
		return // it has died: replies will be closed
	}
	idle := len(h.pipe) == 0
	h.pipe = append(h.pipe, next...)
	if idle {
		h.begin()
		h.watch.Reset(watchEvery)
	}
}

func invocation(j *job) processor.Invocation {
	e := j.Envelope
	if j.whole != nil {
		e = *j.whole
	}
	return processor.Invocation{
		ID: e.ID, Function: j.Endpoint.Socket.Task, Args: e.Args, Kwargs: e.Kwargs,
		Tracking: e.Tracking, Socket: e.Socket, Attempt: j.attempt,
	}
}

// begin marks the first call of the pipe as the one that runs now.
func (h *host) begin() {
	if len(h.pipe) == 0 {
		h.s.running.Store(0)
		return
	}
	h.pipe[0].began = time.Now()
	h.s.running.Store(h.pipe[0].began.UnixNano())
	h.s.w.news.running(h.pipe[0])
}

// answered takes replies, which come in the order of the pipe.
func (h *host) answered(replies []processor.Reply) {
	h.useful = true
	batch := make([]finished, 0, len(replies))
	for _, r := range replies {
		if len(h.pipe) == 0 || h.pipe[0].Envelope.ID != r.ID {
			h.s.w.log.Error("a reply to no call", "call_id", r.ID)
			continue
		}
		j := h.pipe[0]
		h.pipe = h.pipe[1:]
		h.work -= j.expected
		h.begin()
		if ran := time.Since(j.began); ran > reofferAfter {
			h.s.doors.tell(func(n *doorNews) { n.idle = true })
			if ran > restAfter {
				h.s.receiver.Wake()
			}
		}
		h.s.pace.add(j.Endpoint.Socket.Task, r.Finished.Sub(r.Started))
		batch = append(batch, conclude(j, r))
		delete(h.s.w.ill, j.Endpoint.Socket.Name)
	}
	if average, ok := h.s.pace.perCall(); ok {
		h.s.receiver.Pace(average)
	}
	h.feed() // the process has its next call before this one is settled
	if len(batch) > 0 {
		h.s.done <- batch
	}
}

// look is what the clock does: it records a run that takes a while, gives the
// calls behind a long one to others, and ends one that takes too long.
func (h *host) look() {
	if len(h.pipe) == 0 {
		return
	}
	h.watch.Reset(watchEvery)
	j, now := h.pipe[0], time.Now()
	ran := now.Sub(j.began)
	if ran > noteAfter && !j.noted {
		j.noted = true
		h.s.done <- []finished{{job: j, kind: runs}}
	}
	if ran > reofferAfter && h.waiting.size() > 0 {
		h.s.receiver.Pace(ran)
		// To give back one of many in a message costs a message: not for a moment
		// in which a busy machine ran something else.
		quick := ran < splitAfter && h.s.pace.expect(j.Endpoint.Socket.Task) < ahead
		others := h.waiting.trim(func(j *job) bool { return quick && j.Delivery.Companions > 0 })
		if ran > restAfter { // else they are back at once, and given back again, as long as it runs
			h.s.receiver.Rest(queues(others)...)
		}
		h.giveUp(others)
	}
	h.share()
	limit := time.Duration(j.Endpoint.Socket.TimeoutMS) * time.Millisecond
	if limit > 0 && ran > limit && !h.condemned() {
		h.overdue = j
		h.s.proc.Kill()
	}
	h.inquire(j, ran, now)
}

// queues are those that the calls came from.
func queues(jobs []*job) (out []string) {
	for _, j := range jobs {
		if !slices.Contains(out, j.Delivery.Queue) {
			out = append(out, j.Delivery.Queue)
		}
	}
	return out
}

// share gives calls to others that came in one message with those before them,
// and would wait here for long: how many come together is the sender's choice,
// who does not know how long they take.
func (h *host) share() {
	work := h.work
	h.giveUp(h.waiting.trim(func(j *job) bool {
		work += h.s.pace.expect(j.Endpoint.Socket.Task)
		return work < hoardMost || j.Delivery.Companions == 0
	}))
}

// died settles what the process leaves behind: the call that ran is charged,
// the others go back to their queues.
func (h *host) died(jobs <-chan []*job) error {
	err := h.s.proc.Err()
	if err == nil {
		err = errors.New("the process ended by itself with exit status 0")
	}
	h.s.stop()
	if len(h.pipe) > 0 {
		h.useful = true
		j := h.pipe[0]
		log := h.printed(j)
		switch {
		case h.cancelled == j:
			h.s.done <- []finished{{job: j, kind: ran, result: h.verdict, log: log}}
		case h.overdue == j:
			limit := time.Duration(j.Endpoint.Socket.TimeoutMS) * time.Millisecond
			err = fmt.Errorf("a call of %s took longer than its timeout of %s and was ended with its process", j.Envelope.Socket, limit)
			h.s.done <- []finished{overdue(j, err, log)}
		case h.condemned(): // it is another worker's, or the one before it was to be ended, and answered just in time
			h.giveUp(h.pipe[:1])
		default:
			h.s.done <- []finished{crashed(j, err, log)}
			h.s.w.blame(j.Endpoint.Socket.Name)
		}
		h.giveUp(h.pipe[1:])
	}
	if h.cancelled != nil {
		err = errCancelled
	} else if h.lost != nil {
		err = errLost
	}
	h.giveUp(h.waiting.clear())
	h.pipe = nil
	h.discard(jobs)
	return err
}

// printed is what a call had printed when its process ended.
func (h *host) printed(j *job) []model.LogLine {
	if p, ok := h.s.proc.(processor.Interrupted); ok {
		if id, log := p.Interrupted(); id == j.Envelope.ID {
			return log
		}
	}
	return nil
}

// discard gives back what intake still hands over, until it has ended.
func (h *host) discard(jobs <-chan []*job) {
	h.s.stop()
	if jobs == nil {
		return
	}
	for batch := range jobs {
		h.giveUp(batch)
	}
}

// giveUp returns calls that have not begun to their queues, for other workers;
// the highest class first, so that it is also back first.
func (h *host) giveUp(jobs []*job) { h.s.giveUp(jobs) }

func (s *session) giveUp(jobs []*job) {
	if len(jobs) == 0 {
		return
	}
	s.unclaim(jobs...)
	s.dismiss(jobs...)
	for _, j := range jobs {
		s.release(j.Delivery)
	}
}

// close ends the process when everything was answered.
func (h *host) close() error {
	ctx, cancel := context.WithTimeout(h.s.kill, 10*time.Second)
	defer cancel()
	if err := h.s.proc.Close(ctx); err != nil {
		h.s.w.log.Debug("close process", "err", err)
	}
	return nil
}

func crashed(j *job, err error, log []model.LogLine) finished {
	f := &model.Failure{Error: model.FailureCrash, Message: err.Error()}
	crashes := j.Envelope.Crashes + 1
	if crashes >= crashBudget {
		f.Message = fmt.Sprintf("the process died %d times while it ran this call; the last time: %v", crashes, err)
		return dead(j, f, j.began, time.Now(), log)
	}
	return finished{job: j, kind: again, failure: f, crash: true, log: log, started: j.began, ended: time.Now(), delay: max(jitter(time.Second, crashes, 10*time.Second), soonest)}
}

func overdue(j *job, err error, log []model.LogLine) finished {
	f := &model.Failure{Error: model.FailureTimeout, Message: err.Error()}
	return judge(j, f, j.began, time.Now(), log)
}
