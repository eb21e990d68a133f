package remove

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/complete"
	"github.com/elasticcode/flow/cmd/flow/factory"
)

// NewCmdSocket returns "flow delete socket".
func NewCmdSocket(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	return newCmd(f, kind{
		name: "socket", short: "Delete a socket", names: complete.Sockets,
		delete: func(ctx context.Context, c *client.Client, name string) error { return c.Sockets().Delete(ctx, name) },
		force: func(ctx context.Context, c *client.Client, name string) error {
			return c.Sockets().ForceDelete(ctx, name)
		},
	}, runF)
}
