package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// exchangeEntry and queueEntry are what the table keeps.
type exchangeEntry struct {
	Name string      `json:"name"`
	Kind broker.Kind `json:"kind"`
}

type queueEntry struct {
	Name     string           `json:"name"`
	Bindings []broker.Binding `json:"bindings,omitempty"`
	Limits   broker.Limits    `json:"limits"`
	Declared time.Time        `json:"declared"` // last; kept up to date for queues that expire
}

// table is this process's copy of the exchanges, queues and bindings.
type table struct {
	kv     jetstream.KeyValue
	stream string // that the key-value bucket is

	mu        sync.RWMutex // guards the fields below
	exchanges map[string]broker.Kind
	queues    map[string]queueEntry
	suspects  map[string]uint64 // queue → last message that may have been delivered before a crash
	revisions map[string]uint64 // key → revision, to ignore what is older
	seen      uint64            // the newest revision that the watcher has brought
	grown     chan struct{}     // closed and replaced when seen has grown
	routes    map[string]*routes
	lease     func(value []byte) // hears of changes of the lease
	change    func()             // hears of changes of queues
}

// routes is one exchange, made ready for finding queues.
type routes struct {
	byKey    map[string][]string // direct
	all      []string            // fanout
	patterns []pattern           // topic
}

type pattern struct{ key, queue string }

func newTable(kv jetstream.KeyValue) *table {
	return &table{
		kv: kv, stream: "KV_" + kv.Bucket(),
		exchanges: map[string]broker.Kind{}, queues: map[string]queueEntry{}, suspects: map[string]uint64{},
		revisions: map[string]uint64{}, grown: make(chan struct{}),
	}
}

// watch follows the table until ctx ends; ready is called once it is complete.
func (t *table) watch(ctx context.Context, ready func()) error {
	w, err := t.kv.WatchAll(ctx)
	if err != nil {
		return fmt.Errorf("watch the table of bindings: %w", err)
	}
	defer func() { _ = w.Stop() }()
	for {
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-w.Updates():
			switch {
			case !ok:
				return errors.New("watch the table of bindings: the watcher ended")
			case e == nil:
				ready()
			case e.Operation() == jetstream.KeyValuePut:
				t.apply(e.Key(), e.Value(), e.Revision(), true)
			default:
				t.apply(e.Key(), nil, e.Revision(), true)
			}
		}
	}
}

// apply takes one change in; a nil value removes. What is older than what is
// known is ignored: this process sees its own changes before the watcher does.
func (t *table) apply(key string, value []byte, revision uint64, watched bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if watched && revision > t.seen {
		t.seen = revision
		close(t.grown)
		t.grown = make(chan struct{})
	}
	if key == leaseKey && t.lease != nil {
		t.lease(value)
	}
	about, name := parseKey(key)
	if about == 0 || revision <= t.revisions[key] {
		return
	}
	t.revisions[key] = revision
	switch about {
	case 'x':
		var e exchangeEntry
		if delete(t.exchanges, name); value != nil && json.Unmarshal(value, &e) == nil {
			t.exchanges[name] = e.Kind
		}
		t.routes = nil
	case 'q':
		var e queueEntry
		if delete(t.queues, name); value != nil && json.Unmarshal(value, &e) == nil {
			t.queues[name] = e
		}
		t.routes = nil
		if t.change != nil {
			t.change()
		}
	case 's':
		var last uint64
		if delete(t.suspects, name); value != nil && json.Unmarshal(value, &last) == nil {
			t.suspects[name] = last
		}
	}
}

// catchUp returns when the watcher has brought all that was in the table when
// it was called.
func (t *table) catchUp(ctx context.Context, js jetstream.JetStream) error {
	s, err := js.Stream(ctx, t.stream)
	if err != nil {
		return fmt.Errorf("read the table of bindings: %w", err)
	}
	for last := s.CachedInfo().State.LastSeq; ; {
		t.mu.RLock()
		seen, grown := t.seen, t.grown
		t.mu.RUnlock()
		if seen >= last {
			return nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return fmt.Errorf("read the table of bindings: %w", ctx.Err())
		}
	}
}

