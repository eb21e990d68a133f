package flags

import (
	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/cmd/flow/complete"
	"github.com/elasticcode/flow/cmd/flow/exit"
	"github.com/elasticcode/flow/cmd/flow/factory"
)

// Name adds -n, --name: the name of an existing object, which may also be given
// as the argument of the command.
func Name(cmd *cobra.Command, f *factory.Factory, value *string, kind string, names complete.Names) {
	cmd.Use += " {NAME | -n NAME}"
	existing(cmd, f, value, "name", "n", "name of the "+kind, names)
}

// ID is Name for what has an id and no name.
func ID(cmd *cobra.Command, f *factory.Factory, value *string, kind string, names complete.Names) {
	identified(cmd, f, value, "id of the "+kind, names)
}

// Call is ID for a call, which the id that it was submitted under names, too.
func Call(cmd *cobra.Command, f *factory.Factory, value *string, names complete.Names) {
	identified(cmd, f, value, "id of the call, or the one that it was run with", names)
}

func identified(cmd *cobra.Command, f *factory.Factory, value *string, usage string, names complete.Names) {
	cmd.Use += " {ID | --id ID}"
	existing(cmd, f, value, "id", "", usage, names)
}

func existing(cmd *cobra.Command, f *factory.Factory, value *string, long, short, usage string, names complete.Names) {
	cmd.Flags().StringVarP(value, long, short, "", usage)
	complete.Option(cmd, f, long, names)
	cmd.ValidArgsFunction = complete.From(f, names)
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) > 1 || len(args) == 1 && *value != "":
			return exit.Usagef("%s takes one %s, and got %q too", cmd.CommandPath(), long, args[len(args)-1])
		case len(args) == 1:
			*value = args[0]
		}
		return nil
	}
	Required(cmd, long)
}

// None is for commands that take options only.
func None(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return exit.Usagef("%s takes no argument, and got %q", cmd.CommandPath(), args[0]).WithNext("%s --help", cmd.CommandPath())
}
