// Package brokertest is the one conformance suite of the broker contract. A
// driver's test opens the driver and calls Run; what a driver cannot do is said
// as data (Features), never as a test of its own.
//
// The tests run in parallel, each in a namespace of its own, wait for signals
// instead of sleeping, and remove what they declared.
package brokertest

import (
	"testing"
	"time"

	"github.com/elasticcode/flow/broker"
	"go.uber.org/goleak"
)

// Features is what differs between drivers. The zero value asks for everything.
type Features struct {
	// UnackedUnknown says that Stats.Unacked is -1.
	UnackedUnknown bool
	// BindingsByBroker says that only bindings which the same Broker value
	// declared are removed when they are not listed any more.
	BindingsByBroker bool
	// LimitSlack is how many messages a full queue may take beyond its limit
	// before publishing fails.
	LimitSlack int
	// MaxMessageBytes is a body that the driver must refuse with ErrTooLarge if
	// it is one byte longer; 0 leaves that out.
	MaxMessageBytes int
	// Redelivery is how long an unsettled delivery may take to come back after its
	// connection was cut; 0 means 15 s.
	Redelivery time.Duration
}

// Opened is a broker in a fresh namespace, with ways to break it. The test's
// cleanup closes it.
type Opened struct {
	Broker broker.Broker
	// Again opens another broker over the same namespace, as after a restart. It
	// connects directly, not through what Cut, Refuse and Stall break.
	Again func(t *testing.T) broker.Broker
	// Cut closes the broker's connections, Refuse turns new ones away, Stall keeps
	// them open and passes nothing. Nil where the driver has no connection; the
	// tests of faults are skipped then. internal/faultproxy has all three.
	Cut    func()
	Refuse func(on bool)
	Stall  func(on bool)
}

// Main is a TestMain that fails when goroutines are left behind.
func Main(m *testing.M) { goleak.VerifyTestMain(m) }

// Run checks the driver that open opens. Each call of open must give a broker
// in a namespace nobody else uses.
func Run(t *testing.T, f Features, open func(t *testing.T) Opened) {
	t.Helper()
	if f.Redelivery == 0 {
		f.Redelivery = 15 * time.Second
	}
	for _, group := range [][]check{declareChecks, routeChecks, publishChecks, limitChecks, consumeChecks, settleChecks, delayChecks, inspectChecks} {
		for _, c := range group {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				c.run(newBench(t, f, open))
			})
		}
	}
	for _, c := range faultChecks {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, f, open)
			if b.Cut == nil || b.Refuse == nil || b.Stall == nil {
				t.Skip("SKIPPED: the driver has no connection that could be broken")
			}
			c.run(b)
		})
	}
}

// check is one test of the suite.
type check struct {
	name string
	run  func(*bench)
}
