package nats_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	gonats "github.com/nats-io/nats.go"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/result/nats"
)

const (
	crashDir = "FLOW_TEST_CRASH_DIR"
	crashed  = 200 // calls with a result; call-0 … call-199
)

// serveAlone is the child process of TestSurvivesKill: a server that puts
// results, says so, and waits to be killed.
func serveAlone() bool {
	dir := os.Getenv(crashDir)
	if dir == "" {
		return false
	}
	if err := fillAndWait(dir); err != nil {
		fmt.Println("error:", err)
	}
	return true
}

func fillAndWait(dir string) error {
	s, err := start(dir)
	if err != nil {
		return err
	}
	conn, err := gonats.Connect("", gonats.InProcessServer(s))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	store, err := nats.New(ctx, conn, nats.Config{})
	if err != nil {
		return err
	}
	for n := range crashed {
		call := fmt.Sprintf("call-%d", n)
		claims, err := store.Claim(ctx, "me", time.Hour, call, "running")
		if err != nil || !claims[0].Granted {
			return fmt.Errorf("%+v, %w", claims, err)
		}
		if _, err := store.Put(ctx, time.Hour, result.Result{Call: call, State: model.Succeeded, Value: fmt.Append(nil, n)}); err != nil {
			return err
		}
	}
	fmt.Println("ready")
	<-ctx.Done() // killed before that
	return nil
}

// TestSurvivesKill kills the process of the embedded server and looks what a
// new one on the same directory knows.
func TestSurvivesKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), crashDir+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	_ = child.Process.Kill()
	_ = child.Wait()
	if line != "ready\n" {
		t.Fatalf("the child said %q", line)
	}
	s := serve(t, dir)
	store := open(t, connect(t, "", gonats.InProcessServer(s)), nats.Config{})
	ctx := testenv.Context(t, 20*time.Second)
	for n := range crashed {
		call := fmt.Sprintf("call-%d", n)
		got, err := store.Get(ctx, call)
		if err != nil || string(got[call].Value) != fmt.Sprint(n) {
			t.Fatalf("after the kill the result of %s is %q, %v", call, got[call].Value, err)
		}
	}
	claims, err := store.Claim(ctx, "another", time.Hour, "call-0", "running", "fresh")
	if err != nil || claims[0].Result == nil || claims[1].Granted || !claims[2].Granted {
		t.Errorf("after the kill claiming gave %+v, %v", claims, err)
	}
}
