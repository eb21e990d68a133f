package ls

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/complete"
	"github.com/elasticcode/flow/cmd/flow/exit"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
	"github.com/elasticcode/flow/cmd/flow/print"
	"github.com/elasticcode/flow/cmd/flow/shortopt"
	"github.com/elasticcode/flow/cmd/flow/view"
	"github.com/elasticcode/flow/model"
)

// CallsOptions are the options of "flow ls calls".
type CallsOptions struct {
	*factory.Factory
	Filter         client.CallFilter
	Period         flags.Period
	State          string
	Page, Rows     int
	All            bool
	IDs            bool
	Tracking, Task bool // more columns
	Format         print.Format
}

// NewCmdCalls returns "flow ls calls".
func NewCmdCalls(f *factory.Factory, runF func(context.Context, *CallsOptions) error) *cobra.Command {
	o := &CallsOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "calls",
		Short: "List calls, the newest first",
		Example: `  flow ls calls --socket pyfi.processors.sample.do_this --state failed
  flow ls calls -u
  flow ls calls --since 2h --until 30m
  flow ls calls --run 01890a5d-ac96-774b-bcce-b302099a8057 -a -o json`,
		Args: flags.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return callsRun(cmd.Context(), o)
		},
	}
	set := cmd.Flags()
	set.StringVarP(&o.Filter.Socket, "socket", "s", "", "only calls of this socket")
	flags.Choice(cmd, &o.State, "state", "", "", "only calls in this state", states()...)
	set.StringVar(&o.Filter.Run, "run", "", "only calls of this run (tracking)")
	o.Period.Add(cmd, "were made")
	set.BoolVarP(&o.Filter.Unfinished, "unfinished", "u", false, "only calls that have not ended")
	set.BoolVarP(&o.Filter.Ascending, "ascend", "a", false, "the oldest first")
	set.IntVarP(&o.Page, "page", "p", 1, "which page, from 1")
	set.IntVarP(&o.Rows, "rows", "r", 100, "calls on a page")
	set.BoolVar(&o.All, "all", false, "all pages")
	set.BoolVarP(&o.IDs, "id", "i", false, "only the ids: the same as -o name")
	set.BoolVarP(&o.Tracking, "tracking", "t", false, "show the run of each call, too")
	set.BoolVar(&o.Task, "task", false, "show the function of each call, too")
	shortopt.Set(set, "task", "tk")
	flags.Exclusive(cmd, "all", "page")
	flags.Exclusive(cmd, "all", "rows")
	flags.Exclusive(cmd, "id", "output")
	complete.Option(cmd, f, "socket", complete.Sockets)
	flags.Output(cmd, &o.Format)
	return cmd
}

func states() []string {
	var out []string
	for _, s := range model.States() {
		out = append(out, string(s))
	}
	return out
}

func callsRun(ctx context.Context, o *CallsOptions) error {
	if o.Page < 1 || o.Rows < 1 {
		return exit.Usagef("--page and --rows begin at 1")
	}
	var err error
	if o.Filter.Since, o.Filter.Until, err = o.Period.Between(o.Now()); err != nil {
		return err
	}
	o.Filter.State = model.State(o.State)
	if o.IDs {
		o.Format = print.Name
	}
	c, err := o.Client()
	if err != nil {
		return err
	}
	calls, of, err := pageOf(ctx, c, o)
	if err != nil {
		return err
	}
	p := o.Printer(o.Format)
	if err := print.List(p, view.CallsWith(o.Tracking, o.Task), calls); err != nil {
		return err
	}
	if !p.Structured() && o.Format != print.Name && of.Total > int64(len(calls)) {
		pages := (of.Total + int64(o.Rows) - 1) / int64(o.Rows)
		if of.AtLeast {
			p.Note("page %d, more than %d calls in all; --all shows them", o.Page, of.Total)
		} else {
			p.Note("page %d of %d, %d calls in all; --all shows them", o.Page, pages, of.Total)
		}
	}
	return nil
}

// pageOf returns the wanted page, and the last that came with how many there are
// in all. The API
// goes from page to page, so that what comes in between shifts nothing.
func pageOf(ctx context.Context, c *client.Client, o *CallsOptions) ([]model.Call, model.Page[model.Call], error) {
	calls := []model.Call{}
	filter := o.Filter
	skip, want := (o.Page-1)*o.Rows, o.Rows
	if o.All {
		skip, want = 0, int(^uint(0)>>1)
	}
	for {
		filter.Limit = min(want+skip, client.MaxPage)
		page, err := c.Calls(ctx, filter)
		if err != nil {
			return nil, page, err
		}
		items := page.Items
		skipped := min(skip, len(items))
		skip -= skipped
		items = items[skipped:]
		items = items[:min(want, len(items))]
		calls = append(calls, items...)
		want -= len(items)
		if want == 0 || page.Next == "" {
			return calls, page, nil
		}
		filter.Cursor = page.Next
	}
}
