package ls

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/complete"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/print"
	"github.com/elasticcode/flow/cmd/flow/view"
	"github.com/elasticcode/flow/model"
)

// NewCmdProcessors returns "flow ls processors".
func NewCmdProcessors(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	cmd, _ := newCmdList(f, "processors", "List processors", runF, func(ctx context.Context, o *Options) error {
		return list(ctx, o, func(c *client.Client) client.Lister[model.Processor] { return c.Processors().Lister }, view.Processors())
	})
	return cmd
}

// NewCmdProcessor returns "flow ls processor".
func NewCmdProcessor(f *factory.Factory, runF func(context.Context, *OneOptions) error) *cobra.Command {
	return newCmdOne(f, "processor", "Show a processor with its sockets, deployments and workers", complete.Processors, runF, processorRun)
}

func processorRun(ctx context.Context, o *OneOptions) error {
	c, err := o.Client()
	if err != nil {
		return err
	}
	proc, err := c.Processors().Get(ctx, o.Name)
	if err != nil {
		return err
	}
	p := o.Printer(o.Format)
	return print.One(p, view.Processors(), proc, func() error { return aboutProcessor(ctx, c, p, proc) })
}

func aboutProcessor(ctx context.Context, c *client.Client, p print.Printer, proc model.Processor) error {
	sockets, err := c.Sockets().All(ctx)
	if err != nil {
		return err
	}
	if err := section(p, "Sockets", view.Sockets().Columns, only(sockets, func(s model.Socket) bool { return s.Processor == proc.Name })); err != nil {
		return err
	}
	deployments, err := c.Deployments().All(ctx)
	if err != nil {
		return err
	}
	if err := section(p, "Deployments", view.Deployments().Columns, only(deployments, func(d model.Deployment) bool { return d.Processor == proc.Name })); err != nil {
		return err
	}
	workers, err := c.Workers().AllOf(ctx, client.ListOptions{Processor: proc.Name})
	if err != nil {
		return err
	}
	return section(p, "Workers", view.Workers().Columns, workers)
}
