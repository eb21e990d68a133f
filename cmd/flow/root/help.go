package root

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/elasticcode/flow/cmd/flow/exit"
	"github.com/elasticcode/flow/cmd/flow/flags"
	"github.com/elasticcode/flow/cmd/flow/shortopt"
)

// help writes the help of a command. It is written here, and not by the command
// library's template, because of options with two letters.
func help(cmd *cobra.Command, _ []string) {
	w := cmd.OutOrStdout()
	text := cmd.Long
	if text == "" {
		text = cmd.Short
	}
	fmt.Fprintln(w, strings.TrimSpace(text))
	if cmd.Annotations[topic] != "" {
		return
	}
	fmt.Fprintf(w, "\nUsage:\n  %s\n", usageLine(cmd))
	if cmd.Example != "" {
		fmt.Fprintf(w, "\nExamples:\n%s\n", strings.TrimRight(cmd.Example, "\n"))
	}
	subcommands(w, "Commands", cmd, func(c *cobra.Command) bool { return c.Annotations[topic] == "" })
	options(w, "Options", cmd.LocalNonPersistentFlags())
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	all.AddFlagSet(cmd.InheritedFlags())
	all.AddFlagSet(cmd.PersistentFlags())
	options(w, "Options of all commands", all)
	subcommands(w, "Help topics", cmd, func(c *cobra.Command) bool { return c.Annotations[topic] != "" })
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(w, "\n%s COMMAND --help tells more about a command.\n", cmd.CommandPath())
	}
}

func usageLine(cmd *cobra.Command) string {
	if cmd.HasAvailableSubCommands() {
		return cmd.CommandPath() + " COMMAND"
	}
	return strings.TrimSuffix(cmd.UseLine(), " [flags]") + " [OPTIONS]"
}

func subcommands(w io.Writer, title string, cmd *cobra.Command, in func(*cobra.Command) bool) {
	width := 0
	var shown []*cobra.Command
	for _, c := range cmd.Commands() {
		if c.Hidden || !in(c) || !c.IsAvailableCommand() && c.Annotations[topic] == "" {
			continue
		}
		shown = append(shown, c)
		width = max(width, len(c.Name()))
	}
	if len(shown) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s:\n", title)
	for _, c := range shown {
		fmt.Fprintf(w, "  %-*s  %s\n", width, c.Name(), c.Short)
	}
}

// options writes a table of options; the letters of those that have none are
// left out, so that long names stand below each other.
func options(w io.Writer, title string, set *pflag.FlagSet) {
	var rows [][2]string
	width := 0
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		left := optionName(f)
		rows = append(rows, [2]string{left, optionText(f)})
		width = max(width, len(left))
	})
	if len(rows) == 0 {
		return
	}
	width = min(width, 34)
	fmt.Fprintf(w, "\n%s:\n", title)
	for _, r := range rows {
		if len(r[0]) > width {
			fmt.Fprintf(w, "  %s\n  %-*s  %s\n", r[0], width, "", r[1])
			continue
		}
		fmt.Fprintf(w, "  %-*s  %s\n", width, r[0], r[1])
	}
}

func optionName(f *pflag.Flag) string {
	short := f.Shorthand
	if two := shortopt.Of(f); two != "" {
		short = two
	}
	out := "     --" + f.Name
	if short != "" {
		out = fmt.Sprintf("%4s --%s", "-"+short+",", f.Name)
	}
	switch kind := f.Value.Type(); kind {
	case "bool":
	case "string":
		out += " TEXT"
	case "int", "int64":
		out += " N"
	case "duration":
		out += " DURATION"
	default:
		out += " " + kind
	}
	return out
}

func optionText(f *pflag.Flag) string {
	if flags.IsRequired(f) {
		return f.Usage + " [required]"
	}
	switch f.DefValue {
	case "", "false", "0", "0s", "[]":
		return f.Usage
	}
	return fmt.Sprintf("%s [default: %s]", f.Usage, f.DefValue)
}

// newCmdHelp returns "flow help", which shows the help of any command or topic.
func newCmdHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show the help of a command, or a help topic",
		Args:  cobra.ArbitraryArgs,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			at, _, err := cmd.Root().Find(args)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var out []cobra.Completion
			for _, c := range at.Commands() {
				out = append(out, cobra.CompletionWithDesc(c.Name(), c.Short))
			}
			return out, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			at := cmd.Root()
			for _, word := range args {
				next := named(at, word)
				if next == nil {
					return &exit.Error{
						Code: exit.Usage, Message: "there is no help on " + strings.Join(args, " "),
						Suggestions: at.SuggestionsFor(word), Next: at.CommandPath() + " --help",
					}
				}
				at = next
			}
			help(at, nil)
			return nil
		},
	}
}

func named(cmd *cobra.Command, name string) *cobra.Command {
	for _, c := range cmd.Commands() {
		if c.Name() == name || c.HasAlias(name) {
			return c
		}
	}
	return nil
}
