package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/elasticcode/flow/model"
)

// Networks are the namespaces of all other objects. They have nothing to update.
func (c *Client) Networks() Collection[model.Network] {
	out := collection(c, "/v1/networks", func(n model.Network) (any, string) {
		return NetworkInput{Name: n.Name}, ""
	})
	out.global = true
	return out
}

// Queues are the queue objects of the client's network.
func (c *Client) Queues() Collection[model.Queue] {
	return collection(c, "/v1/queues", func(q model.Queue) (any, string) {
		return QueueInput{
			Name: q.Name, Type: q.Type, MessageTTLMS: q.MessageTTLMS, MaxMessages: q.MaxMessages,
			MaxBytes: q.MaxBytes, ExpiresMS: q.ExpiresMS,
		}, q.Network
	})
}

// Processors are the processors of the client's network. To declare one whose
// repository needs credentials, use CreateProcessor.
func (c *Client) Processors() Collection[model.Processor] {
	out := collection(c, "/v1/processors", func(p model.Processor) (any, string) {
		return processorInput(p), p.Network
	})
	out.wait = resolveWait
	return out
}

// Sockets are the sockets of the client's network.
func (c *Client) Sockets() Collection[model.Socket] {
	return collection(c, "/v1/sockets", func(s model.Socket) (any, string) {
		return SocketInput{
			Name: s.Name, Processor: s.Processor, Queue: s.Queue, Task: s.Task, MaxAttempts: s.MaxAttempts,
			BackoffMS: s.BackoffMS, BackoffMaxMS: s.BackoffMaxMS, TimeoutMS: s.TimeoutMS, Join: s.Join,
			Rate: string(s.Rate), Burst: s.Burst, MaxRunning: s.MaxRunning, QueueTimeoutMS: s.QueueTimeoutMS,
		}, s.Network
	})
}

// Plugs are the plugs of the client's network.
func (c *Client) Plugs() Collection[model.Plug] {
	return collection(c, "/v1/plugs", func(p model.Plug) (any, string) {
		return PlugInput{
			Name: p.Name, Type: p.Type, Source: p.Source, Target: p.Target, Argument: p.Argument, Queue: p.Queue,
		}, p.Network
	})
}

// Deployments are the deployments of the client's network; one that is created
// through the API is a person's, and the scheduler leaves it alone.
func (c *Client) Deployments() Collection[model.Deployment] {
	return collection(c, "/v1/deployments", func(d model.Deployment) (any, string) {
		return DeploymentInput{Name: d.Name, Processor: d.Processor, Node: d.Node, CPUs: d.CPUs}, d.Network
	})
}

// Nodes are the hosts that agents run on, whatever the network.
func (c *Client) Nodes() Reader[model.Node] { return hosts[model.Node](c, "/v1/nodes") }

// Agents are the processes that run workers, one a node, whatever the network.
func (c *Client) Agents() Reader[model.Agent] { return hosts[model.Agent](c, "/v1/agents") }

// Workers are the slots that run calls.
func (c *Client) Workers() Lister[model.Worker] {
	return Lister[model.Worker]{c: c, path: "/v1/workers"}
}

// Tasks are the functions of the network's processors. Get takes a function's
// name, or module.name where functions of several modules have it.
func (c *Client) Tasks() Reader[model.Task] { return reader[model.Task](c, "/v1/tasks") }

// CreateProcessor declares a processor. The server resolves the branch, tag or
// commit, looks for the module, and answers with the commit it found.
func (c *Client) CreateProcessor(ctx context.Context, in ProcessorInput) (model.Processor, error) {
	var out model.Processor
	_, err := c.do(ctx, request{
		method: http.MethodPost, path: "/v1/processors", query: c.in(""), body: in, out: &out, wait: resolveWait,
	})
	return out, err
}

// StartProcessor wishes it to run.
func (c *Client) StartProcessor(ctx context.Context, name string) (model.Processor, error) {
	return c.processorVerb(ctx, name, "start")
}

// StopProcessor wishes it to have no workers; calls wait in its queues.
func (c *Client) StopProcessor(ctx context.Context, name string) (model.Processor, error) {
	return c.processorVerb(ctx, name, "stop")
}

// RestartProcessor wishes its workers to be replaced by new ones.
func (c *Client) RestartProcessor(ctx context.Context, name string) (model.Processor, error) {
	return c.processorVerb(ctx, name, "restart")
}

func (c *Client) processorVerb(ctx context.Context, name, verb string) (model.Processor, error) {
	var out model.Processor
	path := "/v1/processors/" + url.PathEscape(name) + "/" + verb
	_, err := c.do(ctx, request{method: http.MethodPost, path: path, query: c.in(""), out: &out})
	return out, err
}

func collection[T any](c *Client, path string, input func(T) (any, string)) Collection[T] {
	return Collection[T]{Reader: reader[T](c, path), input: input}
}

func hosts[T any](c *Client, path string) Reader[T] {
	return Reader[T]{Lister[T]{c: c, path: path, global: true}}
}

func reader[T any](c *Client, path string) Reader[T] { return Reader[T]{Lister[T]{c: c, path: path}} }
