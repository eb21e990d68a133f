// Package ls is the commands that list objects (a plural noun) or show one of
// them with what belongs to it (the singular).
package ls

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
	"github.com/elasticcode/flow/cmd/flow/group"
	"github.com/elasticcode/flow/cmd/flow/print"
	"github.com/elasticcode/flow/cmd/flow/view"
	"github.com/elasticcode/flow/model"
)

// NewCmd returns "flow ls".
func NewCmd(f *factory.Factory) *cobra.Command {
	return group.New("ls", "List objects and how they relate",
		NewCmdNetworks(f, nil), NewCmdNetwork(f, nil),
		NewCmdQueues(f, nil), NewCmdQueue(f, nil),
		NewCmdProcessors(f, nil), NewCmdProcessor(f, nil),
		NewCmdSockets(f, nil), NewCmdSocket(f, nil),
		NewCmdPlugs(f, nil), NewCmdPlug(f, nil),
		NewCmdTasks(f, nil), NewCmdTask(f, nil),
		NewCmdNodes(f, nil), NewCmdNode(f, nil),
		NewCmdAgents(f, nil), NewCmdAgent(f, nil),
		NewCmdWorkers(f, nil), NewCmdWorker(f, nil),
		NewCmdDeployments(f, nil), NewCmdDeployment(f, nil),
		NewCmdCalls(f, nil), NewCmdCall(f, nil),
		NewCmdTokens(f, nil),
	)
}

// Options are the options of the commands that list everything of a kind.
type Options struct {
	*factory.Factory
	Format print.Format
	// Processor and Node choose what belongs to them, where the command has the options.
	Processor, Node string
}

func newCmdList(f *factory.Factory, use, short string, runF, run func(context.Context, *Options) error) (*cobra.Command, *Options) {
	o := &Options{Factory: f}
	cmd := &cobra.Command{
		Use: use, Short: short, Args: flags.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return run(cmd.Context(), o)
		},
	}
	flags.Output(cmd, &o.Format)
	return cmd, o
}

// OneOptions are the options of the commands that show one object.
type OneOptions struct {
	*factory.Factory
	Name   string
	Format print.Format
}

// list lists everything that the options choose.
func list[T any](ctx context.Context, o *Options, of func(*client.Client) client.Lister[T], v print.View[T]) error {
	c, err := o.Client()
	if err != nil {
		return err
	}
	items, err := of(c).AllOf(ctx, client.ListOptions{Processor: o.Processor, Node: o.Node})
	if err != nil {
		return err
	}
	return print.List(o.Printer(o.Format), v, items)
}

// NewCmdTokens returns "flow ls tokens".
func NewCmdTokens(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	cmd, _ := newCmdList(f, "tokens", "List tokens, without their secrets", runF, tokensRun)
	cmd.Aliases = []string{"token"}
	return cmd
}

func tokensRun(ctx context.Context, o *Options) error {
	c, err := o.Client()
	if err != nil {
		return err
	}
	tokens, err := c.Tokens(ctx)
	if err != nil {
		return err
	}
	if tokens == nil {
		tokens = []model.Token{}
	}
	return print.List(o.Printer(o.Format), view.Tokens(), tokens)
}

// section shows a titled table of what belongs to an object; none is left out.
func section[T any](p print.Printer, title string, columns []print.Column[T], items []T) error {
	if len(items) == 0 {
		return nil
	}
	p.Heading(title)
	return print.Rows(p, columns, items)
}

// only returns the items that belong.
func only[T any](items []T, belongs func(T) bool) []T {
	var out []T
	for _, item := range items {
		if belongs(item) {
			out = append(out, item)
		}
	}
	return out
}
