package worker

import "time"

// While the result store does not answer, leases lapse whose holders are alive: they
// can neither renew them nor tell what they have run. When it answers again, the claim
// of who has another copy of such a call may be there first. So after a time without
// answers copies are put back until the others have had their turn.

// stalled is how long an answer takes at least that counts as none.
func (s *session) stalled() time.Duration { return s.w.cfg.Lease / 3 }

// turn is how long those who run calls need at most, once the store answers, to renew
// claims and to keep results.
func (s *session) turn() time.Duration { return s.w.cfg.Lease / 2 }

// yieldTurn takes out, and puts back, the calls that may have been delivered before, if
// the claims have come after a time without answers.
func (s *session) yieldTurn(run []*job, asked time.Time) []*job {
	now := time.Now()
	if now.Sub(asked) >= s.stalled() {
		s.stall = now
	}
	if now.Sub(s.stall) >= s.turn() {
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
		s.postpone(copies, s.turn())
	}
	return first
}
