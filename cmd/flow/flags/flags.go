// Package flags is the options that many commands share, and the checks of them.
package flags

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/elasticcode/flow/cmd/flow/exit"
	"github.com/elasticcode/flow/cmd/flow/print"
	"github.com/elasticcode/flow/cmd/flow/shortopt"
)

// Output adds -o, --output.
func Output(cmd *cobra.Command, format *print.Format) {
	*format = print.Table
	cmd.Flags().VarP(format, "output", "o", "how to show it: table, wide, json, yaml or name")
	fixed(cmd, "output", print.Formats())
}

// Done is Output for a command that says in one line what it did; with a format
// it shows the object instead.
func Done(cmd *cobra.Command, format *print.Format) {
	cmd.Flags().VarP(format, "output", "o", "show the object: table, wide, json, yaml or name")
	fixed(cmd, "output", print.Formats())
}

// Choice adds an option with a fixed set of values.
func Choice(cmd *cobra.Command, value *string, long, short, initial, usage string, choices ...string) {
	*value = initial
	cmd.Flags().VarP(&choice{value, choices}, long, short, usage)
	fixed(cmd, long, choices)
}

// Two adds a text option with a two-letter name.
func Two(cmd *cobra.Command, value *string, long, short, initial, usage string) {
	cmd.Flags().StringVar(value, long, initial, usage)
	shortopt.Set(cmd.Flags(), long, short)
}

func fixed(cmd *cobra.Command, long string, choices []string) {
	_ = cmd.RegisterFlagCompletionFunc(long, cobra.FixedCompletions(choices, cobra.ShellCompDirectiveNoFileComp))
}

// choice is an option with a fixed set of values; letter case does not matter.
type choice struct {
	value   *string
	choices []string
}

func (c *choice) String() string { return *c.value }
func (c *choice) Type() string   { return strings.Join(c.choices, "|") }
func (c *choice) Set(text string) error {
	for _, v := range c.choices {
		if strings.EqualFold(v, text) {
			*c.value = v
			return nil
		}
	}
	return exit.Usagef("use one of %s", strings.Join(c.choices, ", "))
}

const required = "flow_required"

// Required marks options that must be given, and not be empty.
func Required(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		if err := cmd.Flags().SetAnnotation(name, required, []string{"true"}); err != nil {
			panic("flags: " + err.Error())
		}
	}
	before(cmd, func(cmd *cobra.Command) error { return check(cmd, names) })
}

// before adds a check of the command's options.
func before(cmd *cobra.Command, check func(*cobra.Command) error) {
	earlier := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if earlier != nil {
			if err := earlier(cmd, args); err != nil {
				return err
			}
		}
		return check(cmd)
	}
}

// Exclusive says that at most one of the options may be given.
func Exclusive(cmd *cobra.Command, names ...string) {
	before(cmd, func(cmd *cobra.Command) error {
		var given []string
		for _, name := range names {
			if cmd.Flags().Changed(name) {
				given = append(given, "--"+name)
			}
		}
		if len(given) < 2 {
			return nil
		}
		return exit.Usagef("%s cannot be given together: use one of them", strings.Join(given, " and ")).WithNext("%s --help", cmd.CommandPath())
	})
}

// Needs says that one option means something only together with another.
func Needs(cmd *cobra.Command, name, other string) {
	before(cmd, func(cmd *cobra.Command) error {
		if !Given(cmd, name) || Given(cmd, other) {
			return nil
		}
		return exit.Usagef("--%s is for --%s, which was not given", name, other).WithNext("%s --help", cmd.CommandPath())
	})
}

// Something says that at least one option of a change must be given.
func Something(cmd *cobra.Command, names ...string) {
	before(cmd, func(cmd *cobra.Command) error {
		if Given(cmd, names...) {
			return nil
		}
		return exit.Usagef("there is nothing to change: give at least one of --%s", strings.Join(names, ", --"))
	})
}

// IsRequired tells whether an option must be given.
func IsRequired(f *pflag.Flag) bool { return len(f.Annotations[required]) > 0 }

func check(cmd *cobra.Command, names []string) error {
	var missing []string
	for _, name := range names {
		if f := cmd.Flags().Lookup(name); strings.TrimSpace(f.Value.String()) == "" {
			missing = append(missing, spelling(f))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return exit.Usagef("%s needs %s", cmd.CommandPath(), strings.Join(missing, ", ")).WithNext("%s --help", cmd.CommandPath())
}

// spelling is how an option is named in an error: "-pn (--procname)".
func spelling(f *pflag.Flag) string {
	short := f.Shorthand
	if two := shortopt.Of(f); two != "" {
		short = two
	}
	if short == "" {
		return "--" + f.Name
	}
	return "-" + short + " (--" + f.Name + ")"
}

// Given tells whether any of the options was given.
func Given(cmd *cobra.Command, names ...string) bool {
	for _, name := range names {
		if cmd.Flags().Changed(name) {
			return true
		}
	}
	return false
}

// If returns a pointer to the value if its option was given, for a change that
// leaves alone what was not.
func If[T any](cmd *cobra.Command, name string, value T) *T {
	if cmd.Flags().Changed(name) {
		return &value
	}
	return nil
}
