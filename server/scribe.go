package server

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/socket"
)

// scribe sends the records of accepted calls to the recorder, behind the back of
// who submits: a call is durable without its record, and what runs it will tell
// of it, too. It remembers calls for a while, for those who ask sooner than the
// history knows.
type scribe struct {
	sender *socket.Sender
	log    *slog.Logger

	mu      sync.Mutex // guards the fields below
	waiting []model.Call
	bytes   int           // about how much of the memory they hold, and those being sent
	room    chan struct{} // closed when waiting was taken
	recent  map[string]model.Call
	order   []string // the keys of recent, the oldest first; a ring from next on
	next    int

	wake chan struct{}
}

const (
	scribeGather = 20 * time.Millisecond // how long records wait for others
	scribeEnough = 500                   // so many do not wait
	scribeAtOnce = 4000                  // so many are sent together at most
	scribeBytes  = 16 << 20              // what may wait in memory
	scribeRecent = 20_000                // how many calls are remembered
)

func newScribe(s *socket.Sender, log *slog.Logger) *scribe {
	return &scribe{
		sender: s, log: log, room: make(chan struct{}), wake: make(chan struct{}, 1),
		recent: map[string]model.Call{}, order: make([]string, scribeRecent),
	}
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
		s.remember(calls[i])
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// remember keeps what a call is, without its values; mu is held.
func (s *scribe) remember(c model.Call) {
	if old := s.order[s.next]; old != "" {
		delete(s.recent, old)
	}
	c.Args, c.Kwargs, c.Refs = nil, nil, nil
	s.recent[c.ID], s.order[s.next] = c, c.ID
	s.next = (s.next + 1) % len(s.order)
}

func (s *scribe) known(id string) (model.Call, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.recent[id]
	return c, ok
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
	for {
		calls := s.take()
		if len(calls) == 0 {
			return
		}
		if !s.send(ctx, calls) {
			s.mu.Lock()
			s.waiting = append(calls, s.waiting...)
			s.mu.Unlock()
			return
		}
		s.sent(calls)
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

// take takes the records that waited longest.
func (s *scribe) take() []model.Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(len(s.waiting), scribeAtOnce)
	calls := s.waiting[:n:n]
	if s.waiting = s.waiting[n:]; len(s.waiting) == 0 {
		s.waiting = nil
	}
	return calls
}

// sent makes room for others.
func (s *scribe) sent(calls []model.Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range calls {
		s.bytes -= weight(&calls[i])
		calls[i] = model.Call{} // what shares the array would keep it
	}
	close(s.room)
	s.room = make(chan struct{})
}

// send tries until the broker has the records; false when ctx ends first.
func (s *scribe) send(ctx context.Context, calls []model.Call) bool {
	if len(calls) == 0 {
		return true
	}
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		sending, cancel := context.WithTimeout(ctx, 30*time.Second)
		err := s.sender.Send(sending, nil, calls)
		cancel()
		if err == nil {
			return true
		}
		s.log.WarnContext(ctx, "accepted calls are not in the history yet", "calls", len(calls), "err", err)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(wait):
		}
	}
}
