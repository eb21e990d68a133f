package dead

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/exit"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
	"github.com/elasticcode/flow/cmd/flow/print"
	"github.com/elasticcode/flow/cmd/flow/view"
	"github.com/elasticcode/flow/model"
)

// LsOptions are the options of "flow dead ls".
type LsOptions struct {
	*factory.Factory
	filter
	Rows   int
	All    bool
	Format print.Format
}

// NewCmdLs returns "flow dead ls".
func NewCmdLs(f *factory.Factory, runF func(context.Context, *LsOptions) error) *cobra.Command {
	o := &LsOptions{Factory: f}
	cmd := &cobra.Command{
		Use:     "ls",
		Short:   "List the dead letters, the newest first",
		Example: "  flow dead ls --socket pyfi.processors.sample.do_this --error ValueError --since 1h",
		Args:    flags.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return lsRun(cmd.Context(), o)
		},
	}
	o.filter.add(cmd, f)
	cmd.Flags().IntVarP(&o.Rows, "rows", "r", 100, "how many to show at most")
	cmd.Flags().BoolVar(&o.All, "all", false, "all of them")
	flags.Exclusive(cmd, "all", "rows")
	flags.Output(cmd, &o.Format)
	return cmd
}

func lsRun(ctx context.Context, o *LsOptions) error {
	if o.Rows < 1 {
		return exit.Usagef("--rows begins at 1")
	}
	f, err := o.of(o.Now())
	if err != nil {
		return err
	}
	c, err := o.Client()
	if err != nil {
		return err
	}
	calls, of, err := some(ctx, c, f, o)
	if err != nil {
		return err
	}
	p := o.Printer(o.Format)
	if err := print.List(p, view.DeadLetters(), calls); err != nil {
		return err
	}
	if !p.Structured() && o.Format != print.Name && of.Total > int64(len(calls)) {
		more := ""
		if of.AtLeast {
			more = "more than "
		}
		p.Note("%d of %s%d dead letters; --all shows them", len(calls), more, of.Total)
	}
	return nil
}

func some(ctx context.Context, c *client.Client, f client.DeadFilter, o *LsOptions) ([]model.Call, model.Page[model.Call], error) {
	calls := []model.Call{}
	for {
		if !o.All {
			f.Limit = min(o.Rows-len(calls), client.MaxPage)
		}
		page, err := c.Dead(ctx, f)
		if err != nil {
			return nil, page, err
		}
		calls = append(calls, page.Items...)
		if f.Cursor = page.Next; f.Cursor == "" || !o.All && len(calls) >= o.Rows {
			return calls, page, nil
		}
	}
}
