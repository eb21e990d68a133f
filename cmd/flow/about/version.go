// Package about is the commands that tell about the program, the server, and
// who is asking.
package about

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/flags"
	"github.com/elasticcode/flow/cmd/flow/print"
)

// VersionOptions are the options of "flow version".
type VersionOptions struct {
	*factory.Factory
	Server bool
	Format print.Format
}

// NewCmdVersion returns "flow version".
func NewCmdVersion(f *factory.Factory, runF func(context.Context, *VersionOptions) error) *cobra.Command {
	o := &VersionOptions{Factory: f}
	cmd := &cobra.Command{
		Use: "version", Short: "Show the version of this program, and of the server", Args: flags.None,
		Example: "  flow version\n  flow version --remote",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return versionRun(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.Server, "remote", false, "ask the server, too")
	flags.Done(cmd, &o.Format)
	return cmd
}

type versions struct {
	Client factory.Build   `json:"client"`
	Server *client.Version `json:"server"`
}

func versionRun(ctx context.Context, o *VersionOptions) error {
	v := versions{Client: factory.Version()}
	if o.Server {
		c, err := o.Client()
		if err != nil {
			return err
		}
		remote, err := c.Version(ctx)
		if err != nil {
			return err
		}
		v.Server = &remote
	}
	p := o.Printer(o.Format)
	if p.Structured() {
		return p.Value(v)
	}
	fmt.Fprintln(o.Out, words("flow", v.Client.Version, v.Client.Commit, v.Client.Go, v.Client.Platform))
	if v.Server != nil {
		fmt.Fprintln(o.Out, words("server", v.Server.Version, v.Server.Commit, v.Server.Go, "API "+v.Server.API))
	}
	return nil
}

func words(parts ...string) string {
	out := parts[:0]
	for _, p := range parts {
		if p != "" {
			out = append(out, print.Line(p))
		}
	}
	return strings.Join(out, " ")
}
