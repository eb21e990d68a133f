package remove

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/complete"
	"github.com/elasticcode/flow/cmd/flow/factory"
)

// NewCmdNetwork returns "flow delete network".
func NewCmdNetwork(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	return newCmd(f, kind{
		name: "network", short: "Delete a network that holds nothing any more", names: complete.Networks,
		delete: func(ctx context.Context, c *client.Client, name string) error { return c.Networks().Delete(ctx, name) },
	}, runF)
}
