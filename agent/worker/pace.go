package worker

import (
	"sync"
	"time"
)

// pace follows how long calls take, to choose how many to put into the child's
// pipe ahead of time. A call in the pipe cannot be given to another worker any
// more, and none of a higher class gets before it, so there is little work in it:
// of a slow function, the one that runs. Each function has an average of its own.
type pace struct {
	mu      sync.Mutex // guards the fields below
	average time.Duration
	known   bool
	tasks   map[string]time.Duration // the average of each function
}

// ahead is how much work, in time, may wait in the pipe. A call that takes so
// long has the pipe for itself: to have the next one there would save little
// beside it (0.1 to 1 ms, the more the busier the machine is), and a call of a
// higher class that comes meanwhile is then the next.
const ahead = 20 * time.Millisecond

func newPace() *pace { return &pace{tasks: map[string]time.Duration{}} }

// add tells how long a call of a function took; the averages lean to recent calls.
func (p *pace) add(task string, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if was, ok := p.tasks[task]; ok {
		p.tasks[task] = was + (d-was)/8
	} else {
		p.tasks[task] = d
	}
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

// expect is how long a call of the function is likely to take. Where nothing is
// known yet, it is taken for a slow one.
func (p *pace) expect(task string) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d, ok := p.tasks[task]; ok {
		return d
	}
	return ahead
}
