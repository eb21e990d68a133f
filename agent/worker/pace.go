package worker

import (
	"sync"
	"time"
)

// pace follows how long calls take, to choose how many to put into the child's
// pipe ahead of time. A call in the pipe cannot be given to another worker any
// more, so a slow function gets no more than the next one.
type pace struct {
	mu      sync.Mutex // guards the fields below
	average time.Duration
	known   bool
}

// ahead is how much work, in time, may wait in the pipe. A call that takes so
// long has the pipe for itself: to have the next one there would save little
// beside it (0.1 to 1 ms, the more the busier the machine is), and a call of a
// higher class that comes meanwhile is then the next.
const ahead = 20 * time.Millisecond

func newPace() *pace { return &pace{} }

// add tells how long a call took; the average leans to recent calls.
func (p *pace) add(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.known {
		p.average, p.known = d, true
		return
	}
	p.average += (d - p.average) / 8
}

// perCall is how long a call takes now, and whether that is known.
func (p *pace) perCall() (time.Duration, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.average, p.known
}

// window is how many calls may be in the pipe.
func (p *pace) window() int {
	average, known := p.perCall()
	switch {
	case !known:
		return 1
	case average <= ahead/batchSize:
		return batchSize
	case average >= ahead:
		return 1
	}
	return max(2, int(ahead/average))
}
