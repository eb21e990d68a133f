package server

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/server/joiner"
	"github.com/elasticcode/flow/socket"
	"github.com/elasticcode/flow/store"
)

// catalog finds the targets of joins, and the owners of queues, and remembers them
// for a moment so that what comes in thousands does not each ask the database.
type catalog struct {
	store *store.Store

	mu      sync.Mutex // guards the fields below
	targets map[string]entry
	owners  map[string]owners // by network
}

// owners are the sockets of a network by their own queues.
type owners struct {
	sockets map[string]string
	until   time.Time
}

type entry struct {
	target joiner.Target
	until  time.Time
}

// fresh is how long a target is remembered.
const fresh = time.Second

func newCatalog(s *store.Store) *catalog {
	return &catalog{store: s, targets: map[string]entry{}, owners: map[string]owners{}}
}

// Target returns the socket, its function, and the arguments that plugs feed.
func (c *catalog) Target(ctx context.Context, network, name string) (joiner.Target, error) {
	key := network + "/" + name
	c.mu.Lock()
	e, ok := c.targets[key]
	c.mu.Unlock()
	if ok && time.Now().Before(e.until) {
		return e.target, nil
	}
	t, err := c.look(ctx, network, name)
	if err != nil {
		return joiner.Target{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.targets) > 10_000 {
		clear(c.targets)
	}
	c.targets[key] = entry{target: t, until: time.Now().Add(fresh)}
	return t, nil
}

// Owner returns the name of the socket whose own queue this is, or "".
func (c *catalog) Owner(ctx context.Context, network, queue string) (string, error) {
	network = cmp.Or(network, model.DefaultNetwork)
	c.mu.Lock()
	o := c.owners[network]
	c.mu.Unlock()
	if time.Now().Before(o.until) {
		return o.sockets[queue], nil
	}
	o = owners{sockets: map[string]string{}, until: time.Now().Add(fresh)}
	for cursor := ""; ; {
		page, err := c.store.Sockets(ctx, network, store.List{Cursor: cursor, Limit: store.MaxLimit})
		if err != nil {
			return "", err
		}
		for _, s := range page.Items {
			o.sockets[socket.OwnQueue(s)] = s.Name
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.owners[network] = o
	return o.sockets[queue], nil
}

// Follow returns the address of a call's socket when that is not at the queue any more.
// A copy on a fanout or topic queue was for another socket than the one that it names.
func (c *catalog) Follow(ctx context.Context, call model.Envelope, queue string) (to socket.Address, ok bool, err error) {
	network := cmp.Or(call.Network, model.DefaultNetwork)
	s, err := c.store.Socket(ctx, network, call.Socket)
	if errors.Is(err, store.ErrNotFound) {
		return socket.Address{}, false, nil
	}
	if err != nil || socket.OwnQueue(s) == queue {
		return socket.Address{}, false, err
	}
	q, err := c.store.Queue(ctx, network, s.Queue)
	if err != nil || q.ReachesAll() {
		return socket.Address{}, false, err
	}
	return socket.Direct(s, call.Priority), true, nil
}

func (c *catalog) look(ctx context.Context, network, name string) (joiner.Target, error) {
	s, err := c.store.Socket(ctx, network, name)
	if err != nil {
		return joiner.Target{}, err
	}
	task, err := c.task(ctx, s)
	if err != nil {
		return joiner.Target{}, err
	}
	t := joiner.Target{Socket: s, Task: task}
	for cursor := ""; ; {
		page, err := c.store.Plugs(ctx, network, store.List{Cursor: cursor, Limit: 500})
		if err != nil {
			return joiner.Target{}, err
		}
		for _, p := range page.Items {
			if p.Target == name && p.Argument != "" {
				t.Fed = append(t.Fed, p.Argument)
			}
		}
		if cursor = page.Next; cursor == "" {
			return t, nil
		}
	}
}

func (c *catalog) task(ctx context.Context, s model.Socket) (model.Task, error) {
	page, err := c.store.Tasks(ctx, s.Network, s.Processor, store.List{Limit: 500})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return model.Task{}, err
	}
	for _, t := range page.Items {
		if t.Name == s.Task {
			return t, nil
		}
	}
	return model.Task{}, joiner.ErrUndescribed
}
