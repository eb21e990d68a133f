package remove

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/complete"
	"github.com/elasticcode/flow/cmd/flow/factory"
)

// NewCmdQueue returns "flow delete queue".
func NewCmdQueue(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	return newCmd(f, kind{
		name: "queue", short: "Delete a queue that no socket or plug uses", names: complete.Queues,
		delete: func(ctx context.Context, c *client.Client, name string) error { return c.Queues().Delete(ctx, name) },
	}, runF)
}
