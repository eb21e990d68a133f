package jetstream_test

import (
	"os"
	"testing"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/broker/brokertest"
	"github.com/elasticcode/flow/broker/jetstream"
	"github.com/elasticcode/flow/internal/faultproxy"
	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/stack/natsd"
	"github.com/nats-io/nats.go"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(holdVariable); dir != "" {
		hold(dir) // until it is killed
	}
	brokertest.Main(m)
}

// server starts a NATS server of the test's own.
func server(t testing.TB, dir, listen string) *natsd.Server {
	t.Helper()
	s, err := natsd.Start(testenv.Context(t, time.Minute), natsd.Config{Dir: dir, Listen: listen, Logger: testenv.Logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	return s
}

// open opens a broker on a connection that ends with the test.
func open(t testing.TB, conn *nats.Conn, cfg jetstream.Config) *jetstream.Broker {
	t.Helper()
	t.Cleanup(conn.Close)
	cfg.Logger = testenv.Logger(t)
	b, err := jetstream.Open(testenv.Context(t, time.Minute), conn, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func inProcess(t testing.TB, s *natsd.Server) *nats.Conn {
	t.Helper()
	conn, err := s.Connect(jetstream.Options("test", testenv.Logger(t))...)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func overTCP(t testing.TB, addr string) *nats.Conn {
	t.Helper()
	conn, err := nats.Connect("nats://"+addr, append(jetstream.Options("test", testenv.Logger(t)),
		nats.ReconnectWait(20*time.Millisecond), nats.ReconnectJitter(0, 0),
		nats.PingInterval(500*time.Millisecond), nats.FlusherTimeout(time.Second))...)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestConformance(t *testing.T) {
	t.Parallel()
	s := server(t, t.TempDir(), "")
	brokertest.Run(t, features, func(t *testing.T) brokertest.Opened {
		cfg := jetstream.Config{Prefix: testenv.Prefix(t) + "/"}
		return brokertest.Opened{
			Broker: open(t, inProcess(t, s), cfg),
			Again:  func(t *testing.T) broker.Broker { return open(t, inProcess(t, s), cfg) },
		}
	})
}

// The connection is broken on purpose. What the server had sent when it broke
// comes back after AckWait, which is short here.
func TestConformanceOverTCP(t *testing.T) {
	t.Parallel()
	brokertest.Run(t, features, breakable(t))
}

func TestParcels(t *testing.T) {
	t.Parallel()
	brokertest.RunParcels(t, features, breakable(t))
}

var features = brokertest.Features{MaxMessageBytes: natsd.MaxPayload}

func breakable(t *testing.T) func(*testing.T) brokertest.Opened {
	s := server(t, t.TempDir(), "127.0.0.1:0")
	return func(t *testing.T) brokertest.Opened {
		cfg := jetstream.Config{Prefix: testenv.Prefix(t) + "/", AckWait: 4 * time.Second}
		proxy := faultproxy.New(t, s.Addr().String())
		return brokertest.Opened{
			Broker: open(t, overTCP(t, proxy.Addr()), cfg),
			Again:  func(t *testing.T) broker.Broker { return open(t, inProcess(t, s), cfg) },
			Cut:    proxy.Cut, Refuse: proxy.Refuse, Stall: proxy.Stall,
		}
	}
}
