package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/broker/jetstream"
	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/stack/natsd"
)

const holdVariable = "JETSTREAM_TEST_HOLD"

var (
	kept    = broker.Queue{Name: "kept.queue", Bindings: []broker.Binding{{Exchange: "x", Key: "a.*"}}}
	keptAll = broker.Topology{Exchanges: []broker.Exchange{{Name: "x", Kind: broker.Topic}}, Queues: []broker.Queue{kept}}
)

const keptDelay = 3 * time.Second

// hold is the process that gets killed: it publishes ten messages and a delayed
// one, acks two, holds three more, and says so.
func hold(dir string) {
	ctx := context.Background()
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	s, err := natsd.Start(ctx, natsd.Config{Dir: dir})
	must(err)
	conn, err := s.Connect()
	must(err)
	b, err := jetstream.Open(ctx, conn, jetstream.Config{})
	must(err)
	must(b.Declare(ctx, keptAll))
	must(b.Publish(ctx, broker.Message{ID: "delayed", Key: kept.Name, Delay: keptDelay}))
	for i := range 10 {
		must(b.Publish(ctx, broker.Message{ID: fmt.Sprint(i), Exchange: "x", Key: "a.b"}))
	}
	out := make(chan *broker.Delivery)
	go func() { must(b.Consume(ctx, kept.Name, 5, out)) }()
	for i := range 5 {
		if d := <-out; i < 2 {
			must(d.Ack(ctx))
		}
	}
	for ready := false; !ready; { // the acks have arrived when nothing but the eight is there
		stats, err := b.Inspect(ctx, kept.Name)
		must(err)
		ready = stats[0].Messages+stats[0].Unacked == 8
	}
	_, _ = os.Stdout.WriteString("holding\n")
	select {}
}

