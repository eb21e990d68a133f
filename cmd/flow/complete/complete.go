// Package complete completes names of existing objects when a person presses
// Tab. It asks the server, and gives up quickly and silently: a shell that
// hangs or prints errors helps nobody.
package complete

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/model"
)

// within is how long the shell waits for the server.
const within = 500 * time.Millisecond

// Names lists names of existing objects.
type Names func(context.Context, *client.Client) ([]string, error)

// From completes with names that the server knows; nil completes nothing.
func From(f *factory.Factory, names Names) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		const directive = cobra.ShellCompDirectiveNoFileComp
		if names == nil {
			return nil, directive
		}
		c, err := f.Client()
		if err != nil {
			return nil, directive
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), within)
		defer cancel()
		found, err := names(ctx, c)
		if err != nil {
			return nil, directive
		}
		return found, directive
	}
}

// Option completes the value of an option.
func Option(cmd *cobra.Command, f *factory.Factory, long string, names Names) {
	_ = cmd.RegisterFlagCompletionFunc(long, From(f, names))
}

func list[T any](ctx context.Context, l client.Lister[T], name func(T) string) ([]string, error) {
	page, err := l.List(ctx, client.ListOptions{Limit: client.MaxPage})
	out := make([]string, len(page.Items))
	for i, item := range page.Items {
		out[i] = name(item)
	}
	return out, err
}

// Networks are the names of networks.
func Networks(ctx context.Context, c *client.Client) ([]string, error) {
	return list(ctx, c.Networks().Lister, func(n model.Network) string { return n.Name })
}

// Queues are the names of queues.
func Queues(ctx context.Context, c *client.Client) ([]string, error) {
	return list(ctx, c.Queues().Lister, func(q model.Queue) string { return q.Name })
}

// Processors are the names of processors.
func Processors(ctx context.Context, c *client.Client) ([]string, error) {
	return list(ctx, c.Processors().Lister, func(p model.Processor) string { return p.Name })
}

// Sockets are the names of sockets.
func Sockets(ctx context.Context, c *client.Client) ([]string, error) {
	return list(ctx, c.Sockets().Lister, func(s model.Socket) string { return s.Name })
}

// Plugs are the names of plugs.
func Plugs(ctx context.Context, c *client.Client) ([]string, error) {
	return list(ctx, c.Plugs().Lister, func(p model.Plug) string { return p.Name })
}

// Deployments are the names of deployments.
func Deployments(ctx context.Context, c *client.Client) ([]string, error) {
	return list(ctx, c.Deployments().Lister, func(d model.Deployment) string { return d.Name })
}

// Nodes are the names of nodes.
func Nodes(ctx context.Context, c *client.Client) ([]string, error) {
	return list(ctx, c.Nodes().Lister, func(n model.Node) string { return n.Name })
}

// Agents are the names of agents.
func Agents(ctx context.Context, c *client.Client) ([]string, error) {
	return list(ctx, c.Agents().Lister, func(a model.Agent) string { return a.Name })
}

// Workers are the names of workers.
func Workers(ctx context.Context, c *client.Client) ([]string, error) {
	return list(ctx, c.Workers(), func(w model.Worker) string { return w.Name })
}

// Tasks are the names of tasks.
func Tasks(ctx context.Context, c *client.Client) ([]string, error) {
	return list(ctx, c.Tasks().Lister, func(t model.Task) string { return t.Name })
}

// Calls are the ids of the newest calls, with their sockets.
func Calls(ctx context.Context, c *client.Client) ([]string, error) {
	page, err := c.Calls(ctx, client.CallFilter{Limit: 50})
	out := make([]string, len(page.Items))
	for i, call := range page.Items {
		out[i] = cobra.CompletionWithDesc(call.ID, call.Socket+" "+string(call.State))
	}
	return out, err
}

// Tokens are the ids of tokens, with their names.
func Tokens(ctx context.Context, c *client.Client) ([]string, error) {
	tokens, err := c.Tokens(ctx)
	out := make([]string, len(tokens))
	for i, t := range tokens {
		out[i] = cobra.CompletionWithDesc(t.ID, t.Name)
	}
	return out, err
}
