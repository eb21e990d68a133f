package dead

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/exit"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
	"github.com/elasticcode/flow/cmd/flow/value"
)

// EditOptions are the options of "flow dead edit".
type EditOptions struct {
	*factory.Factory
	ID                 string
	Data, Args, Kwargs string
	HasData            bool
}

// NewCmdEdit returns "flow dead edit".
func NewCmdEdit(f *factory.Factory, runF func(context.Context, *EditOptions) error) *cobra.Command {
	o := &EditOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "edit",
		Short: "Change the arguments of a dead letter, before it is run again",
		Example: `  flow dead edit 01890a5d-ac96-774b-bcce-b302099a8057 -d "['other data']"
  flow dead edit 01890a5d-ac96-774b-bcce-b302099a8057 --args '[1, 2]' --kwargs '{}'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.HasData = flags.Given(cmd, "data")
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return editRun(cmd.Context(), o)
		},
	}
	flags.Call(cmd, f, &o.ID, letters)
	cmd.Flags().StringVarP(&o.Data, "data", "d", "", "the one value for the first argument")
	cmd.Flags().StringVar(&o.Args, "args", "", "values for the arguments, as a list: '[1, two]'")
	cmd.Flags().StringVar(&o.Kwargs, "kwargs", "", "values for named arguments, as an object: '{one: 1}'")
	flags.Exclusive(cmd, "data", "args")
	flags.Something(cmd, "data", "args", "kwargs")
	return cmd
}

func editRun(ctx context.Context, o *EditOptions) error {
	var e client.Edit
	switch {
	case o.HasData:
		v, err := value.Parse(o.Data, o.In)
		if err != nil {
			return exit.Usagef("--data: %v", err)
		}
		e.Args = &[]json.RawMessage{v}
	case o.Args != "":
		args, err := value.List(o.Args, o.In)
		if err != nil {
			return exit.Usagef("--args: %v", err)
		}
		e.Args = &args
	}
	if o.Kwargs != "" {
		kwargs, err := value.Object(o.Kwargs, o.In)
		if err != nil {
			return exit.Usagef("--kwargs: %v", err)
		}
		e.Kwargs = &kwargs
	}
	c, err := o.Client()
	if err != nil {
		return err
	}
	if _, err := c.EditDead(ctx, o.ID, e); err != nil {
		return err
	}
	_, err = fmt.Fprintf(o.Out, "call %s changed; \"flow dead redrive %s\" runs it again\n", o.ID, o.ID)
	return err
}