// After a kill -9 nothing is lost, what was held comes back at once and says
// that it may have been delivered before, and delays go on where they were.
func TestKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), holdVariable+"="+dir)
	cmd.Stderr = os.Stderr
	said, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(said, make([]byte, len("holding\n"))); err != nil {
		t.Fatalf("the other process did not start: %v", err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()

	begin := time.Now()
	s := server(t, dir, "")
	b := open(t, inProcess(t, s), jetstream.Config{})
	out := consume(t, b, kept.Name)
	for i := 2; i < 10; i++ {
		d := receive(t, out)
		if d.ID != fmt.Sprint(i) || !d.Redelivered {
			t.Errorf("got message %s, redelivered %t, want %d after the kill", d.ID, d.Redelivered, i)
		}
		if err := d.Ack(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("what was held came back after %s only", took)
	}
	if d := receive(t, out); d.ID != "delayed" || d.Redelivered {
		t.Errorf("got message %s, redelivered %t, want the delayed one", d.ID, d.Redelivered)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("the delayed message came after %s", took)
	}
	if err := b.Publish(t.Context(), broker.Message{ID: "routed", Exchange: "x", Key: "a.c"}); err != nil {
		t.Errorf("the bindings are gone: %v", err)
	}
}

// A delivery from before a restart of the server settles nothing after it.
func TestServerRestarts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx := testenv.Context(t, time.Minute)
	s, err := natsd.Start(ctx, natsd.Config{Dir: dir, Listen: "127.0.0.1:0", Logger: testenv.Logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	addr := s.Addr().String()
	b := open(t, overTCP(t, addr), jetstream.Config{})
	if err := b.Declare(ctx, keptAll); err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(ctx, broker.Message{ID: "1", Exchange: "x", Key: "a.b"}); err != nil {
		t.Fatal(err)
	}
	out := consume(t, b, kept.Name)
	old := receive(t, out)
	s.Shutdown()
	server(t, dir, addr)

	fresh := receive(t, out)
	if fresh.ID != "1" || !fresh.Redelivered {
		t.Errorf("got %s, redelivered %t", fresh.ID, fresh.Redelivered)
	}
	if err := old.Ack(ctx); !errors.Is(err, broker.ErrSessionGone) {
		t.Errorf("ack of the old delivery: %v", err)
	}
	if err := fresh.Ack(ctx); err != nil {
		t.Error(err)
	}
	if err := b.Publish(ctx, broker.Message{ID: "2", Exchange: "x", Key: "a.b"}); err != nil {
		t.Fatal(err)
	}
	if d := receive(t, out); d.ID != "2" || d.Redelivered {
		t.Errorf("got %s, redelivered %t", d.ID, d.Redelivered)
	}
}

// Long work is not given to somebody else while its process lives.
func TestHeldLongerThanAckWait(t *testing.T) {
	t.Parallel()
	s := server(t, t.TempDir(), "")
	b := open(t, inProcess(t, s), jetstream.Config{AckWait: 400 * time.Millisecond})
	if err := b.Declare(t.Context(), keptAll); err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(t.Context(), broker.Message{ID: "1", Key: kept.Name}); err != nil {
		t.Fatal(err)
	}
	out := consume(t, b, kept.Name)
	d := receive(t, out)
	select {
	case again := <-out:
		t.Fatalf("%s was delivered again while it was held", again.ID)
	case <-time.After(1500 * time.Millisecond):
	}
	if err := d.Ack(t.Context()); err != nil {
		t.Error(err)
	}
}

// A retry needs a place in its queue although that is full because of it.
func TestRetryIntoFullQueue(t *testing.T) {
	t.Parallel()
	s := server(t, t.TempDir(), "")
	b := open(t, inProcess(t, s), jetstream.Config{})
	full := broker.Queue{Name: "full", Limits: broker.Limits{MaxMessages: 1}}
	if err := b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{full}}); err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(t.Context(), broker.Message{ID: "1", Key: "full"}); err != nil {
		t.Fatal(err)
	}
	out := consume(t, b, "full")
	for range 3 {
		if err := receive(t, out).Retry(t.Context(), 0, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := receive(t, out).Ack(t.Context()); err != nil {
		t.Error(err)
	}
}

// What another Broker holds is known, too.
func TestInspectSeesOthers(t *testing.T) {
	t.Parallel()
	s := server(t, t.TempDir(), "")
	one, two := open(t, inProcess(t, s), jetstream.Config{}), open(t, inProcess(t, s), jetstream.Config{})
	if err := one.Declare(t.Context(), keptAll); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if err := one.Publish(t.Context(), broker.Message{ID: fmt.Sprint(i), Key: kept.Name}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	out := make(chan *broker.Delivery)
	ended := make(chan error, 1)
	go func() { ended <- two.Consume(ctx, kept.Name, 2, out) }()
	held := []*broker.Delivery{receive(t, out), receive(t, out)}
	eventually(t, one, broker.Stats{Queue: kept.Name, Messages: 3, Unacked: 2, Consumers: 1})
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for _, d := range held {
		if err := d.Release(t.Context()); err != nil {
			t.Error(err)
		}
	}
	eventually(t, one, broker.Stats{Queue: kept.Name, Messages: 5})
}

func eventually(t *testing.T, b broker.Broker, want broker.Stats) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(10 * time.Second); ; <-tick.C {
		got, err := b.Inspect(t.Context(), want.Queue)
		if err == nil && got[0] == want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("inspect gives %+v, error %v, want %+v", got, err, want)
		}
	}
}

// consume runs until the end of the test.
func consume(t *testing.T, b broker.Broker, queue string) <-chan *broker.Delivery {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out := make(chan *broker.Delivery)
	ended := make(chan error, 1)
	go func() { ended <- b.Consume(ctx, queue, 5, out) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return out
}

func receive(t *testing.T, out <-chan *broker.Delivery) *broker.Delivery {
	t.Helper()
	select {
	case d := <-out:
		return d
	case <-time.After(20 * time.Second):
		t.Fatal("no delivery")
		return nil
	}
}
