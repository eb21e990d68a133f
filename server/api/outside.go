package api

import (
	"context"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
)

// Outgoing is a call on its way to the broker.
type Outgoing struct {
	Envelope model.Envelope
	// Endpoint is the socket that is called: its socket, queue and module are
	// filled, its edges may be. nil when the call goes to a shared address.
	Endpoint *model.Endpoint
	// Shared is a function's shared address, "module.task"; Module and Task are
	// its parts. Empty when the call goes to a socket.
	Shared, Module, Task string
	// Repeat says that a call with this id may have been sent before.
	Repeat bool
}

// Submitter makes calls durable.
type Submitter interface {
	// Submit returns when the broker has all calls on disk. Records of them
	// (waiting when one brings an argument of a join, else queued) follow.
	Submit(ctx context.Context, calls []Outgoing) error
	// Accepted returns a call that was submitted here not long ago, as it was
	// then and without its values: the history may not know it yet.
	Accepted(id string) (model.Call, bool)
}

// Gone names things whose broker queues are not needed any more.
type Gone struct {
	Network string
	Sockets []model.Endpoint // their own queues, and shared ones that nobody else takes from
	Plugs   []model.Plug     // the queues that the edges have for themselves
	Queues  []model.Queue    // the exchanges of queue objects
	// Moving says that the sockets only leave their own queues, and stay at their processors.
	Moving bool
}

// Topology keeps what exists on the broker in step with the model.
type Topology interface {
	// Apply declares everything of a network as it is stored.
	Apply(ctx context.Context, network string) error
	// ApplyEndpoint declares what one socket needs, before it is stored.
	ApplyEndpoint(ctx context.Context, e model.Endpoint) error
	// Waiting counts the calls in queues that Forget would remove.
	Waiting(ctx context.Context, g Gone) (int64, error)
	// Forget removes queues with what is in them.
	Forget(ctx context.Context, g Gone) error
}

// Inspector looks into the broker queues of queue objects.
type Inspector interface {
	// Depth tells how full the broker queues of the object are.
	Depth(ctx context.Context, network, queue string) ([]model.QueueDepth, error)
	// Peek returns up to n messages and leaves them there.
	Peek(ctx context.Context, network, queue string, n int) ([]client.QueuedMessage, error)
	// Purge removes what waits, and tells how much it was.
	Purge(ctx context.Context, network, queue string) (int64, error)
}

// Resolver looks into git repositories. Credentials are "user:password", or
// empty. A *processor.Error is in words for the person who asked.
type Resolver interface {
	// Resolve returns the hash of the commit that a branch, tag or commit
	// (kind) stands for; an empty kind is the default branch.
	Resolve(ctx context.Context, url, kind, name, credentials string) (commit string, err error)
	// CheckModule returns an error when the commit lacks the module.
	CheckModule(ctx context.Context, url, commit, runtime, modulepath, module, credentials string) error
}

// Canceller ends calls before their time. A *store.Ended says that it is too late.
type Canceller interface {
	Cancel(ctx context.Context, id, by string) (model.Call, error)
	// Abandon ends the calls of a deleted socket that do not run.
	Abandon(ctx context.Context, network, socket string) error
	// CancelRun tells how many calls of the run were cancelled now.
	CancelRun(ctx context.Context, tracking, by string) (int, error)
	// Withdraw cancels a call that has not begun.
	Withdraw(ctx context.Context, id, by string) (model.Call, error)
}

// Redriver runs calls again that ended without success.
type Redriver interface {
	// Redrive tells for which calls that cannot be done, and why.
	Redrive(ctx context.Context, by string, ids ...string) (refused map[string]error, err error)
}

// Health asks the services behind the server how they are.
type Health interface {
	// Status asks all services; it returns within a few seconds.
	Status(ctx context.Context) client.Status
}
