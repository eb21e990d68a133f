package nats_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	gonats "github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/elasticcode/flow/event/eventtest"
	"github.com/elasticcode/flow/event/nats"
	"github.com/elasticcode/flow/internal/faultproxy"
	"github.com/elasticcode/flow/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBus(t *testing.T) {
	t.Parallel()
	s := serve(t)
	eventtest.Run(t, eventtest.Features{PublishBuffers: true}, func(t *testing.T, backlog int) eventtest.Bench {
		proxy := faultproxy.New(t, strings.TrimPrefix(s.ClientURL(), "nats://"))
		cfg := nats.Config{Prefix: testenv.Prefix(t), Backlog: backlog, Logger: testenv.Logger(t)}
		open := func(url string) *nats.Bus {
			b, err := nats.New(testenv.Context(t, 20*time.Second), connect(t, url), cfg)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		return eventtest.Bench{Bus: open("nats://" + proxy.Addr()), Other: open(s.ClientURL()), Proxy: proxy}
	})
}

// serve runs a NATS server in this process.
func serve(t testing.TB) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the NATS server does not start")
	}
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	return s
}

// connect opens a connection as package stack does.
func connect(t testing.TB, url string, opts ...gonats.Option) *gonats.Conn {
	t.Helper()
	conn, err := gonats.Connect(url, append(opts, gonats.MaxReconnects(-1), gonats.ReconnectWait(50*time.Millisecond))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}
