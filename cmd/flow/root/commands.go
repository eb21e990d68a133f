package root

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/cmd/flow/about"
	"github.com/elasticcode/flow/cmd/flow/add"
	"github.com/elasticcode/flow/cmd/flow/call"
	"github.com/elasticcode/flow/cmd/flow/contexts"
	"github.com/elasticcode/flow/cmd/flow/dead"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/listen"
	"github.com/elasticcode/flow/cmd/flow/logs"
	"github.com/elasticcode/flow/cmd/flow/ls"
	"github.com/elasticcode/flow/cmd/flow/proc"
	"github.com/elasticcode/flow/cmd/flow/queue"
	"github.com/elasticcode/flow/cmd/flow/remove"
	"github.com/elasticcode/flow/cmd/flow/run"
	"github.com/elasticcode/flow/cmd/flow/task"
	"github.com/elasticcode/flow/cmd/flow/update"
)

// commands are all commands. Those that run the engine take signals themselves.
func commands(f *factory.Factory) []*cobra.Command {
	return slices.Concat(
		withOwnSignals(engines(f)...),
		[]*cobra.Command{
			add.NewCmd(f), update.NewCmd(f), remove.NewCmd(f), ls.NewCmd(f),
			proc.NewCmd(f), task.NewCmd(f), queue.NewCmd(f), listen.NewCmd(f, nil), logs.NewCmd(f, nil),
			call.NewCmd(f), run.NewCmd(f), dead.NewCmd(f),
			contexts.NewCmd(f),
			about.NewCmdStatus(f, nil), about.NewCmdWhoami(f, nil), about.NewCmdVersion(f, nil),
		},
	)
}

// elsewhere is what commands are called in other programs.
var elsewhere = map[string][]string{
	"add":    {"create", "new"},
	"delete": {"remove", "rm", "drop"},
	"listen": {"watch", "tail", "follow"},
	"ls":     {"list", "get", "show"},
	"up":     {"start", "serve"},
	"update": {"set", "edit", "change", "move"},
}
