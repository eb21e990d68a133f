package worker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/socket"
)

// batchSize bounds what is claimed, run or committed together.
const batchSize = 256

// intake takes deliveries, whatever is ready together, until taking ends.
func (s *session) intake(taking context.Context) {
	in := s.receiver.Deliveries()
	for {
		select {
		case <-taking.Done():
			for _, o := range s.doors.open {
				s.giveUp(o.jobs)
				o.jobs = nil
			}
			s.doors.desert()
			return
		case <-s.doors.wake:
			s.reopen(taking)
		case <-s.doors.due():
			s.reopen(taking)
		case d := <-in:
			batch := gather(d, in)
			s.w.cfg.Fault("after receive")
			s.admit(taking, batch)
		}
	}
}

// gather returns first and what else can be had without waiting.
func gather[T any](first T, more <-chan T) []T {
	batch := append(make([]T, 0, 16), first)
	for len(batch) < batchSize {
		select {
		case d, ok := <-more:
			if !ok {
				return batch
			}
			batch = append(batch, d)
		default:
			return batch
		}
	}
	return batch
}

// admit claims the calls of a batch of deliveries and hands them on: those to
// be run to the host, the others to the committer.
func (s *session) admit(taking context.Context, ds []*broker.Delivery) {
	var aside []finished // needs no run
	var fresh, twice []*job
	for _, d := range ds {
		rec, err := s.receiver.Open(d)
		switch {
		case errors.Is(err, socket.ErrNotForUs):
			s.release(d)
			continue
		case errors.Is(err, socket.ErrNotHere):
			s.sendHome(d, err)
			continue
		case errors.Is(err, socket.ErrOverTime):
			s.bury(d, broker.ReasonExpired)
			continue
		case err != nil:
			s.w.log.Error("a message is not a call", "queue", d.Queue, "message_id", d.ID, "err", err)
			s.bury(d, err.Error())
			continue
		}
		j := &job{Received: rec, attempt: rec.Envelope.Attempt + 1}
		switch {
		case rec.Envelope.Argument != "":
			aside = append(aside, finished{job: j, kind: arrived})
		case rec.Envelope.Deadline != nil && rec.At.After(*rec.Envelope.Deadline):
			aside = append(aside, expire(j))
		case !s.hold(rec.Envelope.ID):
			twice = append(twice, j) // a second copy of a call that this worker has
		default:
			s.unseal(j)
			fresh = append(fresh, j)
		}
	}
	s.postpone(twice, time.Second)
	run, ended := s.claim(taking, fresh)
	s.w.cfg.Fault("after claim")
	aside = append(aside, ended...)
	run, ended = s.sieve(run)
	aside = append(aside, ended...)
	run, ended = s.limit(taking, run)
	s.hand(taking, run, append(aside, ended...))
}

// sieve takes the calls out of those that may be run that waited in their queue
// for too long. Only who has the claim can tell: a copy of one that runs has not.
func (s *session) sieve(jobs []*job) (run []*job, ended []finished) {
	run = jobs[:0]
	for _, j := range jobs {
		if outwaited(j, j.At) {
			ended = append(ended, outwait(j, j.At))
		} else {
			run = append(run, j)
		}
	}
	return run, ended
}

// claim asks for the right to run the jobs. It returns those that may be run,
// and those that have ended already.
func (s *session) claim(taking context.Context, jobs []*job) (run []*job, ended []finished) {
	if len(jobs) == 0 {
		return nil, nil
	}
	asked := time.Now()
	claims, err := s.claims(taking, ids(jobs))
	if err != nil { // stopping: nothing was begun
		for _, j := range jobs {
			s.letGo(j.Envelope.ID)
			s.release(j.Delivery)
		}
		return nil, nil
	}
	var others []*job
	var longest time.Duration
	for i, c := range claims {
		j := jobs[i]
		switch {
		case c.Granted:
			j.unsure = c.Unsure
			run = append(run, j)
		case c.Result != nil:
			ended = append(ended, repeat(j, *c.Result))
		default:
			s.letGo(j.Envelope.ID)
			others, longest = append(others, j), max(longest, c.Remaining)
		}
	}
	s.postpone(others, min(max(longest, 100*time.Millisecond), 2*time.Second))
	run, ended = s.recall(taking, s.superseded(taking, s.yieldTurn(run, asked)), ended)
	return s.sift(taking, run, ended)
}

// claims claims the calls, and keeps trying while the result store is away.
// Claims left behind by an earlier life of this node are taken over.
func (s *session) claims(taking context.Context, calls []string) ([]result.Claim, error) {
	delay := backoff{base: 100 * time.Millisecond, top: 5 * time.Second}
	for {
		claims, err := s.tryClaim(taking, calls)
		if err == nil {
			return claims, nil
		}
		if taking.Err() != nil {
			return nil, taking.Err()
		}
		s.w.log.Warn("calls wait for the result store", "err", err)
		select {
		case <-taking.Done():
			return nil, taking.Err()
		case <-time.After(delay.next()):
		}
	}
}

func (s *session) tryClaim(taking context.Context, calls []string) ([]result.Claim, error) {
	ctx, cancel := context.WithTimeout(taking, 10*time.Second)
	defer cancel()
	store := s.w.cfg.Results
	claims, err := store.Claim(ctx, s.w.holder, s.w.cfg.Lease, calls...)
	if err != nil {
		return nil, err
	}
	for i, c := range claims {
		if c.Granted || c.Result != nil || !s.w.orphaned(c.Holder) {
			continue
		}
		s.orphan(c.Holder)
		if err := store.Release(ctx, c.Holder, calls[i]); err != nil {
			return nil, err
		}
		again, err := store.Claim(ctx, s.w.holder, s.w.cfg.Lease, calls[i])
		if err != nil {
			return nil, err
		}
		claims[i] = again[0]
	}
	return claims, nil
}

