package shell

import (
	"context"
	"fmt"
	"sync"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/processor/procgroup"
)

var (
	_ processor.Process     = (*process)(nil)
	_ processor.Interrupted = (*process)(nil)
)

// process runs one file after the other. It has a process of the system only
// while a call runs.
type process struct {
	program *program
	mark    procgroup.Mark // of all that its calls start
	ran     bool           // a call did; only used by loop
	replies chan processor.Reply
	wake    chan struct{} // capacity 1
	kill    chan struct{} // closed by Kill
	done    chan struct{} // closed when the loop has ended

	mu          sync.Mutex // guards the fields below
	queue       []processor.Invocation
	closing     bool
	killed      bool
	group       *procgroup.Group // of the call that runs
	interrupted string           // the call that was running when it was killed
	log         []model.LogLine
	err         error
}

// repliesAhead is how many replies wait for their consumer before the next call does.
const repliesAhead = 64

func start(p *program) *process {
	s := &process{
		program: p,
		mark:    procgroup.NewMark(),
		replies: make(chan processor.Reply, repliesAhead),
		wake:    make(chan struct{}, 1),
		kill:    make(chan struct{}),
		done:    make(chan struct{}),
	}
	go s.loop()
	return s
}

// Send queues invocations.
func (s *process) Send(invs ...processor.Invocation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing || s.killed {
		return &processor.Error{Code: processor.CodeProcess, Message: "the process takes no more calls: it was closed"}
	}
	s.queue = append(s.queue, invs...)
	s.signal()
	return nil
}

func (s *process) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Replies is closed after Close and Kill.
func (s *process) Replies() <-chan processor.Reply { return s.replies }

// Err is nil after Close, an error after Kill.
func (s *process) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// PID is the process of the call that runs; 0 between calls.
func (s *process) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.group == nil {
		return 0
	}
	return s.group.PID()
}

// Interrupted tells which call Kill ended, and what it had printed.
func (s *process) Interrupted() (string, []model.LogLine) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.interrupted, s.log
}

// Close lets the calls that were sent finish. Somebody has to read Replies meanwhile.
func (s *process) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	s.signal()
	s.mu.Unlock()
	select {
	case <-s.done:
		return s.Err()
	case <-ctx.Done():
		s.Kill()
		<-s.done
		return fmt.Errorf("close process: killed, it was not done in time: %w", ctx.Err())
	}
}

// Kill ends the call that runs and drops those that wait.
func (s *process) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.killed {
		return
	}
	s.killed = true
	close(s.kill)
	if s.group != nil {
		s.group.Kill()
	}
}

// loop runs queued calls until the process is closed or killed.
func (s *process) loop() {
	defer close(s.done)
	defer close(s.replies)
	defer func() {
		if s.ran {
			s.mark.End()
		}
	}()
	for {
		inv, ok := s.next()
		if !ok {
			return
		}
		s.ran = true
		reply := s.run(inv)
		if s.endKilled(inv, reply) {
			return
		}
		select {
		case s.replies <- reply:
		case <-s.kill: // it has room, or nobody reads any more
			select {
			case s.replies <- reply:
			default:
			}
		}
	}
}

// next waits for a call; there is none any more when ok is false.
func (s *process) next() (inv processor.Invocation, ok bool) {
	for {
		s.mu.Lock()
		switch {
		case s.killed:
			s.err = killedError("")
			s.mu.Unlock()
			return inv, false
		case len(s.queue) > 0:
			inv = s.queue[0]
			s.queue = s.queue[1:]
			s.mu.Unlock()
			return inv, true
		case s.closing:
			s.mu.Unlock()
			return inv, false
		}
		s.mu.Unlock()
		select {
		case <-s.wake:
		case <-s.kill:
		}
	}
}

// endKilled settles the end of a process that was killed while inv ran. A call
// that had finished just before keeps its reply.
func (s *process) endKilled(inv processor.Invocation, reply processor.Reply) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.killed || reply.Failure == nil {
		return false
	}
	s.interrupted, s.log = inv.ID, reply.Log
	s.err = killedError(fmt.Sprintf(" while it ran %s (call %s)", inv.Function, inv.ID))
	return true
}

func killedError(when string) error {
	return &processor.Error{Code: processor.CodeProcess, Message: "the process was killed by the engine" + when}
}
