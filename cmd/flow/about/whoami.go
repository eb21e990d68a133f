package about

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
	"github.com/elasticcode/flow/cmd/flow/print"
)

// WhoamiOptions are the options of "flow whoami".
type WhoamiOptions struct {
	*factory.Factory
	Format print.Format
}

// NewCmdWhoami returns "flow whoami".
func NewCmdWhoami(f *factory.Factory, runF func(context.Context, *WhoamiOptions) error) *cobra.Command {
	o := &WhoamiOptions{Factory: f}
	cmd := &cobra.Command{
		Use: "whoami", Short: "Show who you are to the server", Args: flags.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return whoamiRun(cmd.Context(), o)
		},
	}
	flags.Output(cmd, &o.Format)
	return cmd
}

func whoamiRun(ctx context.Context, o *WhoamiOptions) error {
	c, err := o.Client()
	if err != nil {
		return err
	}
	who, err := c.WhoAmI(ctx)
	if err != nil {
		return err
	}
	return print.One(o.Printer(o.Format), print.View[client.Identity]{
		Name: func(i client.Identity) string { return i.User },
		Columns: []print.Column[client.Identity]{
			{Title: "User", Text: func(i client.Identity) string { return i.User }},
			{Title: "Token", Text: func(i client.Identity) string { return i.Token }},
			{Title: "Scope", Text: func(i client.Identity) string { return string(i.Scope) }},
			{Title: "Expires", Text: func(i client.Identity) string {
				if i.Expires == nil {
					return "never"
				}
				return print.Time(*i.Expires)
			}},
			{Title: "Server", Text: func(client.Identity) string { return c.Server() }},
		},
	}, who, nil)
}
