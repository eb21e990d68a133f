package frame

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/processor/procgroup"
)

var (
	_ processor.Process     = (*Process)(nil)
	_ processor.Interrupted = (*Process)(nil)
)

// How long is waited: for a consumer that takes no replies after Kill, for pipes
// that a runaway grandchild holds open, and for a child to exit that closed its
// end of the protocol.
const (
	abandonAfter = time.Second
	pipeGrace    = 2 * time.Second
	exitGrace    = 5 * time.Second
)

// repliesAhead is how many replies wait for their consumer before the child has to.
const repliesAhead = 1024

// Process is a child process that speaks the protocol. Replies has to be read
// until it is closed, also after Kill.
type Process struct {
	group          *procgroup.Group
	out            *outbox
	in             *replyReader
	stdout, stderr *output

	replies  chan processor.Reply
	answers  chan incoming // to load and describe; capacity 1
	done     chan struct{} // closed when everything has ended
	kill     chan struct{} // closed by Kill
	killOnce sync.Once
	asking   sync.Mutex // one ask at a time
	deserted bool       // nobody takes replies any more; only used by receive

	mu      sync.Mutex // guards the fields below
	pending []pendingCall
	tail    tail
	closing bool
	broken  error // what the child did against the protocol
	err     error // set before done is closed
}

// pendingCall is a call without a reply; the first one is the one that runs.
type pendingCall struct {
	id, function string
	log          CallLog
}

func newProcess(pp *pipes) (*Process, error) {
	p := &Process{
		replies: make(chan processor.Reply, repliesAhead),
		answers: make(chan incoming, 1),
		done:    make(chan struct{}),
		kill:    make(chan struct{}),
	}
	var err error
	if p.in, err = newReplyReader(pp.outR, p.busy); err != nil {
		return nil, err
	}
	if p.out, err = newOutbox(pp.inW); err != nil {
		return nil, err
	}
	if p.stdout, err = newOutput(pp.stdoutR, func(text string) { p.printed("", Stdout, time.Now().UTC(), text) }); err != nil {
		return nil, err
	}
	if p.stderr, err = newOutput(pp.stderrR, func(text string) { p.printed("", Stderr, time.Now().UTC(), text) }); err != nil {
		return nil, err
	}
	return p, nil
}

// run starts what serves the pipes; all of it ends with the process.
func (p *Process) run() {
	var served sync.WaitGroup
	served.Go(func() { p.out.run(p.group.Done()) })
	served.Go(p.stdout.run)
	served.Go(p.stderr.run)
	go p.bound()
	go func() {
		p.receive()
		served.Wait()
		p.finish()
	}()
}

// bound gives the pipes a deadline when the process has ended: a grandchild that
// left the group, and was not found, may hold them open for ever.
func (p *Process) bound() {
	<-p.group.Done()
	timer := time.AfterFunc(pipeGrace, p.in.abandon)
	defer func() {
		<-p.done
		timer.Stop()
	}()
	limit := time.Now().Add(pipeGrace)
	_ = p.stdout.f.SetReadDeadline(limit)
	_ = p.stderr.f.SetReadDeadline(limit)
	_ = p.out.f.SetWriteDeadline(time.Now())
}

// manyCalls is how many have to be in the pipe for their replies to be gathered.
const manyCalls = 16

func (p *Process) busy() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.pending) >= manyCalls
}

// Send hands over invocations, all in one write.
func (p *Process) Send(invs ...processor.Invocation) error {
	buf := make([]byte, 0, 256*len(invs))
	var err error
	for i := range invs {
		if buf, err = appendCall(buf, &invs[i]); err != nil {
			return fmt.Errorf("encode call %s: %w", invs[i].ID, err)
		}
	}
	err = p.out.send(buf, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, inv := range invs {
			p.pending = append(p.pending, pendingCall{id: inv.ID, function: inv.Function})
		}
	})
	if err != nil {
		return &processor.Error{Code: processor.CodeProcess, Message: "the process takes no more calls", Err: err}
	}
	return nil
}

// Replies is closed when the process has ended.
func (p *Process) Replies() <-chan processor.Reply { return p.replies }

// Err is why the process ended.
func (p *Process) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// PID is the process id of the group's leader.
func (p *Process) PID() int { return p.group.PID() }

// Close lets the child finish what was sent and waits for its end; when ctx ends
// first, it kills the child. Somebody has to read Replies meanwhile.
func (p *Process) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closing = true
	p.mu.Unlock()
	p.out.close()
	select {
	case <-p.done:
		return p.Err()
	case <-ctx.Done():
		p.Kill()
		<-p.done
		return fmt.Errorf("close process %d: killed, it was not done in time: %w", p.PID(), ctx.Err())
	}
}

// Kill ends the whole process group at once.
func (p *Process) Kill() {
	p.killOnce.Do(func() { close(p.kill) })
	p.group.Kill()
}

// Interrupted tells which call was running when the process ended, and what it
// had printed. It is empty when none was, and before Replies is closed.
func (p *Process) Interrupted() (id string, log []model.LogLine) {
	select {
	case <-p.done:
	default:
		return "", nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.pending) == 0 {
		return "", nil
	}
	return p.pending[0].id, p.pending[0].log.Lines()
}

