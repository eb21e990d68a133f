package nats

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// patience is how long answers are awaited when the context sets no earlier end.
const patience = 5 * time.Second

// lookAgain is how often a round looks whether the connection was lost.
const lookAgain = 100 * time.Millisecond

// asks sends questions together and collects the answers. All answers arrive on
// one subscription, on subjects that name the round and the question.
type asks struct {
	sub    *nats.Subscription
	inbox  string // with a dot at its end
	last   atomic.Uint64
	rounds sync.Map // number of the round → *round
}

// round is a set of questions that were sent together.
type round struct {
	mu      sync.Mutex // guards the fields below
	answers []*nats.Msg
	missing int
	all     chan struct{} // closed when no answer is missing
}

func (a *asks) open(conn *nats.Conn) error {
	a.inbox = conn.NewInbox() + "."
	sub, err := conn.Subscribe(a.inbox+"*.*", a.hear)
	if err != nil {
		return err
	}
	a.sub = sub
	return sub.SetPendingLimits(-1, -1) // there are no more answers than questions
}

func (a *asks) close() { _ = a.sub.Unsubscribe() }

func (a *asks) hear(m *nats.Msg) {
	number, question, _ := strings.Cut(m.Subject[len(a.inbox):], ".")
	n, err1 := strconv.ParseUint(number, 36, 64)
	i, err2 := strconv.ParseUint(question, 36, 31)
	found, ok := a.rounds.Load(n)
	if err1 != nil || err2 != nil || !ok {
		return // it came too late
	}
	r := found.(*round)
	r.mu.Lock()
	defer r.mu.Unlock()
	if int(i) < len(r.answers) && r.answers[i] == nil {
		r.answers[i] = m
		if r.missing--; r.missing == 0 {
			close(r.all)
		}
	}
}

// ask sends the messages, and returns their answers in the same order. What a
// lost connection swallowed is sent again when it is back: every write names the
// message it replaces, so the second of two does no harm.
func (s *Store) ask(ctx context.Context, questions []*nats.Msg) ([]*nats.Msg, error) {
	if len(questions) == 0 {
		return nil, nil
	}
	if err := s.connected(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r := &round{answers: make([]*nats.Msg, len(questions)), missing: len(questions), all: make(chan struct{})}
	number := s.asks.last.Add(1)
	s.asks.rounds.Store(number, r)
	defer s.asks.rounds.Delete(number)
	connection := s.conn.Stats().Reconnects
	if err := s.send(number, r, questions); err != nil {
		return nil, err
	}
	look := time.NewTicker(lookAgain)
	defer look.Stop()
	for {
		select {
		case <-r.all:
			return r.answers, available(r.answers)
		case <-ctx.Done():
			return nil, fmt.Errorf("NATS did not answer in time: %w", ctx.Err())
		case <-look.C:
			if now := s.conn.Stats().Reconnects; now != connection && s.conn.IsConnected() {
				connection = now
				if err := s.send(number, r, questions); err != nil {
					return nil, err
				}
			}
		}
	}
}

// send sends those questions of a round that have no answer yet.
func (s *Store) send(number uint64, r *round, questions []*nats.Msg) error {
	inbox := s.asks.inbox + strconv.FormatUint(number, 36) + "."
	for i, q := range questions {
		r.mu.Lock()
		answered := r.answers[i] != nil
		r.mu.Unlock()
		if answered {
			continue
		}
		q.Reply = inbox + strconv.FormatUint(uint64(i), 36)
		if err := s.conn.PublishMsg(q); err != nil {
			return err
		}
	}
	return nil
}

// available tells whether there was anybody to answer.
func available(answers []*nats.Msg) error {
	for _, m := range answers {
		if len(m.Header) > 0 && m.Header.Get("Status") == "503" {
			return nats.ErrNoResponders
		}
	}
	return nil
}

// errChanged says that a subject no longer has the message that was to be replaced.
var errChanged = errors.New("somebody else was faster")

// acked reads the answer to a write: the number of the message, or errChanged.
func acked(m *nats.Msg) (uint64, error) {
	// The usual answer is {"stream":"NAME","seq":NUMBER}, and there are thousands
	// of them a second; everything else is read with care.
	if _, rest, ok := bytes.Cut(m.Data, []byte(`,"seq":`)); ok && bytes.HasPrefix(m.Data, []byte(`{"stream":`)) {
		digits, end, _ := bytes.Cut(rest, []byte("}"))
		if seq, err := strconv.ParseUint(string(digits), 10, 64); err == nil && len(end) == 0 {
			return seq, nil
		}
	}
	var a struct {
		Seq   uint64              `json:"seq"`
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &a); err != nil {
		return 0, fmt.Errorf("NATS answered %.60q: %w", m.Data, err)
	}
	switch {
	case a.Error == nil:
		return a.Seq, nil
	case a.Error.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence,
		a.Error.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant: // of a replicated stream
		return 0, errChanged
	}
	return 0, a.Error
}
