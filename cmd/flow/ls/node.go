package ls

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/complete"
	"github.com/elasticcode/flow/cmd/flow/exit"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
	"github.com/elasticcode/flow/cmd/flow/print"
	"github.com/elasticcode/flow/cmd/flow/view"
	"github.com/elasticcode/flow/model"
)

// NewCmdNodes returns "flow ls nodes".
func NewCmdNodes(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	cmd, _ := newCmdList(f, "nodes", "List nodes", runF, func(ctx context.Context, o *Options) error {
		return list(ctx, o, func(c *client.Client) client.Lister[model.Node] { return c.Nodes().Lister }, view.Nodes())
	})
	return cmd
}

// NewCmdNode returns "flow ls node".
func NewCmdNode(f *factory.Factory, runF func(context.Context, *OneOptions) error) *cobra.Command {
	return newCmdOne(f, "node", "Show a node with its agent and workers", complete.Nodes, runF, nodeRun)
}

func nodeRun(ctx context.Context, o *OneOptions) error {
	c, err := o.Client()
	if err != nil {
		return err
	}
	n, err := c.Nodes().Get(ctx, o.Name)
	if err != nil {
		return err
	}
	p := o.Printer(o.Format)
	return print.One(p, view.Nodes(), n, func() error {
		agents, err := c.Agents().All(ctx)
		if err != nil {
			return err
		}
		if err := section(p, "Agent", view.Agents().Columns, only(agents, func(a model.Agent) bool { return a.Node == n.Name })); err != nil {
			return err
		}
		return workersOf(ctx, c, p, n.Name)
	})
}

func workersOf(ctx context.Context, c *client.Client, p print.Printer, node string) error {
	workers, err := c.Workers().AllOf(ctx, client.ListOptions{Node: node})
	if err != nil {
		return err
	}
	return section(p, "Workers", view.Workers().Columns, workers)
}

// NewCmdAgents returns "flow ls agents".
func NewCmdAgents(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	cmd, _ := newCmdList(f, "agents", "List agents", runF, func(ctx context.Context, o *Options) error {
		return list(ctx, o, func(c *client.Client) client.Lister[model.Agent] { return c.Agents().Lister }, view.Agents())
	})
	return cmd
}

// NewCmdAgent returns "flow ls agent".
func NewCmdAgent(f *factory.Factory, runF func(context.Context, *OneOptions) error) *cobra.Command {
	return newCmdOne(f, "agent", "Show an agent and its workers", complete.Agents, runF, agentRun)
}

func agentRun(ctx context.Context, o *OneOptions) error {
	c, err := o.Client()
	if err != nil {
		return err
	}
	a, err := c.Agents().Get(ctx, o.Name)
	if err != nil {
		return err
	}
	p := o.Printer(o.Format)
	return print.One(p, view.Agents(), a, func() error { return workersOf(ctx, c, p, a.Node) })
}

// NewCmdWorkers returns "flow ls workers".
func NewCmdWorkers(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	cmd, o := newCmdList(f, "workers", "List workers", runF, func(ctx context.Context, o *Options) error {
		return list(ctx, o, func(c *client.Client) client.Lister[model.Worker] { return c.Workers() }, view.Workers())
	})
	flags.Two(cmd, &o.Processor, "procname", "pn", "", "only those of this processor")
	cmd.Flags().StringVarP(&o.Node, "hostname", "h", "", "only those on this node")
	complete.Option(cmd, f, "procname", complete.Processors)
	complete.Option(cmd, f, "hostname", complete.Nodes)
	return cmd
}

// NewCmdWorker returns "flow ls worker".
func NewCmdWorker(f *factory.Factory, runF func(context.Context, *OneOptions) error) *cobra.Command {
	return newCmdOne(f, "worker", "Show a worker", complete.Workers, runF, workerRun)
}

func workerRun(ctx context.Context, o *OneOptions) error {
	c, err := o.Client()
	if err != nil {
		return err
	}
	workers, err := c.Workers().All(ctx)
	if err != nil {
		return err
	}
	for _, w := range workers {
		if w.Name == o.Name {
			return print.One(o.Printer(o.Format), view.Workers(), w, nil)
		}
	}
	return &exit.Error{Code: exit.NotFound, Message: "there is no worker " + o.Name, Next: "flow ls workers"}
}
