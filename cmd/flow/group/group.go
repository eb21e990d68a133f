// Package group makes commands that only hold others: without arguments they
// show their help, and an unknown word is an error that names close ones.
package group

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/cmd/flow/exit"
)

// New returns a command that holds the given ones.
func New(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short,
		Args: cobra.ArbitraryArgs, // Run tells better what is wrong
		RunE: Run,
	}
	cmd.AddCommand(commands...)
	return cmd
}

// Run shows the command's help, or says that there is no such command.
func Run(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	cmd.SuggestionsMinimumDistance = min(2, len(args[0])/2) // two letters are close to all that have two
	return &exit.Error{
		Code:        exit.Usage,
		Message:     "there is no command " + cmd.CommandPath() + " " + args[0],
		Suggestions: slices.Compact(cmd.SuggestionsFor(args[0])), // one may be close and meant
		Next:        cmd.CommandPath() + " --help",
	}
}
