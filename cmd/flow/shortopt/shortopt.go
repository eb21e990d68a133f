// Package shortopt gives options short names of two letters with one dash, as
// in "flow add socket -pn proc1". The option library reads "-pn" as -p and -n;
// so before it sees the arguments, Rewrite puts the long names in their place.
//
// Within a command, a two-letter name wins over the same letters read as two
// options, or as an option with its value written behind it; nothing else is
// changed. A value is never rewritten, nor anything behind "--".
package shortopt

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const annotation = "flow_two_letter_name"

// Set gives the option a two-letter name.
func Set(flags *pflag.FlagSet, long, short string) {
	if len(short) != 2 {
		panic("shortopt: " + short + " does not have two letters")
	}
	if err := flags.SetAnnotation(long, annotation, []string{short}); err != nil {
		panic("shortopt: " + err.Error())
	}
}

// Of returns the two-letter name of an option, or "".
func Of(f *pflag.Flag) string {
	if short := f.Annotations[annotation]; len(short) == 1 {
		return short[0]
	}
	return ""
}

// Rewrite returns the arguments with two-letter names replaced by the long names
// that they have in the command that the arguments call.
func Rewrite(root *cobra.Command, args []string) []string {
	if len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd) {
		// The last argument is the word being completed: it stays as typed.
		if len(args) < 3 {
			return args
		}
		last := len(args) - 1
		return slices.Concat(args[:1], Rewrite(root, args[1:last]), args[last:])
	}
	out := make([]string, 0, len(args))
	cmd, descend := root, true
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			return append(out, args[i:]...)
		case len(arg) > 1 && arg[0] == '-':
			arg = expand(cmd, arg)
			out = append(out, arg)
			if takesNext(cmd, arg) && i+1 < len(args) {
				i++
				out = append(out, args[i])
			}
		default:
			out = append(out, arg)
			if sub := child(cmd, arg); descend && sub != nil {
				cmd = sub
			} else {
				descend = false // what follows are arguments, not commands
			}
		}
	}
	return out
}

func child(cmd *cobra.Command, name string) *cobra.Command {
	for _, c := range cmd.Commands() {
		if c.Name() == name || c.HasAlias(name) {
			return c
		}
	}
	return nil
}

// expand replaces -xy and -xy=value.
func expand(cmd *cobra.Command, arg string) string {
	name, value, hasValue := strings.Cut(arg[1:], "=")
	if len(name) != 2 || name[0] == '-' {
		return arg
	}
	long := arg
	each(cmd, func(f *pflag.Flag) {
		if Of(f) == name {
			long = "--" + f.Name
			if hasValue {
				long += "=" + value
			}
		}
	})
	return long
}

// takesNext tells whether the argument is an option whose value is the next one.
func takesNext(cmd *cobra.Command, arg string) bool {
	if name, ok := strings.CutPrefix(arg, "--"); ok {
		if strings.Contains(name, "=") {
			return false
		}
		f := lookup(cmd, func(f *pflag.Flag) bool { return f.Name == name })
		return f != nil && f.NoOptDefVal == ""
	}
	for i := 1; i < len(arg); i++ { // -abc: the first that takes a value takes the rest, or the next
		f := lookup(cmd, func(f *pflag.Flag) bool { return f.Shorthand == arg[i:i+1] })
		if f == nil || i+1 < len(arg) && arg[i+1] == '=' {
			return false
		}
		if f.NoOptDefVal == "" {
			return i == len(arg)-1
		}
	}
	return false
}

func lookup(cmd *cobra.Command, is func(*pflag.Flag) bool) *pflag.Flag {
	var found *pflag.Flag
	each(cmd, func(f *pflag.Flag) {
		if found == nil && is(f) {
			found = f
		}
	})
	return found
}

// each visits the command's own options and those of its parents that it
// inherits; the nearest comes first.
func each(cmd *cobra.Command, fn func(*pflag.Flag)) {
	cmd.Flags().VisitAll(fn)
	for c := cmd; c != nil; c = c.Parent() {
		c.PersistentFlags().VisitAll(fn)
	}
}
