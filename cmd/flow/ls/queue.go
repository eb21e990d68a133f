package ls

import (
	"context"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/complete"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/print"
	"github.com/elasticcode/flow/cmd/flow/view"
	"github.com/elasticcode/flow/model"
)

// depthsAtOnce is how many queues the broker is asked about at the same time.
const depthsAtOnce = 8

// NewCmdQueues returns "flow ls queues".
func NewCmdQueues(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	cmd, _ := newCmdList(f, "queues", "List queues, with how many calls wait in them", runF, queuesRun)
	return cmd
}

func queuesRun(ctx context.Context, o *Options) error {
	c, err := o.Client()
	if err != nil {
		return err
	}
	queues, err := c.Queues().All(ctx)
	if err != nil {
		return err
	}
	shown := make([]view.Queue, len(queues))
	if o.Format == print.Name { // names need no depth
		for i, q := range queues {
			shown[i] = view.WithDepth(q, nil)
		}
		return print.List(o.Printer(o.Format), view.Queues(), shown)
	}
	if err := depths(ctx, o.Factory, c, queues, shown); err != nil {
		return err
	}
	return print.List(o.Printer(o.Format), view.Queues(), shown)
}

// depths asks the broker, through the server, about each queue. What it does not
// tell is shown as unknown: the listing is still of use.
func depths(ctx context.Context, f *factory.Factory, c *client.Client, queues []model.Queue, shown []view.Queue) error {
	silent := make([]error, len(queues))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(depthsAtOnce)
	for i, q := range queues {
		g.Go(func() error {
			found, err := c.Depth(ctx, q.Name)
			if err == nil && found == nil {
				found = []model.QueueDepth{}
			}
			shown[i] = view.WithDepth(q, found)
			silent[i] = err
			return ctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, err := range silent {
		if err != nil {
			f.Note("warning: how many calls wait in %s is not known: %v", queues[i].Name, err)
			break // one is enough to say why
		}
	}
	return nil
}

// NewCmdQueue returns "flow ls queue".
func NewCmdQueue(f *factory.Factory, runF func(context.Context, *OneOptions) error) *cobra.Command {
	return newCmdOne(f, "queue", "Show a queue and its broker queues", complete.Queues, runF, queueRun)
}

func queueRun(ctx context.Context, o *OneOptions) error {
	c, err := o.Client()
	if err != nil {
		return err
	}
	q, err := c.Queues().Get(ctx, o.Name)
	if err != nil {
		return err
	}
	shown := make([]view.Queue, 1)
	if err := depths(ctx, o.Factory, c, []model.Queue{q}, shown); err != nil {
		return err
	}
	p := o.Printer(o.Format)
	return print.One(p, view.Queues(), shown[0], func() error {
		if err := section(p, "Broker queues", view.Depths(), shown[0].Broker); err != nil {
			return err
		}
		sockets, err := c.Sockets().All(ctx)
		if err != nil {
			return err
		}
		return section(p, "Sockets", view.Sockets().Columns, only(sockets, func(s model.Socket) bool { return s.Queue == q.Name }))
	})
}
