package worker

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/socket"
)

// job is a call on its way through the worker.
type job struct {
	socket.Received
	attempt  int           // which run of the code this is, from 1
	expected time.Duration // how long it was thought to take when it went into the pipe
	began    time.Time     // when it became the first in the pipe; zero before
	noted    bool          // that it runs was recorded
	unsure   bool          // its claim says little: the result store lost its memory a short while ago
	pass     pass          // of a socket with limits

	whole *model.Envelope // the call with its large values in place; nil when it has none
	fresh []model.Blob    // large values that came inside it, and are not durable by themselves
}

// session is the life of one child process.
type session struct {
	w        *Worker
	proc     processor.Process
	receiver *socket.Receiver

	jobs chan []*job     // intake → host
	done chan []finished // intake and host → committer
	pace *pace           // how long calls take now

	orphans map[string]map[string]bool // earlier lives of this node, and the rooms they were put out of; used by intake only

	records []model.Call // room for those of a batch; used by commit only
	doors   *doors       // where calls of sockets with limits wait
	running atomic.Int64 // when the present run began, in Unix nanoseconds; 0: nothing runs

	renewing sync.Mutex     // held while claims are renewed or given back: no claim is renewed that was given back
	mu       sync.Mutex     // guards the two fields below
	inflight map[string]int // by call: how many bytes of large values it holds
	large    int            // all of these
	left     chan struct{}  // rings when there are fewer of them

	asked    time.Time // when it was looked last whether cancels are under way; used by intake only
	underWay bool      // the answer; used by intake only

	pulse   *pulse    // of the result store
	doubted time.Time // when it was said last that calls are put back, since they may have ended; used by intake only
	written time.Time // the loss of memory of the result store since which all records were seen written; used by intake only

	changes chan chan struct{} // to host: the endpoints have changed; closed when it has given back what is not for them
	routing chan struct{}      // has a token while what follows from calls is on its way
	emptied chan struct{}      // closed when intake has ended and given back what it had
	over    chan struct{}      // closed at the end of the session

	stop context.CancelFunc // take no more
	kill context.Context    // abandon
}

// serve runs calls in the process until ctx ends (then it returns nil, with
// everything settled) or the process dies (then it returns why).
func (w *Worker) serve(ctx, kill context.Context, proc processor.Process) (useful bool, err error) {
	taking, stop := context.WithCancel(ctx)
	defer stop()
	s := &session{
		w: w, proc: proc, receiver: socket.NewReceiver(w.cfg.Broker, w.log),
		jobs: make(chan []*job), done: make(chan []finished, 64), pace: newPace(),
		inflight: map[string]int{}, orphans: map[string]map[string]bool{}, left: make(chan struct{}, 1), stop: stop, kill: kill,
		pulse: newPulse(w.cfg.Lease), changes: make(chan chan struct{}), routing: make(chan struct{}, 1), emptied: make(chan struct{}), over: make(chan struct{}),
	}
	defer close(s.over)
	s.doors = newDoors(s)
	w.enter(s)
	defer w.leave()
	s.isolate()

	var intake, commit sync.WaitGroup
	intake.Go(func() { s.feel(taking) })
	intake.Go(func() {
		var receive sync.WaitGroup
		receive.Go(func() { _ = s.receiver.Run(taking) })
		s.intake(taking)
		receive.Wait()
		s.giveBack()
		close(s.emptied)
		close(s.jobs)
	})
	commit.Go(s.commit)
	useful, err = s.host()
	stop()
	intake.Wait()
	close(s.done)
	commit.Wait()
	return useful, err
}

func (w *Worker) enter(s *session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.receiver.Set(w.endpoints)
	w.session = s
}

func (w *Worker) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.session = nil
}

// disowning is how long Set waits at most until calls are given back and sent on. Who
// changes a socket waits a little longer.
const disowning = 4 * time.Second

// disown has intake and host give back the calls that no endpoint is for any more, and
// waits for what is on its way to where the endpoints of before sent it.
func (s *session) disown() {
	ctx, cancel := context.WithTimeout(s.kill, disowning)
	defer cancel()
	heard := make(chan struct{})
	s.doors.tell(func(n *doorNews) { n.changed, n.heard = true, append(n.heard, heard) })
	select {
	case <-heard:
	case <-s.emptied:
	case <-s.over:
		return
	case <-ctx.Done():
		return
	}
	heard = make(chan struct{})
	select {
	case s.changes <- heard:
	case <-s.over:
		return
	case <-ctx.Done():
		return
	}
	select {
	case <-heard:
	case <-s.over:
		return
	case <-ctx.Done():
		return
	}
	select {
	case s.routing <- struct{}{}:
		<-s.routing
	case <-s.over:
	case <-ctx.Done():
	}
}

// owned tells whether there is an endpoint for the call still.
func (s *session) owned(j *job) bool {
	return s.receiver.Endpoint(j.Delivery.Queue, j.Endpoint.Socket.Name) != nil
}

// settling is the context for finishing work: it outlives the wish to stop, and
// ends when the work is to be abandoned.
func (s *session) settling() context.Context { return s.kill }

// within bounds a step of settling.
func (s *session) within(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.settling(), d)
}

// hold remembers that this session has the call; false when it has it already.
func (s *session) hold(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.inflight[id]; ok {
		return false
	}
	s.inflight[id] = 0
	return true
}

func (s *session) letGo(ids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if n := s.inflight[id]; n > 0 {
			s.large -= n
			select {
			case s.left <- struct{}{}:
			default:
			}
		}
		delete(s.inflight, id)
	}
}

// free gives claims back, and lets go of the calls.
func (s *session) free(ctx context.Context, ids ...string) error {
	s.renewing.Lock()
	defer s.renewing.Unlock()
	if err := s.w.cfg.Results.Release(ctx, s.w.holder, ids...); err != nil {
		return err
	}
	s.letGo(ids...)
	return nil
}

// unclaim is free for calls that do not run here; claims that cannot be given back
// now end by themselves.
func (s *session) unclaim(jobs ...*job) {
	ctx, cancel := s.within(10 * time.Second)
	defer cancel()
	if err := s.free(ctx, ids(jobs)...); err != nil {
		s.w.log.Warn("claims are left to end by themselves", "err", err)
		s.letGo(ids(jobs)...)
	}
}

// held lists the calls that this session has.
func (s *session) held() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]string, 0, len(s.inflight))
	for id := range s.inflight {
		ids = append(ids, id)
	}
	return ids
}
