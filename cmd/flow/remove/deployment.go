package remove

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/complete"
	"github.com/elasticcode/flow/cmd/flow/factory"
)

// NewCmdDeployment returns "flow delete deployment".
func NewCmdDeployment(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	return newCmd(f, kind{
		name: "deployment", short: "Delete a deployment", names: complete.Deployments,
		delete: func(ctx context.Context, c *client.Client, name string) error {
			return c.Deployments().Delete(ctx, name)
		},
	}, runF)
}
