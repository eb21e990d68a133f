package remove

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/complete"
	"github.com/elasticcode/flow/cmd/flow/factory"
)

// NewCmdPlug returns "flow delete plug".
func NewCmdPlug(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	return newCmd(f, kind{
		name: "plug", short: "Delete a plug", names: complete.Plugs,
		delete: func(ctx context.Context, c *client.Client, name string) error { return c.Plugs().Delete(ctx, name) },
		force: func(ctx context.Context, c *client.Client, name string) error {
			return c.Plugs().ForceDelete(ctx, name)
		},
	}, runF)
}
