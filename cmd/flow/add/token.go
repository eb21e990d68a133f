package add

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
	"github.com/elasticcode/flow/cmd/flow/print"
	"github.com/elasticcode/flow/model"
)

// TokenOptions are the options of "flow add token".
type TokenOptions struct {
	*factory.Factory
	Name, User, Scope string
	Expires           time.Duration
	Format            print.Format
}

// NewCmdToken returns "flow add token".
func NewCmdToken(f *factory.Factory, runF func(context.Context, *TokenOptions) error) *cobra.Command {
	o := &TokenOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "token -n NAME -u USER",
		Short: "Add a token: let a person or program use the API",
		Long: `Add a token and print its secret, which is kept nowhere and not shown again. A
user that does not exist is made. An agent needs a token of the scope agent.`,
		Example: `  flow add token -n laptop -u ana --expires 720h
  flow add token -n node2 -u agents --scope agent >agent.token`,
		Args: flags.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return tokenRun(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVarP(&o.Name, "name", "n", "", "what the token is for")
	cmd.Flags().StringVarP(&o.User, "user", "u", "", "user it speaks for")
	flags.Choice(cmd, &o.Scope, "scope", "", string(model.ScopeAdmin), "what it may be used for", string(model.ScopeAdmin), string(model.ScopeAgent))
	cmd.Flags().DurationVar(&o.Expires, "expires", 0, "in how long it ends; never when left out")
	flags.Required(cmd, "name", "user")
	flags.Done(cmd, &o.Format)
	return cmd
}

func tokenRun(ctx context.Context, o *TokenOptions) error {
	expires, err := flags.Milliseconds("expires", o.Expires)
	if err != nil {
		return err
	}
	c, err := o.Client()
	if err != nil {
		return err
	}
	t, err := c.CreateToken(ctx, client.TokenInput{User: o.User, Name: o.Name, Scope: model.Scope(o.Scope), ExpiresMS: expires})
	if err != nil {
		return err
	}
	if o.Format == "" {
		o.Note("token %s (%s) of user %s added; its secret is not shown again:", t.Name, t.ID, t.User)
	}
	return print.Changed(o.Printer(o.Format), tokenView(), t, t.Secret)
}

func tokenView() print.View[client.NewToken] {
	return print.View[client.NewToken]{
		Kind: "tokens",
		Name: func(t client.NewToken) string { return t.ID },
		Columns: []print.Column[client.NewToken]{
			{Title: "ID", Text: func(t client.NewToken) string { return t.ID }},
			{Title: "Name", Text: func(t client.NewToken) string { return t.Name }},
			{Title: "User", Text: func(t client.NewToken) string { return t.User }},
			{Title: "Scope", Text: func(t client.NewToken) string { return string(t.Scope) }},
			{Title: "Secret", Text: func(t client.NewToken) string { return t.Secret }},
		},
	}
}
