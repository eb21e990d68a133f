// Command flow is the one program of Flow: it runs the engine and talks to it.
package main

import (
	"os"

	"github.com/elasticcode/flow/cmd/flow/root"
)

func main() { os.Exit(root.Main()) }
