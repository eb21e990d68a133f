package jetstream

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// fate is what is known of a message that was sent to a stream.
type fate int

const (
	inDoubt fate = iota // sent, or not, and not confirmed
	stored
	refused // for good, err says why
	busy    // refused for now, err says why
	nobody  // no stream listens to the subject
)

// wire is one message on its way to one stream.
type wire struct {
	msg   int // its place in the call of Publish
	queue string
	out   *nats.Msg
	size  int64
	token uint64

	// The flight it is in owns these until it is told that the wire has landed.
	fate fate
	err  error
}

// confirms matches the answers of streams with what was sent to them.
type confirms struct {
	prefix string
	sub    *nats.Subscription

	mu     sync.Mutex // guards the fields below
	last   uint64
	flying map[uint64]landing
}

type landing struct {
	w      *wire
	flight *flight
}

func listenForConfirms(nc *nats.Conn) (*confirms, error) {
	c := &confirms{prefix: nc.NewInbox() + ".", flying: map[uint64]landing{}}
	var err error
	if c.sub, err = nc.Subscribe(c.prefix+"*", c.receive); err != nil {
		return nil, err
	}
	return c, c.sub.SetPendingLimits(-1, -1) // bounded by the window of what is in flight
}

func (c *confirms) close() { _ = c.sub.Unsubscribe() }

// expect gives a wire its token and remembers where it lands. A wire that is
// sent again keeps its token: the answer to either sending will do.
func (c *confirms) expect(w *wire, f *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w.token == 0 {
		c.last++
		w.token = c.last
		w.out.Reply = c.prefix + strconv.FormatUint(w.token, 36)
	}
	c.flying[w.token] = landing{w, f}
}

// forget takes a wire off the list, and tells whether it was on it.
func (c *confirms) forget(token uint64) (landing, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l, ok := c.flying[token]
	delete(c.flying, token)
	return l, ok
}

func (c *confirms) receive(m *nats.Msg) {
	token, err := strconv.ParseUint(strings.TrimPrefix(m.Subject, c.prefix), 36, 64)
	if err != nil {
		return
	}
	l, ok := c.forget(token)
	if !ok {
		return // the answer to a repeat, or nobody waits any more
	}
	l.w.fate, l.w.err = readConfirm(m)
	l.flight.landed(l.w)
}

// readConfirm understands the answer of a stream.
func readConfirm(m *nats.Msg) (fate, error) {
	if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
		return nobody, nil
	}
	if !bytes.Contains(m.Data, []byte(`"error"`)) {
		return stored, nil
	}
	var answer struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil || answer.Error == nil {
		return inDoubt, err
	}
	err, again := refusal(answer.Error.ErrorCode, answer.Error.Description)
	if again {
		return busy, err
	}
	return refused, err
}
