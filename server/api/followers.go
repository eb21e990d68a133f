package api

import (
	"context"
	"sync"
	"time"
)

// A change of a plug or of a socket's ways counts for calls when agents know it.
// Who makes one waits a moment for that, so that a call that is sent next goes
// the new way already.

const (
	// takenUp is how long a change waits to be taken up by agents at most.
	takenUp = 5 * time.Second
	// gone is after what time without a question an agent is not waited for.
	gone = 3 * time.Second
)

// followers are the agents that ask this server for their plans.
type followers struct {
	mu    sync.Mutex // guards the fields below
	nodes map[string]*follower
	moved chan struct{} // closed when one asks again
}

type follower struct {
	epoch   int64 // of the bell: it knows what was changed until then
	waiting int   // its questions that wait for a change now
	left    time.Time
}

func newFollowers() *followers {
	return &followers{nodes: map[string]*follower{}, moved: make(chan struct{})}
}

// told notes that a node was given a plan, and will ask again when it has it.
func (f *followers) told(node string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.of(node).left = time.Now()
}

// of returns what is known of a node; mu is held.
func (f *followers) of(node string) *follower {
	n := f.nodes[node]
	if n == nil {
		n = &follower{epoch: -1}
		f.nodes[node] = n
	}
	return n
}

// follow notes that a node has the plan of an epoch and waits for another one,
// until leave is called.
func (f *followers) follow(node string, epoch int64) (leave func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.of(node)
	n.epoch = max(n.epoch, epoch)
	n.waiting++
	close(f.moved)
	f.moved = make(chan struct{})
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		n.waiting--
		n.left = time.Now()
	}
}

// behind tells whether an agent does not know the changes of an epoch yet, and
// gives a channel that is closed when one has asked again.
func (f *followers) behind(epoch int64) (bool, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	late := false
	for node, n := range f.nodes {
		switch {
		case n.waiting == 0 && time.Since(n.left) > gone:
			delete(f.nodes, node)
		case n.epoch < epoch:
			late = true
		}
	}
	return late, f.moved
}

// settle waits until all agents that ask this server know what was changed, or
// for a while: a change counts whether or not they answer.
func (a *API) settle(ctx context.Context) {
	ctx, cancel := a.until(ctx, takenUp)
	defer cancel()
	defer a.plans.rush()()
	_, epoch := a.bell.wait()
	for {
		late, moved := a.followers.behind(epoch)
		if !late {
			return
		}
		select {
		case <-moved:
		case <-time.After(gone / 6): // one of them may be gone by then
		case <-ctx.Done():
			a.log.DebugContext(ctx, "a change was made that agents have not taken up yet")
			return
		}
	}
}
