package update

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/complete"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
	"github.com/elasticcode/flow/cmd/flow/print"
	"github.com/elasticcode/flow/cmd/flow/view"
	"github.com/elasticcode/flow/model"
)

// QueueOptions are the options of "flow update queue".
type QueueOptions struct {
	*factory.Factory
	Name   string
	Patch  client.QueuePatch
	Format print.Format
}

// NewCmdQueue returns "flow update queue".
func NewCmdQueue(f *factory.Factory, runF func(context.Context, *QueueOptions) error) *cobra.Command {
	o := &QueueOptions{Factory: f}
	var ttl, expires time.Duration
	var messages, bytes int64
	cmd := &cobra.Command{
		Use:     "queue",
		Short:   "Change the limits of a queue; 0 takes a limit away",
		Example: "  flow update queue pyfi.queue1 --max-messages 100000 --message-ttl 0",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ttlMS, err := flags.Milliseconds("message-ttl", ttl)
			if err != nil {
				return err
			}
			expiresMS, err := flags.Milliseconds("expires", expires)
			if err != nil {
				return err
			}
			o.Patch = client.QueuePatch{
				MessageTTLMS: flags.If(cmd, "message-ttl", ttlMS), MaxMessages: flags.If(cmd, "max-messages", messages),
				MaxBytes: flags.If(cmd, "max-bytes", bytes), ExpiresMS: flags.If(cmd, "expires", expiresMS),
			}
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return queueRun(cmd.Context(), o)
		},
	}
	cmd.Flags().DurationVar(&ttl, "message-ttl", 0, "how long a call may wait before it expires")
	cmd.Flags().Int64Var(&messages, "max-messages", 0, "how many calls may wait in each broker queue")
	cmd.Flags().Int64Var(&bytes, "max-bytes", 0, "how many bytes of calls may wait in each broker queue")
	cmd.Flags().DurationVar(&expires, "expires", 0, "after how long without use its broker queues are removed")
	flags.Name(cmd, f, &o.Name, "queue", complete.Queues)
	flags.Something(cmd, "message-ttl", "max-messages", "max-bytes", "expires")
	flags.Done(cmd, &o.Format)
	return cmd
}

func queueRun(ctx context.Context, o *QueueOptions) error {
	c, err := o.Client()
	if err != nil {
		return err
	}
	q, err := c.Queues().Update(ctx, o.Name, o.Patch)
	if err != nil {
		return err
	}
	return print.Changed(o.Printer(o.Format), view.Queues(), view.WithDepth(q, []model.QueueDepth{}), fmt.Sprintf("queue %s updated", q.Name))
}
