package worker

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/socket"
)

// Calls of sockets with limits wait at a door until the limiter, which all
// workers share, gives them a pass:
//
//	claimed ──► door ──► host         a token from each bucket, a place in the room
//	             │
//	             └──► back to the queue, which is not taken from for a while
//
// A few calls wait here, claimed and in order, as long as there is hope for a
// pass within about a second or two and the worker could run them. They cost a
// question at the time when the limiter said that there is something to get, or,
// for a full room, when somebody has left it, and after a growing pause in case
// that was not heard. Otherwise they go back for others, and the receiver is
// paused: then the limit costs nothing at all. What a place is: seat.go.

const (
	// standing is how long calls wait at a door for a token that comes for sure.
	standing = time.Second
	// yielding is from when on a worker that runs something gives the calls at its
	// doors to others.
	yielding = 500 * time.Millisecond
	// stale is after how long a claim is looked at again: a person may have cancelled.
	stale = time.Second
	// parked is how long calls wait at a door at most: a broker may end a session
	// in which deliveries stay unsettled for long.
	parked = 2 * time.Minute
	// shut is for how long a socket is paused at most, in case news got lost.
	shut = time.Minute
)

// limit returns those of the calls that may run now; the others wait at the
// doors of their sockets.
func (s *session) limit(taking context.Context, jobs []*job) (run []*job, ended []finished) {
	if s.doors.ill == 0 && !slices.ContainsFunc(jobs, func(j *job) bool { return limited(j.Endpoint) }) {
		return jobs, nil
	}
	run = make([]*job, 0, len(jobs))
	var touched []string
	for _, j := range jobs {
		name := j.Endpoint.Socket.Name
		switch o := s.doors.open[name]; {
		case o != nil && o.ill && socket.InClass(j.Delivery.Queue):
			s.back(j, time.Until(o.until))
		case !limited(j.Endpoint):
			run = append(run, j)
		case socket.InClass(j.Delivery.Queue) && (j.Envelope.Priority != model.High || o.crowded()):
			run = append(run, s.pick(taking, j)...)
		case o == nil:
			o = newDoor()
			o.jobs = []*job{j}
			s.doors.open[name] = o
			touched = append(touched, name)
		default:
			if o.paused || len(o.jobs) == 0 { // else somebody stands there already
				touched = append(touched, name)
			}
			o.line(j)
		}
	}
	for _, name := range touched {
		more, over := s.enter(taking, name, s.doors.open[name])
		run, ended = append(run, more...), append(ended, over...)
	}
	return run, ended
}

// pick is for a call from a queue that carries calls of several sockets, which
// must not wait for it: without a pass it goes back for a moment. A few of a high
// priority may stand at the door, though, before all others.
func (s *session) pick(taking context.Context, j *job) []*job {
	e, wait := j.Endpoint, time.Duration(0)
	if s.busy(time.Now()) == 0 {
		n, next, err := s.ask(taking, e, []*job{j})
		if n == 1 {
			return []*job{j}
		}
		if err != nil {
			s.w.log.Warn("a limit cannot be asked for now", "socket", e.Socket.Name, "err", err)
		}
		wait = next
	}
	s.back(j, wait)
	return nil
}

// back gives a call of a class queue back, which goes on being taken from, for a
// while in which it would get no pass.
func (s *session) back(j *job, wait time.Duration) {
	s.unclaim(j)
	s.postpone([]*job{j}, 200*time.Millisecond+rand.N(300*time.Millisecond)+min(max(wait, 0), 5*time.Second))
}

// reopen looks at the doors, after news or when it is time.
func (s *session) reopen(taking context.Context) {
	news := s.doors.hear()
	var run []*job
	var ended []finished
	for name, o := range s.doors.open {
		now := time.Now()
		called := news.changed || news.idle && o.busy || o.room != "" && news.freed[o.room] && !o.paused
		if called {
			o.full.reset()
		}
		switch {
		case o.paused && (called || !now.Before(o.until)):
			s.unpause(name, o)
		case !o.paused && (called || !now.Before(o.next)):
			more, over := s.enter(taking, name, o)
			run, ended = append(run, more...), append(ended, over...)
		}
	}
	s.doors.vacateAll()
	s.hand(taking, run, ended)
	if len(news.heard) > 0 {
		s.flush(taking)
	}
	for _, heard := range news.heard {
		close(heard)
	}
}

// flush takes what was delivered already: calls that no endpoint is for go back.
func (s *session) flush(taking context.Context) {
	in := s.receiver.Deliveries()
	for n := len(in); n > 0; { // more may come all the time
		batch := gather(<-in, in)
		s.admit(taking, batch)
		n -= len(batch)
	}
}

// enter lets as many calls through a door as get a pass.
func (s *session) enter(taking context.Context, name string, o *door) (run []*job, ended []finished) {
	ended = s.tidy(o)
	o.busy, o.room = false, ""
	switch {
	case len(o.jobs) == 0:
		return nil, ended
	case o.paused: // it was taken before the pause began
		s.giveBackJobs(o)
		return nil, ended
	}
	e, now := o.jobs[0].Endpoint, time.Now()
	if ran := s.busy(now); ran > 0 {
		if o.busy, o.next = true, now.Add(yielding-ran); ran >= yielding {
			s.shut(name, o, shut, "the worker runs something else")
		}
		return nil, ended
	}
	if o.room = roomOf(e); o.room != "" && now.Before(o.polite) {
		o.next = o.polite
		return nil, ended
	}
	n, wait, err := len(o.jobs), time.Duration(0), error(nil)
	if limited(e) { // else the limit was taken away meanwhile
		n, wait, err = s.ask(taking, e, o.jobs)
	}
	run, o.jobs = o.jobs[:n:n], o.jobs[n:]
	if n > 0 {
		o.full.reset()
		o.away.reset()
		o.since = time.Time{}
		var over []finished
		run, over = s.still(taking, run)
		ended = append(ended, over...)
	}
	if len(o.jobs) > 0 {
		s.stand(taking, name, o, wait, err)
	}
	return run, ended
}

