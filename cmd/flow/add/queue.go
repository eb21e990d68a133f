package add

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
	"github.com/elasticcode/flow/cmd/flow/print"
	"github.com/elasticcode/flow/cmd/flow/view"
	"github.com/elasticcode/flow/model"
)

// QueueOptions are the options of "flow add queue".
type QueueOptions struct {
	*factory.Factory
	Name, Type            string
	MessageTTL, Expires   time.Duration
	MaxMessages, MaxBytes int64
	Format                print.Format
}

// NewCmdQueue returns "flow add queue".
func NewCmdQueue(f *factory.Factory, runF func(context.Context, *QueueOptions) error) *cobra.Command {
	o := &QueueOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "queue -n NAME",
		Short: "Add a queue",
		Long: `Add a queue: an exchange on the broker. Each socket on it has a durable broker
queue of its own. On a direct queue a call reaches the one socket it is sent to;
on a topic or fanout queue it reaches all of them.`,
		Example: "  flow add queue -n pyfi.queue1 -t direct\n  flow add queue -n news -t fanout --max-messages 100000 --message-ttl 10m",
		Args:    flags.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return queueRun(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVarP(&o.Name, "name", "n", "", "name of the queue")
	flags.Choice(cmd, &o.Type, "type", "t", string(model.Direct), "which sockets a call reaches", string(model.Topic), string(model.Direct), string(model.Fanout))
	cmd.Flags().DurationVar(&o.MessageTTL, "message-ttl", 0, "how long a call may wait before it expires")
	cmd.Flags().Int64Var(&o.MaxMessages, "max-messages", 0, "how many calls may wait in each broker queue; more are refused")
	cmd.Flags().Int64Var(&o.MaxBytes, "max-bytes", 0, "how many bytes of calls may wait in each broker queue; more are refused")
	cmd.Flags().DurationVar(&o.Expires, "expires", 0, "after how long without use its broker queues are removed")
	flags.Required(cmd, "name")
	flags.Done(cmd, &o.Format)
	return cmd
}

func queueRun(ctx context.Context, o *QueueOptions) error {
	q := model.Queue{
		Object: model.Object{Name: o.Name}, Type: model.QueueType(o.Type),
		MaxMessages: o.MaxMessages, MaxBytes: o.MaxBytes,
	}
	var err error
	if q.MessageTTLMS, err = flags.Milliseconds("message-ttl", o.MessageTTL); err != nil {
		return err
	}
	if q.ExpiresMS, err = flags.Milliseconds("expires", o.Expires); err != nil {
		return err
	}
	if err := flags.Valid(q.Check()); err != nil {
		return err
	}
	c, err := o.Client()
	if err != nil {
		return err
	}
	if q, err = c.Queues().Create(ctx, q); err != nil {
		return err
	}
	v := view.Queues()
	return print.Changed(o.Printer(o.Format), v, view.WithDepth(q, []model.QueueDepth{}), fmt.Sprintf("%s queue %s added", q.Type, q.Name))
}
