package root

import (
	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/cmd/flow/agent"
	"github.com/elasticcode/flow/cmd/flow/db"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/server"
	"github.com/elasticcode/flow/cmd/flow/up"
	"github.com/elasticcode/flow/cmd/flow/worker"
)

// engines are the commands that run parts of Flow instead of talking to them.
func engines(f *factory.Factory) []*cobra.Command {
	return []*cobra.Command{
		up.NewCmd(f, nil), server.NewCmd(f), agent.NewCmd(f), worker.NewCmd(f), db.NewCmd(f), server.NewCmdAPI(f), server.NewCmdScheduler(f),
	}
}
