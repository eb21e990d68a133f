package ls

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/complete"
	"github.com/elasticcode/flow/cmd/flow/exit"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
	"github.com/elasticcode/flow/cmd/flow/outcome"
	"github.com/elasticcode/flow/cmd/flow/print"
	"github.com/elasticcode/flow/cmd/flow/view"
	"github.com/elasticcode/flow/model"
)

// CallOptions are the options of "flow ls call".
type CallOptions struct {
	*factory.Factory
	ID                        string
	Tree, Graph, Flow, Result bool
	Wait                      time.Duration
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
	flags.Call(cmd, f, &o.ID, complete.Calls)
	cmd.Flags().BoolVarP(&o.Tree, "tree", "t", false, "show the call and all that came of it, as a tree")
	cmd.Flags().BoolVarP(&o.Graph, "graph", "g", false, "show the whole run that the call is part of, as a tree")
	cmd.Flags().BoolVarP(&o.Flow, "flow", "f", false, "list all calls of the run")
	cmd.Flags().BoolVarP(&o.Result, "result", "r", false, "print the result and nothing else; the exit code is 8 if it failed, 7 if it has not ended")
	cmd.Flags().DurationVar(&o.Wait, "wait", 0, "how long to wait for the result")
	flags.Needs(cmd, "wait", "result")
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
	case o.Result:
		return showResult(ctx, o, c)
	}
	call, err := c.Call(ctx, o.ID)
	if err != nil {
		return err
	}
	p := o.Printer(o.Format)
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

// showResult prints the result, as "flow task run" does.
func showResult(ctx context.Context, o *CallOptions, c *client.Client) error {
	out, err := c.Result(ctx, o.ID, o.Wait)
	if err != nil {
		return err
	}
	if !out.Done() {
		return &exit.Error{
			Code: exit.Timeout, Message: fmt.Sprintf("call %s has no result yet: it is %s", out.ID, out.State),
			Next: "give --wait DURATION to wait for it",
		}
	}
	p := o.Printer(o.Format)
	if p.Structured() && out.State == model.Succeeded {
		return p.Value(out.Result)
	}
	return outcome.Show(o.Factory, out, outcome.Raw)
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
