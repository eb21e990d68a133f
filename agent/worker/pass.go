package worker

import (
	"context"
	"errors"
	"time"

	"github.com/elasticcode/flow/model"
)

// pass is what a call of a socket with limits was given, so that it may run.
type pass struct {
	room    string   // in which it runs by the place of its session; empty: none
	buckets []bucket // from each of which it has a token
}

// bucket is where the tokens of a rate come from.
type bucket struct {
	name  string
	rate  float64
	burst int
}

// errNoLimiter says that limits cannot be kept.
var errNoLimiter = errors.New("this result store keeps no limits")

// limited tells whether the endpoint's calls need a pass.
func limited(e *model.Endpoint) bool {
	return e.Socket.MaxRunning > 0 || e.Socket.Limited() || e.ProcessorLimit.Limited()
}

// roomOf names the room of a socket's running calls, or is empty when there is no limit.
func roomOf(e *model.Endpoint) string {
	if e.Socket.MaxRunning == 0 {
		return ""
	}
	return "socket/" + e.Socket.Network + "/" + e.Socket.Name
}

// bucketsOf are those a run of the endpoint takes a token from.
func bucketsOf(e *model.Endpoint) []bucket {
	var out []bucket
	if l := e.Socket.Limit; l.Limited() {
		out = append(out, bucket{"socket/" + e.Socket.Network + "/" + e.Socket.Name, l.Rate.PerSecond(), l.Size()})
	}
	if l := e.ProcessorLimit; l.Limited() {
		out = append(out, bucket{"processor/" + e.Socket.Network + "/" + e.Socket.Processor, l.Rate.PerSecond(), l.Size()})
	}
	return out
}

// ask gets passes for the first of the jobs of an endpoint, and returns how many
// have one. For the next one wait is a good time; 0 is not known.
func (s *session) ask(ctx context.Context, e *model.Endpoint, jobs []*job) (n int, wait time.Duration, err error) {
	limiter := s.w.limiter
	if limiter == nil {
		return 0, 0, errNoLimiter
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	n = len(jobs)
	room := roomOf(e)
	if room != "" {
		if n, err = s.sit(ctx, e, room, n); n == 0 {
			return 0, 0, err
		}
	}
	for _, b := range bucketsOf(e) {
		got, next, err := limiter.Take(ctx, b.name, b.rate, b.burst, n)
		if err != nil {
			got = 0
		}
		if got < n {
			wait = next
			s.dismiss(jobs[got:n]...)
			n = got
		}
		for _, j := range jobs[:n] {
			j.pass.buckets = append(j.pass.buckets, b)
		}
		if n == 0 {
			if room != "" {
				s.doors.vacate(room)
			}
			return 0, wait, err
		}
	}
	if room != "" {
		for _, j := range jobs[:n] {
			j.pass.room = room
		}
		s.doors.passed(room, n)
	}
	return n, wait, nil
}

// dismiss takes the passes of calls back that do not run now.
func (s *session) dismiss(jobs ...*job) {
	unused := map[bucket]int{}
	for _, j := range jobs {
		if j.began.IsZero() {
			for _, b := range j.pass.buckets {
				unused[b]++
			}
		}
		j.pass.buckets = nil
	}
	for b, n := range unused {
		ctx, cancel := s.within(2 * time.Second)
		if _, _, err := s.w.limiter.Take(ctx, b.name, b.rate, b.burst, -n); err != nil {
			s.w.log.Debug("tokens are lost", "bucket", b.name, "count", n, "err", err)
		}
		cancel()
	}
	s.depart(jobs...)
}

// depart says that calls are not in their rooms any more.
func (s *session) depart(jobs ...*job) {
	rooms := map[string]int{}
	for _, j := range jobs {
		if j.pass.room != "" {
			rooms[j.pass.room]++
			j.pass.room = ""
		}
	}
	for room, n := range rooms {
		s.doors.ended(room, n)
	}
}

// leave is depart for calls that have run.
func (s *session) leave(batch []finished) {
	for _, f := range batch {
		if f.kind != runs {
			s.depart(f.job)
		}
	}
}

// outwaited tells whether a call has waited in its queue longer than its socket allows.
func outwaited(j *job, now time.Time) bool {
	limit := time.Duration(j.Endpoint.Socket.QueueTimeoutMS) * time.Millisecond
	return limit > 0 && now.Sub(j.Envelope.Waiting()) > limit
}
