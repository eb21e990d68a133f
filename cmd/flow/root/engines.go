package root

import (
	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/cmd/flow/factory"
)

// engines are the commands that run parts of Flow instead of talking to them.
func engines(_ *factory.Factory) []*cobra.Command {
	return nil
}
