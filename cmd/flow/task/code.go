package task

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/cmd/flow/complete"
	"github.com/elasticcode/flow/cmd/flow/exit"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
)

// CodeOptions are the options of "flow task code".
type CodeOptions struct {
	*factory.Factory
	Name string
}

// NewCmdCode returns "flow task code".
func NewCmdCode(f *factory.Factory, runF func(context.Context, *CodeOptions) error) *cobra.Command {
	o := &CodeOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "code",
		Short: "Print the source of a function",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return codeRun(cmd.Context(), o)
		},
	}
	flags.Name(cmd, f, &o.Name, "task", complete.Tasks)
	return cmd
}

func codeRun(ctx context.Context, o *CodeOptions) error {
	c, err := o.Client()
	if err != nil {
		return err
	}
	t, err := c.Tasks().Get(ctx, o.Name)
	if err != nil {
		return err
	}
	if t.Source == "" {
		return &exit.Error{Code: exit.NotFound, Message: "the source of " + t.Name + " is not known", Next: "flow task show " + t.Name}
	}
	_, err = fmt.Fprintln(o.Out, strings.TrimRight(t.Source, "\n"))
	return err
}
