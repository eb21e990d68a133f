package flags

import (
	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/cmd/flow/complete"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/model"
)

// Edge is what a plug connects.
type Edge struct {
	Source, Target, Argument, Queue, Type string
}

// Add adds the options to the command.
func (e *Edge) Add(cmd *cobra.Command, f *factory.Factory) {
	set := cmd.Flags()
	set.StringVarP(&e.Source, "source", "s", "", "socket whose outcome it carries")
	set.StringVarP(&e.Target, "target", "t", "", "socket that is called with it")
	set.StringVarP(&e.Argument, "argument", "a", "", "argument of the target's function that the value is for; the function runs when all its arguments have come")
	set.StringVarP(&e.Queue, "queue", "q", "", "queue of its own; without, it delivers straight to the target's queue")
	Choice(cmd, &e.Type, "type", "", string(model.PlugResult), "which outcome of the source it carries", string(model.PlugResult), string(model.PlugError))
	complete.Option(cmd, f, "source", complete.Sockets)
	complete.Option(cmd, f, "target", complete.Sockets)
	complete.Option(cmd, f, "queue", complete.Queues)
	complete.Option(cmd, f, "argument", nil)
}
