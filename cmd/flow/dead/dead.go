// Package dead is the commands about the dead letters: calls that ended without
// success and wait for a person.
package dead

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/complete"
	"github.com/elasticcode/flow/cmd/flow/exit"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
	"github.com/elasticcode/flow/cmd/flow/group"
	"github.com/elasticcode/flow/model"
)

// NewCmd returns "flow dead".
func NewCmd(f *factory.Factory) *cobra.Command {
	cmd := group.New("dead", "See, change, run again or drop calls that ended without success",
		NewCmdLs(f, nil), NewCmdShow(f, nil), NewCmdEdit(f, nil),
		NewCmdRedrive(f, nil), NewCmdDrop(f, nil), NewCmdWithdraw(f, nil),
	)
	cmd.Long = `See, change, run again or drop calls that ended without success: those that failed,
died after all their attempts or because their process died, or expired.

They stay on the list until they are run again, are dropped, or are older than the
history that the server keeps (which it keeps of those that died in any case).`
	return cmd
}

// filter chooses dead letters.
type filter struct {
	Socket, Run, State, Error string
	Period                    flags.Period
}

// names of the filter's options.
var filterNames = append([]string{"socket", "run", "state", "error"}, flags.PeriodNames...)

func (s *filter) add(cmd *cobra.Command, f *factory.Factory) {
	set := cmd.Flags()
	set.StringVarP(&s.Socket, "socket", "s", "", "only calls of this socket")
	set.StringVar(&s.Run, "run", "", "only calls of this run (tracking)")
	flags.Choice(cmd, &s.State, "state", "", "", "only calls in this state", string(model.Dead), string(model.Failed), string(model.Expired))
	set.StringVar(&s.Error, "error", "", "only calls with a failure of this type, for example ValueError")
	s.Period.Add(cmd, "ended")
	complete.Option(cmd, f, "socket", complete.Sockets)
}

func (s *filter) of(now time.Time) (client.DeadFilter, error) {
	since, until, err := s.Period.Between(now)
	return client.DeadFilter{
		Socket: s.Socket, Run: s.Run, State: model.State(s.State), Error: s.Error,
		Since: since, Until: until, Limit: client.MaxPage,
	}, err
}

// choice is the calls that a command is about: those named, or all that fit.
type choice struct {
	filter
	IDs []string
	All bool
}

func (c *choice) add(cmd *cobra.Command, f *factory.Factory) {
	cmd.Use += " {ID… | --all}"
	cmd.Flags().BoolVar(&c.All, "all", false, "all dead letters, or all that the other options choose")
	c.filter.add(cmd, f)
	cmd.ValidArgsFunction = complete.From(f, letters)
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		c.IDs = args
		switch {
		case len(args) > 0 && (c.All || flags.Given(cmd, filterNames...)):
			return exit.Usagef("name calls by their ids, or choose them with --all, not both").WithNext("%s --help", cmd.CommandPath())
		case len(args) == 0 && !c.All:
			return exit.Usagef("which calls? give their ids, or --all with what they have in common").WithNext("flow dead ls")
		}
		return nil
	}
}

// find returns the ids of the chosen calls, the oldest first. They are found
// before anything is done, so that what dies again meanwhile is not met twice.
func (c *choice) find(ctx context.Context, api *client.Client, now time.Time) ([]string, error) {
	if !c.All {
		return c.IDs, nil
	}
	f, err := c.of(now)
	if err != nil {
		return nil, err
	}
	var ids []string
	for {
		page, err := api.Dead(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, call := range page.Items {
			ids = append(ids, call.ID)
		}
		if f.Cursor = page.Next; f.Cursor == "" {
			slices.Reverse(ids)
			return ids, nil
		}
	}
}

// letters are the ids of the newest dead letters, with their sockets.
func letters(ctx context.Context, c *client.Client) ([]string, error) {
	page, err := c.Dead(ctx, client.DeadFilter{Limit: 50})
	out := make([]string, len(page.Items))
	for i, call := range page.Items {
		out[i] = cobra.CompletionWithDesc(call.ID, call.Socket+" "+string(call.State))
	}
	return out, err
}
