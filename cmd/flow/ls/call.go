package ls

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/complete"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
	"github.com/elasticcode/flow/cmd/flow/print"
	"github.com/elasticcode/flow/cmd/flow/view"
	"github.com/elasticcode/flow/model"
)

// CallOptions are the options of "flow ls call".
type CallOptions struct {
	*factory.Factory
	ID                        string
	Tree, Graph, Flow, Result bool
	Format                    print.Format
}

// NewCmdCall returns "flow ls call".
func NewCmdCall(f *factory.Factory, runF func(context.Context, *CallOptions) error) *cobra.Command {
	o := &CallOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "call",
		Short: "Show a call: where it came from, what happened, what came of it",
		Example: `  flow ls call --id 01890a5d-ac96-774b-bcce-b302099a8057
  flow ls call --id 01890a5d-ac96-774b-bcce-b302099a8057 --tree`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return callRun(cmd.Context(), o)
		},
	}
	flags.ID(cmd, f, &o.ID, "call", complete.Calls)
	cmd.Flags().BoolVarP(&o.Tree, "tree", "t", false, "show the call and all that came of it, as a tree")
	cmd.Flags().BoolVarP(&o.Graph, "graph", "g", false, "show the whole run that the call is part of, as a tree")
	cmd.Flags().BoolVarP(&o.Flow, "flow", "f", false, "list all calls of the run")
	cmd.Flags().BoolVarP(&o.Result, "result", "r", false, "print the result and nothing else")
	flags.Exclusive(cmd, "tree", "graph", "flow", "result")
	flags.Output(cmd, &o.Format)
	return cmd
}

func callRun(ctx context.Context, o *CallOptions) error {
	c, err := o.Client()
	if err != nil {
		return err
	}
	switch {
	case o.Tree:
		calls, err := c.Tree(ctx, o.ID)
		if err != nil {
			return err
		}
		return showTree(o, calls)
	case o.Graph, o.Flow:
		return runOf(ctx, c, o)
	}
	call, err := c.Call(ctx, o.ID)
	if err != nil {
		return err
	}
	p := o.Printer(o.Format)
	if o.Result {
		return showResult(p, call)
	}
	return print.One(p, view.Call(), call, func() error { return aboutCall(p, call) })
}

// runOf shows all calls of the run that the call is part of.
func runOf(ctx context.Context, c *client.Client, o *CallOptions) error {
	call, err := c.Call(ctx, o.ID)
	if err != nil {
		return err
	}
	calls, err := c.Run(ctx, call.Tracking)
	if err != nil {
		return err
	}
	if o.Graph {
		return showTree(o, calls)
	}
	return print.List(o.Printer(o.Format), view.Calls(), calls)
}

func showTree(o *CallOptions, calls []model.Call) error {
	p := o.Printer(o.Format)
	if p.Structured() || p.Format == print.Name {
		return print.List(p, view.Calls(), calls)
	}
	return print.Tree(o.Out, view.Tree(p, calls)...)
}

func showResult(p print.Printer, call model.Call) error {
	switch {
	case p.Structured():
		return p.Value(call.Result)
	case len(call.Result) == 0:
		p.Note("call %s has no result: it is %s", call.ID, call.State)
		return nil
	}
	return print.Result(p.Out, call.Result)
}

func aboutCall(p print.Printer, call model.Call) error {
	if err := section(p, "Provenance", view.Provenance(), []model.Call{call}); err != nil {
		return err
	}
	if err := section(p, "Events", view.Events(), call.Events); err != nil {
		return err
	}
	if call.Failure != nil {
		p.Heading("Failure")
		if err := print.Failure(p.Out, *call.Failure); err != nil {
			return err
		}
	}
	if len(call.Log) == 0 {
		return nil
	}
	p.Heading("Log")
	for _, line := range call.Log {
		if _, err := fmt.Fprintf(p.Out, "%s  %s\n", line.Stream, print.Line(line.Text)); err != nil {
			return err
		}
	}
	return nil
}
