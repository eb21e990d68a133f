package nats_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	gonats "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/elasticcode/flow/internal/faultproxy"
	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/result/nats"
	"github.com/elasticcode/flow/result/resulttest"
)

func TestMain(m *testing.M) {
	if serveAlone() {
		return
	}
	goleak.VerifyTestMain(m)
}

func TestStore(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir())
	resulttest.Run(t, func(t *testing.T) resulttest.Bench {
		proxy := faultproxy.New(t, strings.TrimPrefix(s.ClientURL(), "nats://"))
		cfg := nats.Config{Prefix: testenv.Prefix(t), Logger: testenv.Logger(t)}
		direct := connect(t, s.ClientURL())
		return resulttest.Bench{
			Store: open(t, connect(t, "nats://"+proxy.Addr()), cfg), Other: open(t, direct, cfg), Proxy: proxy,
			Flush: func() {
				purge(t, direct, cfg.Prefix+"FLOW_RESULTS")
				purge(t, direct, "KV_"+cfg.Prefix+"FLOW_LIMITS")
				purge(t, direct, cfg.Prefix+"FLOW_BLOBS")
			},
		}
	})
}

func open(t testing.TB, conn *gonats.Conn, cfg nats.Config) *nats.Store {
	t.Helper()
	s, err := nats.New(testenv.Context(t, 20*time.Second), conn, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func purge(t testing.TB, conn *gonats.Conn, stream string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(ctx, stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return // it was not used
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(ctx); err != nil {
		t.Fatal(err)
	}
}

// serve runs a NATS server in this process.
func serve(t testing.TB, dir string) *server.Server {
	t.Helper()
	s, err := start(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	return s
}

func start(dir string) (*server.Server, error) {
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: dir, NoLog: true, NoSigs: true,
	})
	if err != nil {
		return nil, err
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		return nil, context.DeadlineExceeded
	}
	return s, nil
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
