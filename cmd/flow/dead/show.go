package dead

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
	"github.com/elasticcode/flow/cmd/flow/print"
	"github.com/elasticcode/flow/cmd/flow/view"
	"github.com/elasticcode/flow/model"
)

// ShowOptions are the options of "flow dead show".
type ShowOptions struct {
	*factory.Factory
	ID     string
	Format print.Format
}

// NewCmdShow returns "flow dead show".
func NewCmdShow(f *factory.Factory, runF func(context.Context, *ShowOptions) error) *cobra.Command {
	o := &ShowOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show a dead letter: why, which attempt, its arguments, the traceback and the log",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return showRun(cmd.Context(), o)
		},
	}
	flags.Call(cmd, f, &o.ID, letters)
	flags.Output(cmd, &o.Format)
	return cmd
}

func showRun(ctx context.Context, o *ShowOptions) error {
	c, err := o.Client()
	if err != nil {
		return err
	}
	call, err := c.Call(ctx, o.ID)
	if err != nil {
		return err
	}
	p := o.Printer(o.Format)
	return print.One(p, view.DeadLetters(), call, func() error { return details(p, call) })
}

func details(p print.Printer, call model.Call) error {
	p.Heading("Arguments")
	for _, v := range call.Args {
		if err := print.JSONLine(p.Out, v); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(call.Kwargs)) {
		value := call.Kwargs[name]
		if _, err := fmt.Fprintf(p.Out, "%s=", print.Line(name)); err != nil {
			return err
		}
		if err := print.JSONLine(p.Out, value); err != nil {
			return err
		}
	}
	if call.Failure != nil {
		p.Heading("Failure")
		if err := print.Failure(p.Out, *call.Failure); err != nil {
			return err
		}
	}
	if len(call.Events) > 0 {
		p.Heading("Events")
		if err := print.Rows(p, view.Events(), call.Events); err != nil {
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
