package api

import (
	"context"
	"sync"
	"time"

	"github.com/elasticcode/flow/model"
)

// A change of a plug or of a socket's ways counts for calls when agents know it.
// Who makes one waits a moment for that, so that a call that is sent next goes
// the new way already.

const (
	// takenUp is how long a change waits to be taken up by agents at most.
	takenUp = 5 * time.Second
	// gone is after what time without a question an agent is not waited for.
	gone = 3 * time.Second
	// askAgain is how long it takes until it is looked again what agents of other
	// servers know.
	askAgain = 25 * time.Millisecond
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
	version string // of the plan that it has
	public  bool   // other servers can read that
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

// follows tells whether a node asks this server.
func (f *followers) follows(node string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.nodes[node] != nil
}

// has notes which version of its plan a node has, and tells whether other servers
// do not know that yet.
func (f *followers) has(node, version string) (news bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.of(node)
	n.public = n.public && n.version == version
	n.version = version
	return !n.public
}

// unknown returns which version of its plan a node has, if other servers do not
// know that; else nothing.
func (f *followers) unknown(node string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := f.nodes[node]; n != nil && !n.public {
		return n.version
	}
	return ""
}

// published notes that other servers know which version a node has.
func (f *followers) published(node, version string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.of(node)
	n.public = n.version == version
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

// taken lets other servers know which version of its plan a node has taken up.
// Where that fails, it is tried again with the next heartbeat.
func (a *API) taken(ctx context.Context, node, version string) {
	known, err := a.cfg.Store.PlanTaken(ctx, node, version)
	if known && err == nil {
		a.followers.published(node, version)
		return
	}
	a.log.DebugContext(ctx, "other servers do not know which plan a node has", "node", node, "err", err)
}

// settle waits until all agents know what was changed, or for a while: a change
// counts whether or not they answer.
func (a *API) settle(ctx context.Context) {
	ctx, cancel := a.until(ctx, takenUp)
	defer cancel()
	defer a.plans.rush()()
	if !a.settleHere(ctx) || !a.settleElsewhere(ctx) {
		a.log.DebugContext(ctx, "a change was made that agents have not taken up yet")
	}
}

// settleHere waits for the agents that ask this server; it is false when ctx
// ends first.
func (a *API) settleHere(ctx context.Context) bool {
	_, epoch := a.bell.wait()
	for {
		late, moved := a.followers.behind(epoch)
		if !late {
			return true
		}
		select {
		case <-moved:
		case <-time.After(gone / 6): // one of them may be gone by then
		case <-ctx.Done():
			return false
		}
	}
}

// settleElsewhere waits for the agents that ask other servers, which have to hear
// of the change before; it is false when ctx ends first.
func (a *API) settleElsewhere(ctx context.Context) bool {
	settled := map[string]bool{}
	for {
		taken, err := a.cfg.Store.PlansTaken(ctx, 2*model.HeartbeatEvery)
		late := err != nil
		for node, version := range taken {
			if settled[node] || a.followers.follows(node) {
				continue
			}
			wanted, _, err := a.plans.of(ctx, node)
			settled[node] = err == nil && wanted == version
			late = late || !settled[node]
		}
		if !late {
			return true
		}
		select {
		case <-time.After(askAgain):
		case <-ctx.Done():
			return false
		}
	}
}
