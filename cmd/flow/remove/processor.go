package remove

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/complete"
	"github.com/elasticcode/flow/cmd/flow/factory"
)

// NewCmdProcessor returns "flow delete processor".
func NewCmdProcessor(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	return newCmd(f, kind{
		name: "processor", short: "Delete a processor that has no sockets", names: complete.Processors,
		delete: func(ctx context.Context, c *client.Client, name string) error {
			return c.Processors().Delete(ctx, name)
		},
	}, runF)
}