// route names the queues that a message published to an exchange reaches.
func (t *table) route(exchange, key string) []string {
	t.mu.RLock()
	kind, known := t.exchanges[exchange]
	all := t.routes
	t.mu.RUnlock()
	if !known {
		return nil
	}
	if all == nil {
		all = t.build()
	}
	r := all[exchange]
	switch {
	case r == nil:
		return nil
	case kind == broker.Fanout:
		return r.all
	case kind == broker.Direct:
		return r.byKey[key]
	}
	var queues []string
	for _, p := range r.patterns {
		// The patterns of one queue stand together: it gets the message once.
		if (len(queues) == 0 || queues[len(queues)-1] != p.queue) && matchTopic(p.key, key) {
			queues = append(queues, p.queue)
		}
	}
	return queues
}

func (t *table) build() map[string]*routes {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.routes != nil {
		return t.routes
	}
	all := map[string]*routes{}
	for _, q := range t.queues {
		for _, b := range q.Bindings {
			r := all[b.Exchange]
			if r == nil {
				r = &routes{byKey: map[string][]string{}}
				all[b.Exchange] = r
			}
			if at := r.byKey[b.Key]; len(at) == 0 || at[len(at)-1] != q.Name {
				r.byKey[b.Key] = append(at, q.Name)
			}
			if len(r.all) == 0 || r.all[len(r.all)-1] != q.Name {
				r.all = append(r.all, q.Name)
			}
			r.patterns = append(r.patterns, pattern{b.Key, q.Name})
		}
	}
	t.routes = all
	return all
}

func (t *table) exchange(name string) (broker.Kind, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	k, ok := t.exchanges[name]
	return k, ok
}

func (t *table) queue(name string) (queueEntry, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	q, ok := t.queues[name]
	return q, ok
}

// list returns the queues for which keep is true.
func (t *table) list(keep func(queueEntry) bool) []queueEntry {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var out []queueEntry
	for _, q := range t.queues {
		if keep(q) {
			out = append(out, q)
		}
	}
	return out
}

// suspect tells whether a message may have been delivered before a crash.
func (t *table) suspect(queue string, seq uint64) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return seq <= t.suspects[queue]
}

// onLease and onChange set who hears of changes; they must not block.
func (t *table) onLease(f func(value []byte)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lease = f
}

func (t *table) onChange(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.change = f
}

// put writes an entry and sees it at once.
func (t *table) put(ctx context.Context, key string, entry any) error {
	value, err := json.Marshal(entry)
	if err != nil {
		return err
	}
	revision, err := t.kv.Put(ctx, key, value)
	if err != nil {
		return err
	}
	t.apply(key, value, revision, false)
	return nil
}

// addExchange writes an exchange that must not exist with another kind.
func (t *table) addExchange(ctx context.Context, x broker.Exchange) error {
	key := exchangeKey(x.Name)
	value, err := json.Marshal(exchangeEntry(x))
	if err != nil {
		return err
	}
	revision, err := t.kv.Create(ctx, key, value)
	if err == nil {
		t.apply(key, value, revision, false)
		return nil
	}
	if !errors.Is(err, jetstream.ErrKeyExists) {
		return err
	}
	e, err := t.kv.Get(ctx, key)
	if err != nil {
		return err
	}
	t.apply(key, e.Value(), e.Revision(), false)
	var have exchangeEntry
	if err := json.Unmarshal(e.Value(), &have); err != nil {
		return err
	}
	if have.Kind != x.Kind {
		return mismatch(x, have.Kind)
	}
	return nil
}

func mismatch(x broker.Exchange, have broker.Kind) error {
	return fmt.Errorf("exchange %s is %s and cannot become %s: remove it first (%w)", x.Name, have, x.Kind, broker.ErrMismatch)
}

// drop removes an entry and sees that at once. The bucket's own Delete does not
// tell the revision.
func (t *table) drop(ctx context.Context, js jetstream.JetStream, key string) error {
	t.mu.RLock()
	_, known := t.revisions[key]
	t.mu.RUnlock()
	if !known {
		return nil
	}
	m := nats.NewMsg("$KV." + t.kv.Bucket() + "." + key)
	m.Header.Set("KV-Operation", "DEL")
	ack, err := js.PublishMsg(ctx, m)
	if err != nil {
		return err
	}
	t.apply(key, nil, ack.Sequence, false)
	return nil
}

// same tells whether a queue is declared like this already.
func (e queueEntry) same(q broker.Queue) bool {
	return e.Name == q.Name && e.Limits == q.Limits && slices.Equal(e.Bindings, q.Bindings)
}
