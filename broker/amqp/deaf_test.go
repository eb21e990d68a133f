package amqp

import (
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/internal/testenv"
)

// muffler passes connections on to a broker. Those that are there when it is told so
// hear nothing more of the broker but that it lives: RabbitMQ can leave a channel so.
type muffler struct {
	net.Listener
	target  string
	age     atomic.Int64 // connections that were made before the last one are muffled
	muffled atomic.Int64
}

func newMuffler(t *testing.T, target string) *muffler {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &muffler{Listener: l, target: target}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var serving sync.WaitGroup
		defer serving.Wait() // whoever opened the connections closes them
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { m.serve(in) })
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-ended })
	return m
}

// heartbeat is the frame by which RabbitMQ says that it lives.
var heartbeatFrame = []byte{8, 0, 0, 0, 0, 0, 0, 0xCE}

func (m *muffler) serve(in net.Conn) {
	defer in.Close()
	out, err := net.Dial("tcp", m.target)
	if err != nil {
		return
	}
	defer out.Close()
	age := m.age.Load()
	go func() {
		_, _ = io.Copy(out, in)
		_ = out.Close()
	}()
	room := make([]byte, 64<<10)
	for {
		_ = out.SetReadDeadline(time.Now().Add(time.Second))
		n, err := out.Read(room)
		if silence, ok := errors.AsType[net.Error](err); ok && silence.Timeout() {
			err = nil
		}
		says := room[:n]
		if m.age.Load() > age { // nothing was under way at that moment, so a frame begins here
			m.muffled.Add(1)
			says = heartbeatFrame
		}
		if _, e := in.Write(says); e != nil || err != nil {
			return
		}
	}
}

// TestNothingIsConfirmed: a connection that stands, and on which nothing is confirmed any
// more, is given up in time for what is to be published on it.
func TestNothingIsConfirmed(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(testenv.AMQP(t))
	if err != nil {
		t.Fatal(err)
	}
	direct, prefix := *u, testenv.Prefix(t)+"/"
	m := newMuffler(t, u.Host)
	u.Host = m.Addr().String()
	ctx := testenv.Context(t, time.Minute)
	cleanDelays(t, direct.String(), prefix)
	b, err := Open(ctx, Config{URLs: []string{u.String()}, Prefix: prefix, Name: "test", Logger: testenv.Logger(t), PublishTimeout: 6 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	other := openAt(t, direct.String(), prefix)
	queue := broker.Topology{Queues: []broker.Queue{{Name: "q"}}}
	if err := other.Declare(ctx, queue); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := other.Remove(ctx, queue); err != nil {
			t.Error(err)
		}
	}()
	if err := b.Publish(ctx, broker.Message{ID: "1", Key: "q", Body: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	m.age.Add(1)
	if err := b.Publish(ctx, broker.Message{ID: "2", Key: "q", Body: []byte("x")}, broker.Message{ID: "3", Key: "q", Body: []byte("x")}); err != nil {
		t.Fatalf("published on a deaf connection: %v", err)
	}
	if m.muffled.Load() == 0 {
		t.Error("no connection was muffled")
	}
}
