// Package event is the contract for news: what happens in a network, told to
// whoever listens. News may be lost and nothing may depend on it; durable work
// goes through package broker.
//
// A channel is a dotted name ("pyfi.queue1.proc1.task"). Every driver keeps a
// bounded backlog, so that a listener can begin in the past.
package event

import (
	"context"
	"errors"
	"time"
)

// Message is one piece of news.
type Message struct {
	// ID orders messages within the backlog and is a place to resume from; the
	// driver sets it. Empty on what was heard live from a source without ids.
	ID string
	// Channel is where it was published.
	Channel string
	// Time is when it was published; the driver sets it.
	Time time.Time
	// Data is one JSON object.
	Data []byte
}

// Subscription says what to listen to.
type Subscription struct {
	// Pattern is a channel name in which * stands for any text and ? for one
	// character (Redis' glob without classes).
	Pattern string
	// Since begins with the backlog from then on; zero begins now.
	Since time.Time
	// After begins behind the message with this ID; it wins over Since.
	After string
}

// Bus carries news. Methods may be called at the same time from many goroutines.
type Bus interface {
	// Publish tells the news. It returns when the driver has taken it, which
	// promises nothing; an error says that it is known to be lost. It keeps
	// nothing of msgs.
	Publish(ctx context.Context, msgs ...Message) error
	// Subscribe sends what matches to out until ctx ends; ready, if not nil, is
	// called once when nothing published from then on is missed. It survives
	// lost connections by itself, and resumes from the backlog where it can. A
	// slow listener loses the oldest messages, never stops a publisher.
	Subscribe(ctx context.Context, s Subscription, out chan<- Message, ready func()) error
}

// ErrUnavailable says that the bus cannot be reached now.
var ErrUnavailable = errors.New("the event bus cannot be reached")
