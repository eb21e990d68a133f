package contexts

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/cmd/flow/contextfile"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
)

// UseOptions are the options of "flow context use".
type UseOptions struct {
	*factory.Factory
	Name string
}

// NewCmdUse returns "flow context use".
func NewCmdUse(f *factory.Factory, runF func(context.Context, *UseOptions) error) *cobra.Command {
	o := &UseOptions{Factory: f}
	cmd := &cobra.Command{
		Use: "use", Short: "Make a context the current one",
		Example: "  flow context use lab",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return useRun(o)
		},
	}
	flags.Name(cmd, f, &o.Name, "context", nil)
	cmd.ValidArgsFunction = names(f)
	return cmd
}

func useRun(o *UseOptions) error {
	path, err := contextfile.Path(o.Env)
	if err != nil {
		return err
	}
	if err := contextfile.Use(path, o.Name); err != nil {
		return Explain(err)
	}
	_, err = fmt.Fprintf(o.Out, "context %s is current\n", o.Name)
	return err
}
