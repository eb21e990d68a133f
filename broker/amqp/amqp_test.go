package amqp

import (
	"net/url"
	"testing"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/broker/brokertest"
	"github.com/elasticcode/flow/internal/faultproxy"
	"github.com/elasticcode/flow/internal/testenv"
	"github.com/rabbitmq/amqp091-go"
)

func TestMain(m *testing.M) { brokertest.Main(m) }

var features = brokertest.Features{
	UnackedUnknown:   true,
	BindingsByBroker: true,
	// A quorum queue tells publishers a little late that it is full: what was
	// under way by then is taken, which can be all of a window.
	LimitSlack:      Config{}.withDefaults().Window,
	MaxMessageBytes: 16 << 20,
}

func TestConformance(t *testing.T) {
	t.Parallel()
	brokertest.Run(t, features, open)
}

func TestParcels(t *testing.T) {
	t.Parallel()
	brokertest.RunParcels(t, features, open)
}

// open opens a broker through a fault proxy, under a prefix of its own.
func open(t *testing.T) brokertest.Opened {
	t.Helper()
	u, err := url.Parse(testenv.AMQP(t))
	if err != nil {
		t.Fatal(err)
	}
	direct, prefix := *u, testenv.Prefix(t)+"/"
	proxy := faultproxy.New(t, u.Host)
	u.Host = proxy.Addr()
	cleanDelays(t, direct.String(), prefix)
	return brokertest.Opened{
		Broker: openAt(t, u.String(), prefix),
		Again:  func(t *testing.T) broker.Broker { return openAt(t, direct.String(), prefix) },
		Cut:    proxy.Cut, Refuse: proxy.Refuse, Stall: proxy.Stall,
	}
}

func openAt(t testing.TB, url, prefix string) *Broker {
	t.Helper()
	b, err := Open(testenv.Context(t, 30*time.Second), Config{URLs: []string{url}, Prefix: prefix, Name: "test", Logger: testenv.Logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// cleanDelays removes at the end what the driver keeps for later.
func cleanDelays(t testing.TB, url, prefix string) {
	t.Cleanup(func() {
		conn, err := amqp091.Dial(url)
		if err != nil {
			t.Errorf("cleaning up: %v", err)
			return
		}
		defer conn.Close()
		ch, err := conn.Channel()
		if err != nil {
			t.Errorf("cleaning up: %v", err)
			return
		}
		names := []string{returnExchange, lostExchange}
		for _, d := range ladder {
			names = append(names, delayName(d))
		}
		for _, name := range names {
			_ = ch.ExchangeDelete(prefix+name, false, true)
			_, _ = ch.QueueDelete(prefix+name, false, false, true)
		}
		_, err = ch.QueueDelete(prefix+broker.DeadLetters, false, false, false)
		if err != nil {
			t.Errorf("cleaning up: %v", err)
		}
	})
}
