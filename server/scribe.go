package server

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/socket"
)

// scribe sends the records of accepted calls to the recorder, behind the back of
// who submits: a call is durable without its record, and what runs it will tell
// of it, too. It remembers calls for a while, for those who ask sooner than the
// history knows.
type scribe struct {
	broker publisher
	log    *slog.Logger

	mu      sync.Mutex // guards the fields below
	waiting []model.Call
	bytes   int           // about how much of the memory they hold, and those being sent
	room    chan struct{} // closed when waiting was taken
	told    *told

	sending []broker.Message // used by Run only
	held    int              // the part of bytes that these are

	wake chan struct{}
}

type publisher interface {
	Publish(ctx context.Context, msgs ...broker.Message) error
}

const (
	scribeGather = 20 * time.Millisecond // how long records wait for others
	scribeEnough = 500                   // so many do not wait
	scribeAtOnce = 4000                  // so many are sent together at most
	scribeBytes  = 16 << 20              // what may wait in memory
)

func newScribe(b publisher, log *slog.Logger) *scribe {
	return &scribe{broker: b, log: log, room: make(chan struct{}), wake: make(chan struct{}, 1), told: newTold()}
}

// note takes records, which are the scribe's from then on. While too many wait it
// waits, too: so who submits feels that the broker takes no more.
func (s *scribe) note(ctx context.Context, calls []model.Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.bytes > scribeBytes {
		room := s.room
		s.mu.Unlock()
		select {
		case <-room:
			s.mu.Lock()
		case <-ctx.Done():
			s.mu.Lock()
			s.log.WarnContext(ctx, "accepted calls are not in the history before they run", "calls", len(calls), "err", ctx.Err())
			return
		}
	}
	if s.waiting == nil {
		s.waiting = calls
	} else {
		s.waiting = append(s.waiting, calls...)
	}
	for i := range calls {
		s.bytes += weight(&calls[i])
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// known returns a call that was noted, as it was then but without its values.
func (s *scribe) known(id string) (model.Call, bool) {
	calls := s.about(id)
	i := slices.IndexFunc(calls, func(c model.Call) bool { return c.ID == id })
	if i < 0 {
		return model.Call{}, false
	}
	c := calls[i]
	c.Args, c.Kwargs, c.Refs = nil, nil, nil
	return c, true
}

// about returns the call, or the calls of the record that it may be in.
func (s *scribe) about(id string) []model.Call {
	s.mu.Lock()
	for i := range s.waiting {
		if s.waiting[i].ID == id {
			defer s.mu.Unlock()
			return []model.Call{s.waiting[i]}
		}
	}
	record := s.told.find(id)
	s.mu.Unlock()
	rec, _ := socket.DecodeRecord(record) // of nothing there is nothing
	return rec.Calls
}

func weight(c *model.Call) int {
	n := 1024
	for _, v := range c.Args {
		n += len(v)
	}
	for _, v := range c.Kwargs {
		n += len(v)
	}
	return n
}

// Run sends records until ctx ends, and then those that wait still.
func (s *scribe) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-s.wake:
			s.gather(ctx)
			s.sendAll(ctx)
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	s.sendAll(last)
	return nil
}

// sendAll sends what waits, a part at a time, until ctx ends.
func (s *scribe) sendAll(ctx context.Context) {
	for len(s.sending) > 0 || s.pack() {
		if !s.send(ctx) {
			return
		}
		s.sent()
	}
}

// gather waits a moment for more records.
func (s *scribe) gather(ctx context.Context) {
	s.mu.Lock()
	enough := len(s.waiting) >= scribeEnough
	s.mu.Unlock()
	if enough {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(scribeGather):
	}
}

// pack makes messages of the records that waited longest, which are remembered
// from then on. It tells whether there were any.
func (s *scribe) pack() bool {
	s.mu.Lock()
	calls := s.waiting[:min(len(s.waiting), scribeAtOnce)] // who notes more leaves them alone
	s.mu.Unlock()
	var parts [][]model.Call
	for rest := calls; len(rest) > 0; {
		m, n, err := socket.EncodeRecord(rest)
		if err != nil { // they have been read from JSON
			s.log.Error("the record of an accepted call cannot be written", "call_id", rest[n-1].ID, "err", err)
			rest = slices.Concat(rest[:n-1], rest[n:])
			continue
		}
		s.sending, parts = append(s.sending, m), append(parts, rest[:n])
		rest = rest[n:]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, part := range parts {
		s.told.add(slim(s.sending[i].Body, part), part)
	}
	for i := range calls {
		s.held += weight(&calls[i])
		calls[i] = model.Call{} // what shares the array would keep it
	}
	if s.waiting = s.waiting[len(calls):]; len(s.waiting) == 0 {
		s.waiting = nil
	}
	return len(s.sending) > 0
}

// slim is a record to remember: where values are most of it, without them.
func slim(record []byte, calls []model.Call) []byte {
	const little = 2048
	if len(record) <= little*len(calls) {
		return record
	}
	bare := slices.Clone(calls)
	for i := range bare {
		bare[i].Args, bare[i].Kwargs, bare[i].Refs = nil, nil, nil
	}
	m, _, _ := socket.EncodeRecord(bare) // as the whole one was
	return m.Body
}

// send tries until the broker has the records; false when ctx ends first.
func (s *scribe) send(ctx context.Context) bool {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		sending, cancel := context.WithTimeout(ctx, 30*time.Second)
		err := s.broker.Publish(sending, s.sending...)
		cancel()
		if err == nil {
			return true
		}
		s.log.WarnContext(ctx, "accepted calls are not in the history yet", "messages", len(s.sending), "err", err)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(wait):
		}
	}
}

// sent makes room for others.
func (s *scribe) sent() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes -= s.held
	s.sending, s.held = nil, 0
	close(s.room)
	s.room = make(chan struct{})
}
