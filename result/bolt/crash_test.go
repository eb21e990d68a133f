package bolt_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/result/bolt"
)

const crashFile = "FLOW_TEST_CRASH_FILE"

// putAlone is the child process of TestSurvivesKill: it puts results, one after
// the other, and says each that was acknowledged, until it is killed.
func putAlone() bool {
	path := os.Getenv(crashFile)
	if path == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := bolt.Open(ctx, bolt.Config{Path: path})
	for n := 0; err == nil; n++ {
		if _, err = s.Claim(ctx, "me", time.Hour, "running"); err != nil {
			break
		}
		if _, err = s.Put(ctx, time.Hour, done(fmt.Sprintf("call-%d", n), n)); err == nil {
			fmt.Println(n)
		}
	}
	fmt.Println("error:", err)
	return true
}

// TestSurvivesKill kills a process that puts results, again and again on one
// file, and looks what the next one knows.
func TestSurvivesKill(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "results.db")
	for round := range 5 {
		last := killed(t, path, 50+31*round)
		s := open(t, bolt.Config{Path: path})
		for n := range last + 1 {
			if got := get(t, s, fmt.Sprintf("call-%d", n)); got != fmt.Sprint(n) {
				t.Fatalf("after the kill the result %d of %d is %q", n, last, got)
			}
		}
		claims, err := s.Claim(testenv.Context(t, limit), "another", time.Hour, "call-0", "running")
		if err != nil || claims[0].Result == nil || !claims[1].Granted {
			t.Errorf("after the kill claiming gave %+v, %v", claims, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killed runs the child until it has said so many numbers, and returns the last
// that it said.
func killed(t *testing.T, path string, lines int) int {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), crashFile+"="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	last, said := -1, bufio.NewScanner(out)
	for n := 0; said.Scan(); n++ {
		if n == lines {
			_ = child.Process.Kill()
		}
		if _, err := fmt.Sscan(said.Text(), &last); err != nil && !strings.HasSuffix(said.Text(), "signal: killed") {
			t.Errorf("the child said %q", said.Text())
		}
	}
	_ = child.Wait()
	if last < lines {
		t.Fatalf("the child ended after %d results", last+1)
	}
	return last
}
