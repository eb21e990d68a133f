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

// NewCmdDeployments returns "flow ls deployments".
func NewCmdDeployments(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	cmd, _ := newCmdList(f, "deployments", "List deployments", runF, func(ctx context.Context, o *Options) error {
		return list(ctx, o, func(c *client.Client) client.Lister[model.Deployment] { return c.Deployments().Lister }, view.Deployments())
	})
	return cmd
}

// NewCmdDeployment returns "flow ls deployment".
func NewCmdDeployment(f *factory.Factory, runF func(context.Context, *OneOptions) error) *cobra.Command {
	return newCmdOne(f, "deployment", "Show a deployment and its workers", complete.Deployments, runF, deploymentRun)
}

func deploymentRun(ctx context.Context, o *OneOptions) error {
	c, err := o.Client()
	if err != nil {
		return err
	}
	d, err := c.Deployments().Get(ctx, o.Name)
	if err != nil {
		return err
	}
	p := o.Printer(o.Format)
	return print.One(p, view.Deployments(), d, func() error {
		workers, err := c.Workers().AllOf(ctx, client.ListOptions{Processor: d.Processor, Node: d.Node})
		if err != nil {
			return err
		}
		return section(p, "Workers", view.Workers().Columns, workers)
	})
}
