package about

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/exit"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
	"github.com/elasticcode/flow/cmd/flow/print"
)

// StatusOptions are the options of "flow status".
type StatusOptions struct {
	*factory.Factory
	Format print.Format
}

// NewCmdStatus returns "flow status".
func NewCmdStatus(f *factory.Factory, runF func(context.Context, *StatusOptions) error) *cobra.Command {
	o := &StatusOptions{Factory: f}
	cmd := &cobra.Command{
		Use: "status", Short: "Show whether the server, and what is behind it, answers", Args: flags.None,
		Long: "Show whether the server, and what is behind it, answers. The exit code is 6 when\nsomething does not.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return statusRun(cmd.Context(), o)
		},
	}
	flags.Output(cmd, &o.Format)
	return cmd
}

// part is one line of the table.
type part struct {
	name   string
	health client.Health
}

func statusRun(ctx context.Context, o *StatusOptions) error {
	c, err := o.Client()
	if err != nil {
		return err
	}
	s, err := c.Status(ctx)
	if err != nil {
		return err
	}
	if err := showStatus(o.Printer(o.Format), c, s); err != nil {
		return err
	}
	if !s.OK() {
		return &exit.Error{Code: exit.Unreachable, Message: "something behind the server does not answer"}
	}
	return nil
}

func showStatus(p print.Printer, c *client.Client, s client.Status) error {
	if p.Structured() {
		return p.Value(s)
	}
	up := (time.Duration(s.UptimeMS) * time.Millisecond).Round(time.Second)
	parts := []part{
		{"server", client.Health{OK: true, Message: c.Server() + ", version " + s.Version + ", up " + up.String()}},
		{"broker", s.Broker}, {"backend", s.Backend}, {"store", s.Store},
	}
	return print.List(p, print.View[part]{
		Kind: "parts",
		Name: func(x part) string { return x.name },
		Columns: []print.Column[part]{
			{Title: "Part", Text: func(x part) string { return x.name }},
			{Title: "Status", Text: func(x part) string {
				if x.health.OK {
					return "ok"
				}
				return "down"
			}, Style: func(x part) print.Style {
				if x.health.OK {
					return print.Good
				}
				return print.Bad
			}},
			{Title: "Message", Whole: true, Text: func(x part) string { return x.health.Message }},
		},
	}, parts)
}
