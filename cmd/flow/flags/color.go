package flags

import "github.com/spf13/cobra"

// Colors adds the option that says when to show colours, to a command and all
// below it.
func Colors(cmd *cobra.Command, when *string) {
	*when = "auto"
	choices := []string{"auto", "always", "never"}
	cmd.PersistentFlags().Var(&choice{when, choices}, "color", "when to show colours")
	fixed(cmd, "color", choices)
}
