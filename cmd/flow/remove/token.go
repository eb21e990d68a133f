package remove

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/cmd/flow/complete"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
)

// TokenOptions are the options of "flow delete token".
type TokenOptions struct {
	*factory.Factory
	ID string
}

// NewCmdToken returns "flow delete token".
func NewCmdToken(f *factory.Factory, runF func(context.Context, *TokenOptions) error) *cobra.Command {
	o := &TokenOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Take a token back",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return tokenRun(cmd.Context(), o)
		},
	}
	flags.ID(cmd, f, &o.ID, "token", complete.Tokens)
	return cmd
}

func tokenRun(ctx context.Context, o *TokenOptions) error {
	c, err := o.Client()
	if err != nil {
		return err
	}
	if err := c.DeleteToken(ctx, o.ID); err != nil {
		return err
	}
	_, err = fmt.Fprintf(o.Out, "token %s deleted\n", o.ID)
	return err
}
