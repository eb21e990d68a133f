package model

import "fmt"

// QueueType is the kind of exchange behind a queue.
type QueueType string

// The types of a queue.
const (
	Direct QueueType = "direct" // a call reaches the one socket it is sent to
	Topic  QueueType = "topic"  // a call reaches every socket on the queue
	Fanout QueueType = "fanout" // a call reaches every socket on the queue
)

// Queue is an exchange with limits; each socket on it has a durable broker
// queue of its own. Zero limits mean "no limit".
type Queue struct {
	Object
	Type QueueType `json:"type"`
	// MessageTTLMS is how long, in milliseconds, a call may wait before it
	// expires into the dead letters.
	MessageTTLMS int64 `json:"message_ttl_ms,omitempty"`
	// MaxMessages is how many calls may wait; more are refused (back-pressure).
	MaxMessages int64 `json:"max_messages,omitempty"`
	// MaxBytes is how many bytes of calls may wait; more are refused.
	MaxBytes int64 `json:"max_bytes,omitempty"`
	// ExpiresMS is after how many milliseconds without use (no consumer, no
	// message) the broker queues are removed.
	ExpiresMS int64 `json:"expires_ms,omitempty"`
}

// Check tells what is wrong with the queue, or returns nil.
func (q Queue) Check() error {
	if err := CheckName("queue", q.Name); err != nil {
		return err
	}
	switch q.Type {
	case Direct, Topic, Fanout:
	default:
		return fmt.Errorf("queue %s: type %q is unknown: use direct, topic or fanout", q.Name, q.Type)
	}
	if q.MessageTTLMS < 0 || q.MaxMessages < 0 || q.MaxBytes < 0 || q.ExpiresMS < 0 {
		return fmt.Errorf("queue %s: limits cannot be negative; 0 means no limit", q.Name)
	}
	return nil
}

// ReachesAll tells whether a call reaches every socket on the queue.
func (q Queue) ReachesAll() bool { return q.Type == Topic || q.Type == Fanout }

// QueueDepth is what the broker says of one of its queues.
type QueueDepth struct {
	Name      string `json:"name"`      // the broker queue
	Queue     string `json:"queue"`     // the queue object it belongs to
	Messages  int64  `json:"messages"`  // ready to be delivered
	Unacked   int64  `json:"unacked"`   // delivered, not settled yet; -1 where the broker does not tell
	Consumers int64  `json:"consumers"` // who takes from it now
}
