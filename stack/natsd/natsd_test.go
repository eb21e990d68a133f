package natsd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("NATSD_TEST_HOLD"); dir != "" {
		hold(dir)
		return
	}
	if dir := os.Getenv("NATSD_TEST_FULL"); dir != "" {
		if err := fillUp(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// hold is the other process: it stores one message in the directory, says so,
// and waits to be killed.
func hold(dir string) {
	s, err := Start(context.Background(), Config{Dir: dir})
	if err != nil {
		panic(err)
	}
	conn, err := s.Connect()
	if err != nil {
		panic(err)
	}
	js, err := jetstream.New(conn)
	if err != nil {
		panic(err)
	}
	if _, err := js.CreateStream(context.Background(), jetstream.StreamConfig{Name: "kept", Subjects: []string{"kept"}}); err != nil {
		panic(err)
	}
	if _, err := js.Publish(context.Background(), "kept", []byte("survives")); err != nil {
		panic(err)
	}
	_, _ = os.Stdout.WriteString("stored\n")
	select {}
}

func start(t *testing.T, cfg Config) *Server {
	t.Helper()
	cfg.Logger = testenv.Logger(t)
	s, err := Start(testenv.Context(t, time.Minute), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	return s
}

func connect(t *testing.T, s *Server) *nats.Conn {
	t.Helper()
	conn, err := s.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

func TestStartsFastAndServesInProcess(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	s := start(t, Config{Dir: t.TempDir()})
	took := time.Since(begin)
	t.Logf("ready after %s", took)
	if took > 5*time.Second { // a generous bound for a busy machine; the log line tells the usual 30 ms
		t.Errorf("ready only after %s", took)
	}
	if s.Addr() != nil {
		t.Errorf("it listens on %s though it was not asked to", s.Addr())
	}
	if got := connect(t, s).MaxPayload(); got != MaxPayload {
		t.Errorf("largest message is %d bytes, want %d", got, MaxPayload)
	}
}

func TestListensWithToken(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Dir: t.TempDir(), Listen: "127.0.0.1:0", Token: "s3cret"})
	connect(t, s)
	url := "nats://" + s.Addr().String()
	if conn, err := nats.Connect(url, nats.MaxReconnects(0)); err == nil {
		conn.Close()
		t.Error("a client without the token was let in")
	}
	conn, err := nats.Connect(url, nats.Token("s3cret"))
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func TestRefusesNonsense(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]Config{
		"no directory":    {},
		"no port":         {Dir: t.TempDir(), Listen: "127.0.0.1"},
		"a wordy port":    {Dir: t.TempDir(), Listen: "127.0.0.1:http"},
		"a port too high": {Dir: t.TempDir(), Listen: "127.0.0.1:70000"},
	} {
		if s, err := Start(t.Context(), cfg); err == nil {
			s.Shutdown()
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	other, err := Start(t.Context(), Config{Dir: t.TempDir(), Listen: s.Addr().String()})
	if err == nil {
		other.Shutdown()
		t.Fatal("two servers listen on one port")
	}
	if !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("the error does not say why: %v", err)
	}
}

// A killed process leaves its messages and no lock.
func TestKilledProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "NATSD_TEST_HOLD="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 16)); err != nil {
		t.Fatalf("the other process did not start: %v", err)
	}

	_, err = Start(t.Context(), Config{Dir: dir})
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "choose another directory") {
		t.Errorf("a second server on one directory gave error %v", err)
	}

	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	js, err := jetstream.New(connect(t, start(t, Config{Dir: dir})))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(testenv.Context(t, 10*time.Second), "kept")
	if err != nil {
		t.Fatal(err)
	}
	if m, err := stream.GetMsg(t.Context(), 1); err != nil || string(m.Data) != "survives" {
		t.Errorf("after the kill: %v, error %v", m, err)
	}
}
