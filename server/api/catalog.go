package api

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
)

// How long an entry of the catalog is used without looking, how long it is used
// while the database is away, and how many there are at most.
const (
	catalogFresh = time.Second
	catalogGrace = 10 * time.Minute
	catalogSize  = 10_000
	catalogLook  = 5 * time.Second
)

// target is what a call can be sent to.
type target struct {
	bound    []model.Endpoint // of a fanout or topic queue alone: all sockets on it
	endpoint *model.Endpoint  // nil when it is a function's shared address
	module   string           // of a shared address
	task     *model.Task      // nil when the function is not described yet
	name     string           // of the function
	tasks    []model.Task     // of a processor alone: all its functions

	queue     model.Queue     // alone
	processor model.Processor // alone
}

// catalog remembers what submissions look up, so that a flood of calls does not
// ask the database once for each.
type catalog struct {
	store *store.Store
	bell  *bell
	one   singleflight.Group

	mu      sync.Mutex // guards entries
	entries map[string]catalogEntry
}

type catalogEntry struct {
	target *target
	epoch  int64 // of the bell, when the look-up began
	at     time.Time
}

func newCatalog(s *store.Store, b *bell) *catalog {
	return &catalog{store: s, bell: b, entries: map[string]catalogEntry{}}
}

// socketKey is the key of a socket among the entries.
func socketKey(network, name string) string { return "s/" + network + "/" + name }

// ahead looks those sockets of a batch up together that would be looked up one by
// one. What it does not find out is left to that.
func (c *catalog) ahead(ctx context.Context, network string, calls []client.Submission) {
	_, epoch := c.bell.wait()
	begun := time.Now()
	names := c.stale(network, calls, epoch, begun)
	if len(names) < 2 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, catalogLook)
	defer cancel()
	sockets, err := c.store.SocketsNamed(ctx, network, names)
	if err != nil {
		return
	}
	for _, s := range sockets {
		if t, err := c.targetOf(ctx, network, s); err == nil {
			c.put(socketKey(network, s.Name), catalogEntry{target: t, epoch: epoch, at: begun})
		}
	}
}

// stale returns the names of the sockets whose entries cannot be used any more.
func (c *catalog) stale(network string, calls []client.Submission, epoch int64, now time.Time) []string {
	names, last := map[string]struct{}{}, ""
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range calls {
		if s.Socket == last {
			continue // most batches have one
		}
		last = s.Socket
		if e, known := c.entries[socketKey(network, last)]; !known || !e.fresh(epoch, now) {
			names[last] = struct{}{}
		}
	}
	delete(names, "")
	return slices.Collect(maps.Keys(names))
}

// fresh tells whether the entry is used without looking.
func (e catalogEntry) fresh(epoch int64, now time.Time) bool {
	return e.epoch == epoch && now.Sub(e.at) < catalogFresh
}

// socket returns the named socket as a target.
func (c *catalog) socket(ctx context.Context, network, name string) (*target, error) {
	return c.get(ctx, socketKey(network, name), func(ctx context.Context) (*target, error) {
		return c.findSocket(ctx, network, name)
	})
}

// function returns the shared address of a function, "name" or "module.name",
// that at least one socket exposes.
func (c *catalog) function(ctx context.Context, network, name string) (*target, error) {
	return c.get(ctx, "f/"+network+"/"+name, func(ctx context.Context) (*target, error) {
		return c.findFunction(ctx, network, name)
	})
}

// bound returns the sockets on a queue.
func (c *catalog) bound(ctx context.Context, network, queue string) ([]model.Endpoint, error) {
	t, err := c.get(ctx, "q/"+network+"/"+queue, func(ctx context.Context) (*target, error) {
		all, err := c.store.Endpoints(ctx, network)
		if err != nil {
			return nil, err
		}
		return &target{bound: slices.DeleteFunc(all, func(e model.Endpoint) bool { return e.Queue.Name != queue })}, nil
	})
	if err != nil {
		return nil, err
	}
	return t.bound, nil
}

