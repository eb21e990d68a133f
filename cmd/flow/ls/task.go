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
	"github.com/elasticcode/flow/cmd/flow/shortopt"
	"github.com/elasticcode/flow/cmd/flow/view"
	"github.com/elasticcode/flow/model"
)

// NewCmdTasks returns "flow ls tasks".
func NewCmdTasks(f *factory.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	cmd, o := newCmdList(f, "tasks", "List the functions of processors", runF, func(ctx context.Context, o *Options) error {
		return list(ctx, o, func(c *client.Client) client.Lister[model.Task] { return c.Tasks().Lister }, view.Tasks())
	})
	flags.Two(cmd, &o.Processor, "procname", "pn", "", "only those of this processor")
	complete.Option(cmd, f, "procname", complete.Processors)
	return cmd
}

// TaskOptions are the options of "flow ls task".
type TaskOptions struct {
	*factory.Factory
	Name                   string
	Source, Sockets, Plugs bool
	Format                 print.Format
}

// NewCmdTask returns "flow ls task".
func NewCmdTask(f *factory.Factory, runF func(context.Context, *TaskOptions) error) *cobra.Command {
	o := &TaskOptions{Factory: f}
	cmd := &cobra.Command{
		Use:     "task",
		Short:   "Show a function and its arguments",
		Example: "  flow ls task do_this\n  flow ls task -n pyfi.processors.sample.do_this -so -p",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return taskRun(cmd.Context(), o)
		},
	}
	flags.Name(cmd, f, &o.Name, "task", complete.Tasks)
	cmd.Flags().BoolVarP(&o.Source, "source", "s", false, "print its source and nothing else")
	cmd.Flags().BoolVar(&o.Sockets, "sockets", false, "show its sockets, too")
	shortopt.Set(cmd.Flags(), "sockets", "so")
	cmd.Flags().BoolVarP(&o.Plugs, "plugs", "p", false, "show the plugs around its sockets, too")
	flags.Output(cmd, &o.Format)
	return cmd
}

func taskRun(ctx context.Context, o *TaskOptions) error {
	c, err := o.Client()
	if err != nil {
		return err
	}
	t, err := c.Tasks().Get(ctx, o.Name)
	if err != nil {
		return err
	}
	if o.Source {
		_, err := fmt.Fprintln(o.Out, t.Source)
		return err
	}
	p := o.Printer(o.Format)
	return print.One(p, view.Tasks(), t, func() error {
		if err := section(p, "Arguments", view.Arguments(), t.Arguments); err != nil || !o.Sockets && !o.Plugs {
			return err
		}
		sockets, err := c.Sockets().All(ctx)
		if err != nil {
			return err
		}
		sockets = only(sockets, func(s model.Socket) bool { return s.Task == t.Name && s.Processor == t.Processor })
		if o.Sockets {
			if err := section(p, "Sockets", view.Sockets().Columns, sockets); err != nil {
				return err
			}
		}
		if !o.Plugs {
			return nil
		}
		plugs, err := c.Plugs().All(ctx)
		if err != nil {
			return err
		}
		return section(p, "Plugs", view.Plugs().Columns, only(plugs, func(e model.Plug) bool {
			for _, s := range sockets {
				if e.Source == s.Name || e.Target == s.Name {
					return true
				}
			}
			return false
		}))
	})
}
