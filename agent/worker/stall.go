package worker

import (
	"context"
	"sync"
	"time"

	"github.com/elasticcode/flow/result"
)

// While the result store does not answer, leases lapse whose holders are alive: they
// can neither renew them nor tell what they have run. When it answers again, the claim
// of who has another copy of such a call may be there first. So after a time without
// answers copies are put back until the others have had their turn.

// pulse is when the result store took claims. It is asked for one at least every third of
// a lease, so that a worker with nothing to do knows, too.
type pulse struct {
	lease time.Duration

	mu    sync.Mutex // guards the fields below
	heard time.Time  // the last answer
	stall time.Time  // the first one after a while without
}

func newPulse(lease time.Duration) *pulse { return &pulse{lease: lease, heard: time.Now()} }

// beat notes an answer to what was asked then.
func (p *pulse) beat(asked time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	// A lease has two thirds of its time left at least, when answers stop.
	if now.Sub(asked) >= p.lease/3 || now.Sub(p.heard) >= 2*p.lease/3 {
		p.stall = now
	}
	p.heard = now
}

// back tells whether the store has answered for so short a time again that others
// may not have told yet what they have run.
func (p *pulse) back() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Since(p.stall) < p.turn()
}

// turn is how long those who run calls need at most, once the store answers, to renew
// claims and to keep results.
func (p *pulse) turn() time.Duration { return p.lease / 2 }

// feel finds out regularly whether the result store takes claims, until ctx ends.
func (s *session) feel(ctx context.Context) {
	every := s.w.cfg.Lease / 3
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		asked := time.Now()
		asking, cancel := context.WithTimeout(ctx, every)
		if err := result.Probe(asking, s.w.cfg.Results, s.w.holder); err == nil {
			s.pulse.beat(asked)
		}
		cancel()
	}
}

// yieldTurn takes out, and puts back, the calls that may have been delivered before, if
// the claims have come after a time without answers.
func (s *session) yieldTurn(run []*job, asked time.Time) []*job {
	s.pulse.beat(asked)
	if !s.pulse.back() {
		return run
	}
	first := make([]*job, 0, len(run))
	var copies []*job
	for _, j := range run {
		if j.Repeat {
			copies = append(copies, j)
		} else {
			first = append(first, j)
		}
	}
	if len(copies) > 0 {
		s.w.log.Info("the result store did not answer for a while: calls that somebody may have run are put back", "calls", len(copies))
		s.unclaim(copies...)
		s.postpone(copies, s.pulse.turn())
	}
	return first
}
