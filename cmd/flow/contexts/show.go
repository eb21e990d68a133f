package contexts

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
	"github.com/elasticcode/flow/cmd/flow/print"
)

// ShowOptions are the options of "flow context show".
type ShowOptions struct {
	*factory.Factory
	Format print.Format
}

// NewCmdShow returns "flow context show".
func NewCmdShow(f *factory.Factory, runF func(context.Context, *ShowOptions) error) *cobra.Command {
	o := &ShowOptions{Factory: f}
	cmd := &cobra.Command{
		Use: "show", Short: "Show what is used, and where it came from", Args: flags.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return showRun(o)
		},
	}
	flags.Output(cmd, &o.Format)
	return cmd
}

type setting struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Origin string `json:"origin"`
}

func showRun(o *ShowOptions) error {
	s, err := o.Settings()
	if err != nil {
		return err
	}
	token := s.Token
	if token.Value != "" {
		token.Value = "(set)" // never shown
	}
	items := []setting{
		{"context", s.Name, s.NameFrom},
		{"server", s.Server.Value, s.Server.Origin},
		{"token", token.Value, token.Origin},
		{"network", s.Network.Value, s.Network.Origin},
	}
	return print.List(o.Printer(o.Format), print.View[setting]{
		Kind: "settings",
		Name: func(s setting) string { return s.Name },
		Columns: []print.Column[setting]{
			{Title: "Setting", Text: func(s setting) string { return s.Name }},
			{Title: "Value", Text: func(s setting) string { return s.Value }},
			{Title: "From", Text: func(s setting) string { return s.Origin }},
		},
	}, items)
}
