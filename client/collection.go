package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/elasticcode/flow/model"
)

// MaxPage is the largest page a listing gives.
const MaxPage = 500

// ListOptions chooses what to list.
type ListOptions struct {
	// Limit is the size of a page, at most MaxPage; 0 is the server's default.
	Limit int
	// Cursor continues behind an earlier page: its Next.
	Cursor string
	// Processor and Node list only what belongs to them, where the listing
	// knows them (workers: both; tasks: Processor).
	Processor, Node string
}

func (o ListOptions) values(q url.Values) url.Values {
	if o.Limit > 0 {
		q.Set("limit", strconv.Itoa(o.Limit))
	}
	for k, v := range map[string]string{"cursor": o.Cursor, "processor": o.Processor, "node": o.Node} {
		if v != "" {
			q.Set(k, v)
		}
	}
	return q
}

// Lister lists things of one kind.
type Lister[T any] struct {
	c      *Client
	path   string // for example /v1/workers
	global bool   // belongs to no network
}

// in is the query that names a network, where there is one; empty is the client's.
func (l Lister[T]) in(network string) url.Values {
	if l.global {
		return url.Values{}
	}
	return l.c.in(network)
}

// List returns one page.
func (l Lister[T]) List(ctx context.Context, o ListOptions) (model.Page[T], error) {
	var out model.Page[T]
	_, err := l.c.do(ctx, request{method: http.MethodGet, path: l.path, query: o.values(l.in("")), out: &out})
	return out, err
}

// All returns everything, page by page; never nil without an error.
func (l Lister[T]) All(ctx context.Context) ([]T, error) {
	return l.AllOf(ctx, ListOptions{})
}

// AllOf returns everything that the options choose, page by page.
func (l Lister[T]) AllOf(ctx context.Context, o ListOptions) ([]T, error) {
	out := []T{}
	if o.Limit == 0 {
		o.Limit = MaxPage
	}
	for {
		page, err := l.List(ctx, o)
		if err != nil {
			return nil, err
		}
		out = append(out, page.Items...)
		if page.Next == "" {
			return out, nil
		}
		o.Cursor = page.Next
	}
}

// Reader lists things of one kind and gets one by name.
type Reader[T any] struct{ Lister[T] }

// Get returns the one with the name.
func (r Reader[T]) Get(ctx context.Context, name string) (T, error) {
	var out T
	_, err := r.c.do(ctx, request{method: http.MethodGet, path: r.item(name), query: r.in(""), out: &out})
	return out, err
}

func (r Reader[T]) item(name string) string { return r.path + "/" + url.PathEscape(name) }

// Collection is all objects of one kind, and what can be done with them.
type Collection[T any] struct {
	Reader[T]
	// input returns what a create sends of an object, and the object's network.
	input func(T) (body any, network string)
	// wait is how much longer than other requests a change may take.
	wait time.Duration
}

// Create declares an object. Fields that only the server fills (ids, times,
// what is observed) are not sent. An object that names a network is created
// there, else in the client's.
func (c Collection[T]) Create(ctx context.Context, object T) (T, error) {
	body, network := c.input(object)
	var out T
	_, err := c.c.do(ctx, request{method: http.MethodPost, path: c.path, query: c.in(network), body: body, out: &out, wait: c.wait})
	return out, err
}

// Update changes the fields that patch gives (QueuePatch, ProcessorPatch, … or
// anything with the same JSON) and leaves the others as they are.
func (c Collection[T]) Update(ctx context.Context, name string, patch any) (T, error) {
	var out T
	_, err := c.c.do(ctx, request{method: http.MethodPatch, path: c.item(name), query: c.in(""), body: patch, out: &out, wait: c.wait})
	return out, err
}

// Delete removes the object. One that others need, or in whose queue calls
// wait, is a conflict.
func (c Collection[T]) Delete(ctx context.Context, name string) error {
	_, err := c.c.do(ctx, request{method: http.MethodDelete, path: c.item(name), query: c.in("")})
	return err
}

// ForceDelete removes the object together with calls that wait in its queue.
// One that others need is still a conflict.
func (c Collection[T]) ForceDelete(ctx context.Context, name string) error {
	q := c.in("")
	q.Set("force", "true")
	_, err := c.c.do(ctx, request{method: http.MethodDelete, path: c.item(name), query: q})
	return err
}

// in is the query that names a network; empty is the client's.
func (c *Client) in(network string) url.Values {
	if network == "" {
		network = c.network
	}
	return url.Values{"network": {network}}
}