// orphaned tells whether the holder of a claim is an agent that this one has replaced.
func (w *Worker) orphaned(holder string) bool {
	node, rest, ok := strings.Cut(holder, "/")
	if !ok || node != w.cfg.Node {
		return false
	}
	epoch, _, _ := strings.Cut(rest, "/")
	return epoch != w.cfg.Epoch
}

// giveBack returns the deliveries that were taken but not looked at.
func (s *session) giveBack() {
	for {
		select {
		case d := <-s.receiver.Deliveries():
			s.release(d)
		default:
			return
		}
	}
}

func (s *session) release(d *broker.Delivery) {
	ctx, cancel := s.within(5 * time.Second)
	defer cancel()
	if err := d.Release(ctx); err != nil && !settledElsewhere(err) {
		s.w.log.Debug("release", "call_id", d.ID, "err", err)
	}
}

// postpone puts calls back for a moment: somebody else has them, or may. Together, since
// one after the other a batch would hold up the intake for a second.
func (s *session) postpone(jobs []*job, delay time.Duration) {
	var g errgroup.Group
	g.SetLimit(32)
	for _, j := range jobs {
		g.Go(func() error { return s.later(j, delay) })
	}
	if err := g.Wait(); err != nil {
		s.w.log.Warn("calls went back to their queues at once and not after a while", "of", len(jobs), "err", err)
	}
}

// later is postpone for one. Where that is not possible now, it goes back at once.
func (s *session) later(j *job, delay time.Duration) error {
	ctx, cancel := s.within(30 * time.Second)
	defer cancel()
	s.w.log.Debug("put back for a moment", "call_id", j.Envelope.ID, "in", delay, "queue", j.Delivery.Queue, "redelivered", j.Delivery.Redelivered)
	err := j.Delivery.Retry(ctx, delay, nil, repeated(j.Delivery.Headers))
	if err == nil || settledElsewhere(err) {
		return nil
	}
	s.release(j.Delivery)
	return err
}

// repeated are headers that say besides that the message may have been published before.
func repeated(headers map[string]string) map[string]string {
	out := maps.Clone(headers)
	if out == nil {
		out = map[string]string{}
	}
	out[broker.HeaderRepeat] = "1"
	return out
}

// sendHome passes a call of a class queue whose socket is not known here on to
// the socket's own queue: who knows a new one takes from it, and a deleted one
// has none any more, so that the call goes to the dead letters.
func (s *session) sendHome(d *broker.Delivery, why error) {
	ctx, cancel := s.within(30 * time.Second)
	defer cancel()
	m, ok := socket.Home(d.Message)
	if !ok {
		s.bury(d, why.Error())
		return
	}
	m.Headers = repeated(m.Headers) // that it was delivered before is not on the new message, and d may come again
	err := s.w.cfg.Broker.Publish(ctx, m)
	switch {
	case err == nil:
		err = d.Ack(ctx)
	case errors.Is(err, broker.ErrUnroutable):
		s.w.log.Warn("a call is for a socket that is gone", "call_id", d.ID, "queue", d.Queue, "err", why)
		s.bury(d, broker.ReasonGone+", "+m.Key+", and "+why.Error())
		return
	default:
		err = d.Retry(ctx, time.Second, nil, repeated(d.Headers))
	}
	if err != nil && !settledElsewhere(err) {
		s.w.log.Warn("send on to the socket's own queue", "call_id", d.ID, "queue", m.Key, "err", err)
		s.release(d)
	}
}

// bury sends what is not to be run to the dead letters.
func (s *session) bury(d *broker.Delivery, why string) {
	ctx, cancel := s.within(30 * time.Second)
	defer cancel()
	if err := d.Dead(ctx, why); err != nil && !settledElsewhere(err) {
		s.release(d)
	}
}

// settledElsewhere tells whether a delivery needs nothing more from us: its
// session has ended, so it comes again, or it was settled already.
func settledElsewhere(err error) bool {
	return errors.Is(err, broker.ErrSessionGone) || errors.Is(err, broker.ErrSettled)
}

func ids(jobs []*job) []string {
	out := make([]string, len(jobs))
	for i, j := range jobs {
		out[i] = j.Envelope.ID
	}
	return out
}

// expire ends a call that was still queued at its deadline.
func expire(j *job) finished {
	return finished{job: j, kind: ran, result: result.Result{
		Call: j.Envelope.ID, State: model.Expired, Attempt: j.Envelope.Attempt, Finished: j.At,
		Failure: &model.Failure{Error: model.FailureDeadline, Message: "the call was still queued at its deadline", Permanent: true},
	}}
}

// outwait ends a call that waited in its queue for longer than its socket allows.
func outwait(j *job, now time.Time) finished {
	f := expire(j)
	limit := time.Duration(j.Endpoint.Socket.QueueTimeoutMS) * time.Millisecond
	f.result.Finished = now
	f.result.Failure.Message = fmt.Sprintf("the call waited in its queue for %s, longer than the queue timeout of %s of socket %s",
		now.Sub(j.Envelope.Waiting()).Round(time.Millisecond), limit, j.Endpoint.Socket.Name)
	return f
}
