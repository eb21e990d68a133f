package source_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/elasticcode/flow/processor/source"
)

// helperVariable makes the test binary check out a commit, as another process.
const helperVariable = "SOURCE_TEST_CHECKOUT"

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperVariable); dir != "" {
		os.Exit(checkoutHelper(dir))
	}
	goleak.VerifyTestMain(m)
}

func checkoutHelper(dir string) int {
	c, err := source.New(source.Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err == nil {
		var out string
		out, _, err = c.Checkout(context.Background(), os.Args[1], os.Args[2], "")
		fmt.Println(out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
