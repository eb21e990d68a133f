package socket

import (
	"errors"
	"maps"
	"strings"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/model"
)

// Calls of the priorities high and low do not wait behind those of normal
// priority: they have queues of their own, one of each class for a whole
// processor, whichever of its sockets they are for. The envelope names the
// socket. '!' is in no name of an object, so nothing else is called like them.

// The headers of a call in a class queue.
const (
	// HeaderOwn is the own queue of the socket that is called: a worker that does
	// not know the socket passes the call on to it.
	HeaderOwn = "flow-own"
	// HeaderSent is when the call was put there, in RFC 3339: the message TTL of
	// its socket's queue object is counted from then.
	HeaderSent = "flow-sent"
)

// ClassQueue names the broker queue for calls of a class, high or low, to all
// sockets of a processor.
func ClassQueue(network, processor string, p model.Priority) string {
	return scope(network) + processor + classMark + string(p)
}

const classMark = "!"

// ClassQueues names the broker queues of all classes of a processor.
func ClassQueues(network, processor string) []string {
	return []string{ClassQueue(network, processor, model.High), ClassQueue(network, processor, model.Low)}
}

// InClass tells whether a broker queue is one of a class.
func InClass(queue string) bool { return strings.Contains(queue, classMark) }

func inHighClass(queue string) bool { return strings.HasSuffix(queue, classMark+string(model.High)) }

// Class is the address of the socket for calls of a priority; false for normal
// ones, which have none but the usual.
func Class(s model.Socket, p model.Priority) (Address, bool) {
	if p.Brief() == "" {
		return Address{}, false
	}
	return Address{Key: ClassQueue(s.Network, s.Processor, p), Own: OwnQueue(s)}, true
}

// Direct is the address of the one socket for a call of the priority, whatever
// the type of its queue object.
func Direct(s model.Socket, p model.Priority) Address {
	if class, ok := Class(s, p); ok {
		return class
	}
	return Address{Key: OwnQueue(s)}
}

// Stamp gives a message that goes into a class queue at the time its headers.
func Stamp(m *broker.Message, own string, at time.Time) {
	m.Headers = maps.Clone(m.Headers)
	if m.Headers == nil {
		m.Headers = map[string]string{}
	}
	m.Headers[HeaderOwn] = own
	m.Headers[HeaderSent] = at.UTC().Format(time.RFC3339Nano)
}

// Home sends the message of a class queue to the own queue of its socket
// instead; false when it does not say which that is.
func Home(m broker.Message) (broker.Message, bool) {
	own := m.Headers[HeaderOwn]
	m.Headers = maps.Clone(m.Headers)
	delete(m.Headers, HeaderOwn)
	delete(m.Headers, HeaderSent)
	m.Exchange, m.Key, m.Delay = "", own, 0
	return m, own != ""
}

var (
	// ErrNotHere says that a call in a class queue is for a socket that none of
	// the endpoints is: it was deleted, or it is so new that it is not known yet.
	ErrNotHere = errors.New("the processor has no such socket, as far as this worker knows")
	// ErrOverTime says that a call waited in a class queue for longer than its
	// socket's queue object allows.
	ErrOverTime = errors.New("the call waited for longer than its queue's message TTL")
)

// overTime tells whether a delivery waited for longer than the queue object of
// its socket allows: class queues are shared, and so have no limit themselves.
func overTime(d *broker.Delivery, q model.Queue, now time.Time) bool {
	if q.MessageTTLMS <= 0 {
		return false
	}
	sent, err := time.Parse(time.RFC3339Nano, d.Headers[HeaderSent])
	return err == nil && now.Sub(sent) > time.Duration(q.MessageTTLMS)*time.Millisecond
}
