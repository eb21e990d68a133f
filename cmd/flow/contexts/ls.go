package contexts

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
	"github.com/elasticcode/flow/cmd/flow/print"
	"github.com/elasticcode/flow/model"
)

// LsOptions are the options of "flow context ls".
type LsOptions struct {
	*factory.Factory
	Format print.Format
}

// NewCmdLs returns "flow context ls".
func NewCmdLs(f *factory.Factory, runF func(context.Context, *LsOptions) error) *cobra.Command {
	o := &LsOptions{Factory: f}
	cmd := &cobra.Command{
		Use: "ls", Short: "List contexts", Args: flags.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return lsRun(o)
		},
	}
	flags.Output(cmd, &o.Format)
	return cmd
}

// item is a context without its token.
type item struct {
	Name    string `json:"name"`
	Current bool   `json:"current"`
	Server  string `json:"server"`
	Network string `json:"network"`
	Token   bool   `json:"has_token"`
}

func lsRun(o *LsOptions) error {
	file, err := load(o.Factory)
	if err != nil {
		return err
	}
	var items []item
	for _, name := range file.Names() {
		c := file.Contexts[name]
		network := c.Network
		if network == "" {
			network = model.DefaultNetwork
		}
		items = append(items, item{Name: name, Current: name == file.Current, Server: c.Server, Network: network, Token: c.Token != ""})
	}
	return print.List(o.Printer(o.Format), view(), items)
}

func view() print.View[item] {
	mark := func(yes bool) string {
		if yes {
			return "*"
		}
		return ""
	}
	return print.View[item]{
		Kind: "contexts",
		Name: func(i item) string { return i.Name },
		Columns: []print.Column[item]{
			{Title: "Current", Text: func(i item) string { return mark(i.Current) }},
			{Title: "Name", Text: func(i item) string { return i.Name }},
			{Title: "Server", Text: func(i item) string { return i.Server }},
			{Title: "Network", Text: func(i item) string { return i.Network }},
			{Title: "Token", Text: func(i item) string { return mark(i.Token) }},
		},
	}
}
