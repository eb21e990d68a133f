package shelf_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/elasticcode/flow/processor/shelf"
)

// helperVariable makes the test binary another process that uses a shelf.
const helperVariable = "SHELF_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperVariable); dir != "" {
		helper(dir, os.Args[1])
		return
	}
	goleak.VerifyTestMain(m)
}

// helper holds a folder until it is killed, or prunes everything.
func helper(dir, what string) {
	s := shelf.Shelf{Dir: dir, Whole: whole}
	if what == "prune" {
		_ = s.Prune(context.Background(), "folder", time.Now().Add(time.Hour), func(shelf.Removed) {})
		return
	}
	_, _, err := s.Take(context.Background(), "a", build)
	fmt.Println(err)
	select {}
}