func (c *catalog) get(ctx context.Context, key string, find func(context.Context) (*target, error)) (*target, error) {
	_, epoch := c.bell.wait()
	c.mu.Lock()
	e, known := c.entries[key]
	c.mu.Unlock()
	if known && e.fresh(epoch, time.Now()) {
		return e.target, nil
	}
	found := c.one.DoChan(key, func() (any, error) {
		// Others wait for the answer, too: the first one's going away does not end it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), catalogLook)
		defer cancel()
		_, epoch := c.bell.wait()
		t, err := find(ctx)
		if err == nil {
			c.put(key, catalogEntry{target: t, epoch: epoch, at: time.Now()})
		}
		return t, err
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-found:
		if r.Err == nil {
			return r.Val.(*target), nil
		}
		if known && away(r.Err) && time.Since(e.at) < catalogGrace {
			return e.target, nil
		}
		return nil, r.Err
	}
}

// away tells whether the database could not be asked: everything but the answer
// that there is no such thing.
func away(err error) bool {
	return err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrAmbiguous)
}

func (c *catalog) put(key string, e catalogEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.entries) >= catalogSize {
		clear(c.entries)
	}
	c.entries[key] = e
}

func (c *catalog) findSocket(ctx context.Context, network, name string) (*target, error) {
	s, err := c.store.Socket(ctx, network, name)
	if err != nil {
		return nil, err
	}
	return c.targetOf(ctx, network, s)
}

// targetOf returns a socket with what is around it.
func (c *catalog) targetOf(ctx context.Context, network string, s model.Socket) (*target, error) {
	q, err := c.around(ctx, "queue", network, s.Queue)
	if err != nil {
		return nil, err
	}
	p, err := c.around(ctx, "processor", network, s.Processor)
	if err != nil {
		return nil, err
	}
	task, err := c.task(ctx, p.processor, s.Task)
	if err != nil {
		return nil, err
	}
	return &target{endpoint: &model.Endpoint{Socket: s, Queue: q.queue, Module: p.processor.Module}, task: task, name: s.Task}, nil
}

// around returns the queue or the processor of a socket. They are remembered by
// themselves, as its functions are.
func (c *catalog) around(ctx context.Context, kind, network, name string) (*target, error) {
	return c.get(ctx, kind+"/"+network+"/"+name, func(ctx context.Context) (t *target, err error) {
		t = &target{}
		if kind == "queue" {
			t.queue, err = c.store.Queue(ctx, network, name)
		} else {
			t.processor, err = c.store.Processor(ctx, network, name)
		}
		return t, err
	})
}

// tasks returns the processor's functions. They are remembered by themselves:
// calls of a thousand sockets of one processor read them once, and not for each
// of its sockets. Another commit has others.
func (c *catalog) tasks(ctx context.Context, p model.Processor) ([]model.Task, error) {
	t, err := c.get(ctx, "p/"+p.Network+"/"+p.Name+"/"+p.Commit, func(ctx context.Context) (*target, error) {
		tasks, err := everything(func(l store.List) (model.Page[model.Task], error) {
			return c.store.Tasks(ctx, p.Network, p.Name, l)
		})
		return &target{tasks: tasks}, err
	})
	if err != nil {
		return nil, err
	}
	return t.tasks, nil
}

// task returns the processor's function at its present commit; nil when it is
// not described yet.
func (c *catalog) task(ctx context.Context, p model.Processor, name string) (*model.Task, error) {
	tasks, err := c.tasks(ctx, p)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(tasks, func(t model.Task) bool {
		return t.Name == name && t.Commit == p.Commit && t.Module == p.Module
	})
	if i < 0 {
		return nil, nil
	}
	return &tasks[i], nil
}

func (c *catalog) findFunction(ctx context.Context, network, name string) (*target, error) {
	endpoints, err := c.store.Endpoints(ctx, network)
	if err != nil {
		return nil, err
	}
	var found *model.Endpoint
	var full, names []string
	for i, e := range endpoints {
		whole := e.Module + "." + e.Socket.Task
		names = append(names, whole, e.Socket.Task)
		if name != whole && name != e.Socket.Task || slices.Contains(full, whole) {
			continue
		}
		if found == nil || name == whole {
			found = &endpoints[i]
		}
		full = append(full, whole)
	}
	switch {
	case found == nil:
		slices.Sort(names)
		return nil, &store.NotFound{Kind: "task", Name: name, Suggestions: nearest(name, slices.Compact(names))}
	case len(full) > 1 && !slices.Contains(full, name):
		return nil, &store.Ambiguous{Kind: "task", Name: name, Candidates: full}
	}
	p, err := c.store.Processor(ctx, network, found.Socket.Processor)
	if err != nil {
		return nil, err
	}
	task, err := c.task(ctx, p, found.Socket.Task)
	if err != nil {
		return nil, err
	}
	return &target{module: found.Module, task: task, name: found.Socket.Task}, nil
}
