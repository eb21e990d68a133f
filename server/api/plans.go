package api

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"sync"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
)

// The sockets of a processor are most of a plan, and are the same for all nodes
// that run it: they are read once after a change, not once for each question of
// each agent. A burst of changes (somebody declares a thousand sockets) is read
// together, so that what declaring one costs grows little with how many there are.

const (
	// socketsFresh is how long sockets that were read count without having heard
	// of a change, in case the news was lost.
	socketsFresh = 15 * time.Second
	// breath is for how many times the time that reading took nothing is read
	// again, and breathMost bounds it. Who waits for agents to know a change ends it.
	breath     = 3
	breathMost = time.Second
)

// plans remembers the sockets of processors.
type plans struct {
	store *store.Store
	bell  *bell

	mu         sync.Mutex // guards the fields below
	processors map[string]*wiring
	hurried    int           // how many wait for agents to know a change
	hurry      chan struct{} // closed while there are any
}

// wiring is the sockets of one processor.
type wiring struct {
	reading chan struct{} // holds a token while one reads, which guards the fields below

	shape   int64 // of the bell: what was changed until then is in it
	at      time.Time
	took    time.Duration
	sockets []model.Endpoint
	hash    [sha256.Size]byte
}

func newPlans(s *store.Store, b *bell) *plans {
	return &plans{store: s, bell: b, processors: map[string]*wiring{}, hurry: make(chan struct{})}
}

// of returns what a node is wanted to run, without credentials, and its version:
// a hash of what an agent acts on. What is only observed, and the times of
// changes, are left out.
func (p *plans) of(ctx context.Context, node string) (version string, assignments []model.Assignment, err error) {
	assignments, err = p.store.Wanted(ctx, node)
	if err != nil {
		return "", nil, err
	}
	h := sha256.New()
	enc := json.NewEncoder(h)
	for i := range assignments {
		var hash [sha256.Size]byte
		as := &assignments[i]
		if as.Sockets, hash, err = p.sockets(ctx, as.Processor.Network, as.Processor.Name); err != nil {
			return "", nil, err
		}
		_ = enc.Encode(acted(*as)) // a hash takes everything
		_, _ = h.Write(hash[:])
	}
	return hexed(h), assignments, nil
}

// sockets returns the endpoints of a processor, which nobody may change, as they
// are after every change this server has heard of, and a hash of them.
func (p *plans) sockets(ctx context.Context, network, processor string) ([]model.Endpoint, [sha256.Size]byte, error) {
	w := p.wiring(network + "/" + processor)
	select {
	case w.reading <- struct{}{}:
	case <-ctx.Done():
		return nil, w.hash, ctx.Err()
	}
	defer func() { <-w.reading }()
	if w.shape == p.bell.shaped() && time.Since(w.at) < socketsFresh {
		return w.sockets, w.hash, nil
	}
	if err := p.rest(ctx, time.Until(w.at.Add(min(breath*w.took, breathMost)))); err != nil {
		return nil, w.hash, err
	}
	shape, began := p.bell.shaped(), time.Now()
	sockets, err := p.store.EndpointsOf(ctx, network, processor)
	if err != nil {
		return nil, w.hash, err
	}
	h := sha256.New()
	_ = json.NewEncoder(h).Encode(sockets)
	w.shape, w.sockets, w.at, w.took = shape, sockets, time.Now(), time.Since(began)
	h.Sum(w.hash[:0])
	return w.sockets, w.hash, nil
}

// wiring returns the entry of a processor. Those that nobody asks for any more go.
func (p *plans) wiring(key string) *wiring {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.processors[key]
	if w != nil {
		return w
	}
	for key, old := range p.processors {
		select {
		case old.reading <- struct{}{}:
			if time.Since(old.at) > 4*socketsFresh {
				delete(p.processors, key)
			}
			<-old.reading
		default: // somebody asks
		}
	}
	w = &wiring{reading: make(chan struct{}, 1), shape: -1}
	p.processors[key] = w
	return w
}

// rest waits for d, or until somebody is in a hurry.
func (p *plans) rest(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	p.mu.Lock()
	hurry := p.hurry
	p.mu.Unlock()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
	case <-hurry:
	}
	return nil
}

// rush lets nobody rest until calm is called: somebody waits for agents to know a
// change.
func (p *plans) rush() (calm func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hurried++; p.hurried == 1 {
		close(p.hurry)
	}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.hurried--; p.hurried == 0 {
			p.hurry = make(chan struct{})
		}
	}
}