// Describe asks the child for the functions of its module.
func (p *Process) Describe(ctx context.Context) ([]model.Task, error) {
	answer, err := p.ask(ctx, DefaultStartTimeout, struct {
		Type string `json:"type"`
	}{typeDescribe})
	if errors.Is(err, errNoAnswer) {
		return nil, &processor.Error{Code: processor.CodeProcess, Message: "the process does not describe its functions", Detail: p.lastLines()}
	}
	if err != nil {
		return nil, err
	}
	return answer.Tasks, nil
}

var errNoAnswer = errors.New("no answer")

// ask sends a frame that is answered by one other than a reply.
func (p *Process) ask(ctx context.Context, timeout time.Duration, question any) (incoming, error) {
	p.asking.Lock()
	defer p.asking.Unlock()
	buf, err := frameOf(question)
	if err != nil {
		return incoming{}, err
	}
	_ = p.out.send(buf, func() {}) // a child that is gone closes done
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case m := <-p.answers:
		return checked(m)
	case <-p.done:
	case <-timer.C:
		return incoming{}, errNoAnswer
	case <-ctx.Done():
		return incoming{}, fmt.Errorf("wait for process %d: %w", p.PID(), ctx.Err())
	}
	select {
	case m := <-p.answers: // it answered and ended
		return checked(m)
	default:
		return incoming{}, p.Err()
	}
}

// checked turns the answer "failed" into its error.
func checked(m incoming) (incoming, error) {
	if m.Type != typeFailed {
		return m, nil
	}
	if m.Code == "" {
		m.Code = processor.CodeModule
	}
	return m, &processor.Error{Code: m.Code, Message: m.Message, Detail: m.Detail, Permanent: true}
}

// receive handles frames until the pipe ends, and has the process ended then.
func (p *Process) receive() {
	r := newReader(p.in, maxFrame)
	for {
		body, err := r.next()
		switch {
		case errors.Is(err, errOversize):
			_ = p.complete(incoming{Failure: &model.Failure{
				Error: model.FailureTooLarge, Permanent: true,
				Message: fmt.Sprintf("the result is over the limit of %d bytes", model.MaxPayload),
			}})
			continue
		case err != nil:
			p.awaitExit(err)
			return
		}
		if err := p.handle(body, r); err != nil {
			p.breakOff(err)
		}
	}
}

// handle takes one frame.
func (p *Process) handle(body []byte, r *reader) error {
	m, err := decode(body)
	if err != nil {
		return fmt.Errorf("the process sent a frame that is not JSON: %w", err)
	}
	switch m.Type {
	case typeReply:
		if r.fresh {
			r.fresh = false
			p.stdout.drain()
			p.stderr.drain()
		}
		return p.complete(m)
	case typeLog:
		p.printed(m.ID, m.Stream, fromMicros(m.At), m.Text)
	case typeReady, typeFailed, typeDescribed:
		select {
		case p.answers <- m:
		default:
			return fmt.Errorf("the process sent %q without being asked", m.Type)
		}
	}
	return nil
}

// complete hands on the reply to the oldest call.
func (p *Process) complete(m incoming) error {
	p.mu.Lock()
	if len(p.pending) == 0 {
		p.mu.Unlock()
		return errors.New("the process sent a reply without a call")
	}
	c := p.pending[0]
	if m.ID != "" && m.ID != c.id {
		p.mu.Unlock()
		return fmt.Errorf("the process replied to call %s before call %s", m.ID, c.id)
	}
	p.pending[0] = pendingCall{}
	p.pending = p.pending[1:]
	p.mu.Unlock()
	m.ID = c.id
	reply := m.reply()
	reply.Log = c.log.Lines()
	p.deliver(reply)
	return nil
}

// deliver waits for the consumer, but not for ever once the process was killed.
func (p *Process) deliver(reply processor.Reply) {
	select {
	case p.replies <- reply:
		return
	default:
	}
	if p.deserted {
		return
	}
	select {
	case p.replies <- reply:
	case <-p.kill:
		timer := time.NewTimer(abandonAfter)
		defer timer.Stop()
		select {
		case p.replies <- reply:
		case <-timer.C:
			p.deserted = true
		}
	}
}

// printed keeps a line of output: in the log of the call with the id, or of the
// one that runs when there is no id.
func (p *Process) printed(id, stream string, at time.Time, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tail.add(text)
	for i := range p.pending {
		if id == "" || p.pending[i].id == id {
			p.pending[i].log.Add(at, stream, text)
			return
		}
	}
}

// breakOff ends a child that does not keep to the protocol.
func (p *Process) breakOff(err error) {
	p.mu.Lock()
	if p.broken == nil {
		p.broken = err
	}
	p.mu.Unlock()
	p.group.Kill()
}

// awaitExit waits for the process after its pipe ended, for a while.
func (p *Process) awaitExit(err error) {
	timer := time.NewTimer(exitGrace)
	defer timer.Stop()
	select {
	case <-p.group.Done():
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, errAbandoned) {
			p.breakOff(err)
		}
	case <-p.kill:
		<-p.group.Done()
	case <-timer.C:
		p.breakOff(errors.New("the process closed its connection to the engine but went on running"))
		<-p.group.Done()
	}
}
