package root

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/elasticcode/flow/cmd/flow/exit"
)

// nearOptions are the options whose names are close to the unknown one of the error.
func nearOptions(cmd *cobra.Command, err error) []string {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return nil
	}
	name := strings.TrimLeft(unknown.GetSpecifiedName(), "-")
	if len(name) < 2 || unknown.GetSpecifiedShortnames() != "" {
		return nil
	}
	var out []string
	add := func(f *pflag.Flag) {
		if !f.Hidden && exit.Near(name, f.Name) {
			out = append(out, "--"+f.Name)
		}
	}
	cmd.LocalNonPersistentFlags().VisitAll(add)
	cmd.InheritedFlags().VisitAll(add)
	return out
}
