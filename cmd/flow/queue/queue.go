// Package queue is the commands about what waits in queues.
package queue

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/complete"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
	"github.com/elasticcode/flow/cmd/flow/group"
	"github.com/elasticcode/flow/cmd/flow/print"
	"github.com/elasticcode/flow/model"
)

// NewCmd returns "flow queue".
func NewCmd(f *factory.Factory) *cobra.Command {
	return group.New("queue", "Look into queues, and empty them", NewCmdPeek(f, nil), NewCmdPurge(f, nil))
}

// PeekOptions are the options of "flow queue peek".
type PeekOptions struct {
	*factory.Factory
	Name   string
	Rows   int
	Format print.Format
}

// NewCmdPeek returns "flow queue peek".
func NewCmdPeek(f *factory.Factory, runF func(context.Context, *PeekOptions) error) *cobra.Command {
	o := &PeekOptions{Factory: f}
	cmd := &cobra.Command{
		Use: "peek", Short: "Show the calls that wait in a queue, and leave them there",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return peekRun(cmd.Context(), o)
		},
	}
	cmd.Flags().IntVarP(&o.Rows, "rows", "r", 10, "how many to show at most, up to 500")
	flags.Name(cmd, f, &o.Name, "queue", complete.Queues)
	flags.Done(cmd, &o.Format)
	return cmd
}

func peekRun(ctx context.Context, o *PeekOptions) error {
	c, err := o.Client()
	if err != nil {
		return err
	}
	msgs, err := c.Peek(ctx, o.Name, o.Rows)
	if err != nil {
		return err
	}
	return print.List(o.Printer(o.Format), messages(), msgs)
}

// messages is how waiting messages are shown.
func messages() print.View[client.QueuedMessage] {
	call := func(m client.QueuedMessage) model.Envelope {
		if m.Call == nil {
			return model.Envelope{}
		}
		return *m.Call
	}
	return print.View[client.QueuedMessage]{
		Kind: "waiting calls",
		Name: func(m client.QueuedMessage) string { return m.ID },
		Columns: []print.Column[client.QueuedMessage]{
			{Title: "ID", Text: func(m client.QueuedMessage) string { return m.ID }},
			{Title: "Broker Queue", Text: func(m client.QueuedMessage) string { return m.Queue }},
			{Title: "Socket", Text: func(m client.QueuedMessage) string { return call(m).Socket }},
			{Title: "Created", Text: func(m client.QueuedMessage) string { return print.Time(call(m).Created) }},
			{Title: "Attempts", Text: func(m client.QueuedMessage) string { return fmt.Sprint(call(m).Attempt) }},
			{Title: "Arguments", Text: arguments},
		},
	}
}

// arguments shows the beginning of what a call brings, and the size of large
// values: those are not in the queue.
func arguments(m client.QueuedMessage) string {
	text := m.Body
	if m.Call != nil {
		text = ""
		for i, a := range m.Call.Args {
			if i > 0 {
				text += ", "
			}
			text += shown(*m.Call, i, string(a))
		}
	}
	if r := []rune(text); len(r) > 60 {
		text = string(r[:60]) + "…"
	}
	return text
}

func shown(e model.Envelope, i int, text string) string {
	for _, r := range e.Refs {
		if r.At == model.Pointer("args", strconv.Itoa(i)) {
			return "(" + print.Bytes(int64(r.Size)) + ")"
		}
	}
	return text
}

// PurgeOptions are the options of "flow queue purge".
type PurgeOptions struct {
	*factory.Factory
	Name string
}

// NewCmdPurge returns "flow queue purge".
func NewCmdPurge(f *factory.Factory, runF func(context.Context, *PurgeOptions) error) *cobra.Command {
	o := &PurgeOptions{Factory: f}
	cmd := &cobra.Command{
		Use: "purge", Short: "Cancel all calls that wait in a queue",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return purgeRun(cmd.Context(), o)
		},
	}
	flags.Name(cmd, f, &o.Name, "queue", complete.Queues)
	return cmd
}

func purgeRun(ctx context.Context, o *PurgeOptions) error {
	c, err := o.Client()
	if err != nil {
		return err
	}
	n, err := c.Purge(ctx, o.Name)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(o.Out, "queue %s: %d waiting calls cancelled\n", o.Name, n)
	return err
}
