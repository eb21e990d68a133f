// Package broker is the contract for moving calls: exchanges, durable queues
// and at-least-once delivery in which every delivery is settled.
//
// What every driver promises, and broker/brokertest checks:
//
//   - Publish returns nil only when the broker has every message on disk. A
//     message whose fate is unknown (the connection died) is published again
//     under the same ID before Publish returns, so a repeat is possible and a
//     loss is not.
//   - A message that reaches no queue is an error (ErrUnroutable), never silence.
//   - A delivery that is not settled comes back, to this consumer or another,
//     when the session it came from ends. Settling it after that returns
//     ErrSessionGone and settles nothing else.
//   - Nothing waits without an end: Publish and the calls about queues obey the
//     context and a deadline of the driver's own.
//
// Durable work goes through here. News that may be lost goes through package event.
package broker

import (
	"context"
	"errors"
	"time"
)

// DeadLetters is the queue that every driver declares for what could not be
// delivered or run: expired messages and those settled with Delivery.Dead.
const DeadLetters = "flow.dead"

// Kind is how an exchange chooses queues.
type Kind string

// The kinds of exchanges.
const (
	Direct Kind = "direct" // binding key equals routing key
	Topic  Kind = "topic"  // binding key is a pattern of words: * is one, # is any number
	Fanout Kind = "fanout" // every bound queue
)

// Exchange is a named place to publish to.
type Exchange struct {
	Name string
	Kind Kind
}

// Binding makes a queue receive what is published to an exchange under a key.
type Binding struct {
	Exchange string
	Key      string // ignored by a fanout exchange
}

// Limits bound a queue. Zero values mean "no limit".
type Limits struct {
	// MessageTTL is how long a message may wait; then it goes to DeadLetters
	// with reason "expired", at the latest when it reaches the head of the queue.
	MessageTTL time.Duration
	// MaxMessages and MaxBytes bound what waits; Publish fails with ErrFull beyond.
	MaxMessages int64
	MaxBytes    int64
	// Expires removes the queue when it had no consumer and no use for so long.
	Expires time.Duration
}

// Queue is a durable queue. The default exchange "" reaches it by its name.
type Queue struct {
	Name     string
	Bindings []Binding
	Limits   Limits
}

// Topology is what should exist. Declaring it twice is the same as once;
// bindings that are not listed any more are removed.
type Topology struct {
	Exchanges []Exchange
	Queues    []Queue
}

// Message is what travels.
type Message struct {
	// ID recognises a repeat. Required.
	ID string
	// Exchange and Key say where to; an empty Exchange sends to the queue named Key.
	Exchange string
	Key      string
	// Delay holds the message back for at least so long. Only possible with an
	// empty Exchange. Drivers may round up by at most a tenth or 50 ms,
	// whichever is more.
	Delay       time.Duration
	ContentType string
	Headers     map[string]string
	Body        []byte
	// Together allows the broker to let it travel as one with others of the same
	// Publish that go to the same place (package parcel). A driver ignores it.
	Together bool
}

// The headers the contract itself uses.
const (
	HeaderRepeat     = "flow-repeat"      // "1": this message may have been published before
	HeaderDeadReason = "flow-dead-reason" // why a message is in DeadLetters: "expired", or what Dead was told
	HeaderDeadQueue  = "flow-dead-queue"  // the queue it was in
)

// ReasonExpired is why a message is in DeadLetters that waited for too long.
const ReasonExpired = "expired"

// ReasonGone is how the reason begins of a message in DeadLetters whose queue,
// HeaderDeadQueue, is not there any more.
const ReasonGone = "its queue is gone"

// Stats is what a broker says of a queue now. It may count what was just published a
// moment later.
type Stats struct {
	Queue     string
	Messages  int64 // ready to be delivered
	Unacked   int64 // delivered and not settled; -1 where the broker does not tell
	Consumers int64
}

// Broker moves messages. All methods may be called at the same time from many
// goroutines. Who opened the broker closes it.
type Broker interface {
	// Declare makes the topology exist. It returns ErrMismatch when a queue or
	// exchange exists with other properties that cannot be changed in place.
	Declare(ctx context.Context, t Topology) error
	// Unbind takes queues off the exchanges that they are listed with: what is published
	// there from now on does not reach them. What is in them stays, for who consumes them
	// before they are removed. Declare binds them again. What does not exist is no error.
	Unbind(ctx context.Context, queues ...Queue) error
	// Remove deletes the named queues with what is in them, and the named
	// exchanges. What does not exist is no error. Messages that are delayed until
	// later go to DeadLetters when they are due.
	Remove(ctx context.Context, t Topology) error
	// Publish returns when all messages are confirmed. If some were not, the
	// error is a *PublishError that says which and why; the others are durable.
	Publish(ctx context.Context, msgs ...Message) error
	// Consume delivers messages of a queue to out until ctx ends, with at most
	// prefetch of them unsettled. It survives lost connections by itself, and
	// returns nil after ctx has ended and nothing will be sent to out any more;
	// deliveries that were sent stay open to be settled. It returns ErrNotFound
	// when the queue does not exist or was removed. Many may share one out.
	Consume(ctx context.Context, queue string, prefetch int, out chan<- *Delivery) error
	// Inspect returns the statistics of the queues, in the order asked;
	// ErrNotFound (wrapped, with the name) when one does not exist.
	Inspect(ctx context.Context, queues ...string) ([]Stats, error)
	// Peek returns up to n messages from the head of the queue, as many as can be read
	// within seconds, and leaves them there.
	Peek(ctx context.Context, queue string, n int) ([]Message, error)
	// Purge removes all ready messages and tells how many they were.
	Purge(ctx context.Context, queue string) (int64, error)
}

// What a broker's errors can be tested for with errors.Is.
var (
	ErrNotFound    = errors.New("no such queue on the broker")
	ErrMismatch    = errors.New("exists with other properties")
	ErrUnroutable  = errors.New("reaches no queue")
	ErrFull        = errors.New("queue is full")
	ErrBlocked     = errors.New("the broker takes no messages now (memory or disk alarm)")
	ErrUnavailable = errors.New("the broker cannot be reached")
	ErrRefused     = errors.New("the broker refuses this user")
	ErrTooLarge    = errors.New("message is too large for the broker")
	ErrSessionGone = errors.New("the session of this delivery has ended; it will be delivered again")
	ErrSettled     = errors.New("this delivery is settled already")
	ErrClosed      = errors.New("the broker connection was closed")
)

// PublishError tells which messages of one Publish were not confirmed.
type PublishError struct {
	// Errs has one entry per message, nil where the message is durable.
	Errs []error
}

// Error returns the first failure and counts the others.
func (e *PublishError) Error() string {
	n, first := 0, error(nil)
	for _, err := range e.Errs {
		if err != nil {
			if n++; first == nil {
				first = err
			}
		}
	}
	switch {
	case n == 0:
		return "publish: no message failed"
	case n == 1:
		return "publish: " + first.Error()
	}
	return "publish: " + first.Error() + " (and other messages of the batch)"
}

// Unwrap lets errors.Is find every cause.
func (e *PublishError) Unwrap() []error {
	var out []error
	for _, err := range e.Errs {
		if err != nil {
			out = append(out, err)
		}
	}
	return out
}
