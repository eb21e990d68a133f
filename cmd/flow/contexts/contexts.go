// Package contexts is the commands around the context file: which server the
// flow command speaks to, and as whom.
package contexts

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/cmd/flow/contextfile"
	"github.com/elasticcode/flow/cmd/flow/exit"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/group"
)

// NewCmd returns "flow context".
func NewCmd(f *factory.Factory) *cobra.Command {
	return group.New("context", "Choose which server to speak to",
		NewCmdLs(f, nil),
		NewCmdUse(f, nil),
		NewCmdShow(f, nil),
	)
}

// names completes names of contexts; they are in a file, not on the server.
func names(f *factory.Factory) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		file, _ := load(f)
		return file.Names(), cobra.ShellCompDirectiveNoFileComp
	}
}

// CompleteOption completes the option --context.
func CompleteOption(cmd *cobra.Command, f *factory.Factory) {
	_ = cmd.RegisterFlagCompletionFunc("context", names(f))
}

func load(f *factory.Factory) (contextfile.File, error) {
	path, err := contextfile.Path(f.Env)
	if err != nil {
		return contextfile.File{}, err
	}
	return contextfile.Load(path)
}

// Explain makes an error of a context that does not exist one for a person.
func Explain(err error) error {
	var unknown *contextfile.UnknownContext
	if !errors.As(err, &unknown) {
		return err
	}
	out := &exit.Error{Code: exit.NotFound, Message: unknown.Error(), Next: "flow context ls", Err: err}
	if len(unknown.Known) == 0 {
		out.Next = "make one with 'flow up' or 'flow --config'"
	}
	for _, name := range unknown.Known {
		if exit.Near(unknown.Name, name) {
			out.Suggestions = append(out.Suggestions, name)
		}
	}
	return out
}