// tidy gives every call at a door its endpoint as it is now, and takes those out
// that have waited too long, and those that no endpoint is for any more.
func (s *session) tidy(o *door) (ended []finished) {
	now := time.Now()
	kept := o.jobs[:0]
	var gone []*job
	for _, j := range o.jobs {
		e := s.receiver.Endpoint(j.Delivery.Queue, j.Endpoint.Socket.Name)
		if e == nil {
			gone = append(gone, j)
			continue
		}
		j.Endpoint = e
		switch deadline := j.Envelope.Deadline; {
		case deadline != nil && now.After(*deadline):
			j.At = now
			ended = append(ended, expire(j))
		case outwaited(j, now):
			ended = append(ended, outwait(j, now))
		default:
			kept = append(kept, j)
		}
	}
	clear(o.jobs[len(kept):])
	o.jobs = kept
	s.giveUp(gone)
	return ended
}

// still claims calls again that have waited at a door for a while, and have a
// pass now: it finds those that ended meanwhile.
func (s *session) still(taking context.Context, jobs []*job) (run []*job, ended []finished) {
	var waited []*job
	for _, j := range jobs {
		if time.Since(j.At) > stale {
			waited = append(waited, j)
		} else {
			run = append(run, j)
		}
	}
	if len(waited) == 0 {
		return run, nil
	}
	sure, ended := s.claim(taking, waited)
	for _, j := range waited {
		if !slices.Contains(sure, j) {
			s.dismiss(j)
		}
	}
	return append(sure, run...), ended
}

// stand decides how the calls that got no pass go on.
func (s *session) stand(taking context.Context, name string, o *door, wait time.Duration, err error) {
	now, first := time.Now(), o.jobs[0]
	if err != nil && s.kill.Err() == nil {
		s.w.log.Warn("calls wait because their limit cannot be asked for now", "socket", name, "err", err)
	}
	switch {
	case now.Sub(first.At) > parked:
		s.shut(name, o, time.Second, "they have waited here for long")
	case wait > standing:
		s.shut(name, o, wait, "the rate")
	case wait > 0:
		o.next = now.Add(wait + rand.N(wait/10+2*time.Millisecond))
	case err == nil && o.room != "":
		s.queueUp(taking, name, o)
	default:
		o.linger(now)
	}
	if now.Sub(o.told) > 10*time.Second && (wait > 0 || o.room != "") {
		o.told = now
		s.w.news.limited(first, now)
	}
}

// queueUp decides how calls go on whose room is full.
func (s *session) queueUp(taking context.Context, name string, o *door) {
	now := time.Now()
	switch {
	case s.doors.has(o.room): // until one of them ends, or takes long
		o.next = now.Add(yielding / 2)
	case s.doors.had(o.room): // the turn is over
		s.doors.vacate(o.room)
		o.polite = now.Add(courtesy + rand.N(courtesy))
		o.next = o.polite
	case !o.since.IsZero() && now.Sub(o.since) > hopeless:
		s.shut(name, o, o.away.next(), "others have the places")
	default:
		s.doors.listen(taking, o.room)
		o.linger(now)
	}
}

// linger has the calls at the door ask again in a while.
func (o *door) linger(now time.Time) {
	if o.since.IsZero() {
		o.since = now
	}
	o.next = now.Add(o.full.next())
}

// shut gives the calls at a door back to their queues, and takes no more of them
// for a while. One that may wait in its queue for a limited time only is looked
// at again in that time.
func (s *session) shut(name string, o *door, wait time.Duration, why string) {
	wait = min(wait, shut)
	if limit := time.Duration(o.jobs[0].Endpoint.Socket.QueueTimeoutMS) * time.Millisecond; limit > 0 {
		wait = min(wait, max(limit/10, time.Second))
	}
	s.w.log.Debug("a socket is limited: its calls are left in their queues", "socket", name, "for", wait, "calls", len(o.jobs), "why", why)
	o.since = time.Time{}
	o.paused, o.until = true, time.Now().Add(wait)
	s.receiver.Pause(name)
	s.giveBackJobs(o)
}

func (s *session) giveBackJobs(o *door) {
	var own []*job
	for _, j := range o.jobs {
		if socket.InClass(j.Delivery.Queue) {
			s.back(j, time.Until(o.until))
		} else {
			own = append(own, j)
		}
	}
	s.giveUp(own)
	o.jobs = nil
}

// busy is for how long the present run has taken, when that is so long that the
// calls behind it are given to others; else 0.
func (s *session) busy(now time.Time) time.Duration {
	if began := s.running.Load(); began != 0 {
		if ran := now.Sub(time.Unix(0, began)); ran > reofferAfter {
			return ran
		}
	}
	return 0
}
