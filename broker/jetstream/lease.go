package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// The holder of the lease does what one Broker must do for all: move delayed
// messages and look after limits. It renews the lease every leaseEvery; when it
// dies, another takes over after leaseFor at most.
const (
	leaseEvery = 5 * time.Second
	leaseFor   = 15 * time.Second
)

// lease is one Broker's view of the lease; used by one goroutine.
type lease struct {
	kv       jetstream.KeyValue
	id       string
	revision uint64    // under which this Broker holds it; 0 if it does not
	other    uint64    // the revision that another held it under
	since    time.Time // when that was seen first, by the clock of this process
}

type leaseEntry struct {
	Holder string `json:"holder"`           // empty: it was given up
	Server string `json:"server,omitempty"` // the run of the single server it was taken from
}

// try takes or renews the lease and tells whether this Broker holds it now. A
// lease has expired when nobody renewed it for leaseFor, measured here: clocks of
// different hosts are never compared. A lease from before the server was restarted is taken
// at once: in one process its holder is gone, and any other has lost its session.
func (l *lease) try(ctx context.Context, server string) (bool, error) {
	value, err := json.Marshal(leaseEntry{l.id, server})
	if err != nil {
		return false, err
	}
	if l.revision != 0 {
		return l.update(ctx, value, l.revision)
	}
	e, err := l.kv.Get(ctx, leaseKey)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		l.revision, err = l.kv.Create(ctx, leaseKey, value)
		return l.took(err)
	}
	if err != nil {
		return false, err
	}
	var have leaseEntry
	_ = json.Unmarshal(e.Value(), &have) // what cannot be read is not held
	if e.Revision() != l.other {
		l.other, l.since = e.Revision(), time.Now()
	}
	if have.Holder == "" || have.Server != server || time.Since(l.since) > leaseFor {
		return l.update(ctx, value, e.Revision())
	}
	return false, nil
}

func (l *lease) update(ctx context.Context, value []byte, revision uint64) (bool, error) {
	var err error
	l.revision, err = l.kv.Update(ctx, leaseKey, value, revision)
	return l.took(err)
}

// took understands the answer to a conditional write: another one's was first.
func (l *lease) took(err error) (bool, error) {
	if err == nil {
		return true, nil
	}
	l.revision = 0
	if errors.Is(err, jetstream.ErrKeyExists) {
		return false, nil
	}
	return false, err
}

// giveUp lets another Broker take the lease at once.
func (l *lease) giveUp(ctx context.Context) {
	if l.revision != 0 {
		_, _ = l.kv.Update(ctx, leaseKey, []byte(`{}`), l.revision) // if not, it expires
		l.revision = 0
	}
}

// housekeep does the holder's work whenever this Broker holds the lease.
func (b *Broker) housekeep(ctx context.Context) {
	l := &lease{kv: b.table.kv, id: b.id}
	defer func() {
		// This runs when ctx has ended, and a server that is gone must not delay it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 500*time.Millisecond)
		defer cancel()
		if b.nc.IsConnected() {
			l.giveUp(ctx)
		}
	}()
	news, unsubscribe := b.leaseNews()
	defer unsubscribe()
	for ctx.Err() == nil {
		holds, err := b.tryLease(ctx, l)
		if err != nil && ctx.Err() == nil {
			b.logger.DebugContext(ctx, "the lease of housekeeping was not renewed", "err", err)
		}
		if !holds {
			select {
			case <-news:
			case <-time.After(leaseEvery):
			case <-ctx.Done():
			}
			continue
		}
		b.hold(ctx, l)
	}
}

func (b *Broker) tryLease(ctx context.Context, l *lease) (bool, error) {
	s, err := b.sessions.wait(ctx)
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, leaseEvery)
	defer cancel()
	// l is used by one goroutine, so this one waits however long it takes.
	defer context.AfterFunc(s.over, cancel)()
	return l.try(ctx, s.server)
}

// hold works, and renews the lease until that fails.
func (b *Broker) hold(ctx context.Context, l *lease) {
	work, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); b.moveDelayed(work) }()
	swept := make(chan struct{})
	go func() { defer close(swept); b.enforceLimits(work) }()
	defer func() { stop(); <-done; <-swept }()
	tick := time.NewTicker(leaseEvery)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		holds, err := b.tryLease(ctx, l)
		switch {
		case err == nil && holds:
			last = time.Now()
		case err == nil, time.Since(last) > leaseFor-leaseEvery:
			return // another has it, or may have it soon
		}
	}
}

// leaseNews tells when the lease was given up.
func (b *Broker) leaseNews() (news <-chan struct{}, unsubscribe func()) {
	ch := make(chan struct{}, 1)
	b.table.onLease(func(value []byte) {
		var e leaseEntry
		if json.Unmarshal(value, &e) == nil && e.Holder == "" {
			select {
			case ch <- struct{}{}:
			default:
			}
		}
	})
	return ch, func() { b.table.onLease(nil) }
}
