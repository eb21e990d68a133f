package worker

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
)

// fakeProgram is code whose functions are Go functions of the test. A function
// that panics with crash kills its "process".
type fakeProgram struct {
	functions map[string]func(inv processor.Invocation) (any, *model.Failure)

	mu     sync.Mutex
	ran    map[string]int // runs by call id
	starts int
}

type crash struct{}

func (p *fakeProgram) Describe(context.Context) ([]model.Task, error) { return nil, nil }

func (p *fakeProgram) Close() {}

func (p *fakeProgram) Start(context.Context) (processor.Process, error) {
	p.mu.Lock()
	p.starts++
	p.mu.Unlock()
	proc := &fakeProcess{program: p, in: make(chan processor.Invocation, 1024), replies: make(chan processor.Reply, 256), killed: make(chan struct{})}
	go proc.run()
	return proc, nil
}

func (p *fakeProgram) runs(id string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ran[id]
}

// started is how many processes there were.
func (p *fakeProgram) started() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.starts
}

type fakeProcess struct {
	program *fakeProgram
	in      chan processor.Invocation
	replies chan processor.Reply
	killed  chan struct{}
	once    sync.Once
	closing sync.Once
	mu      sync.Mutex
	err     error
}

func (f *fakeProcess) run() {
	defer close(f.replies)
	for {
		select {
		case <-f.killed:
			f.fail("killed")
			return
		case inv, ok := <-f.in:
			if !ok {
				return
			}
			if !f.answer(inv) {
				return
			}
		}
	}
}

// answer runs one call; false when the process died of it.
func (f *fakeProcess) answer(inv processor.Invocation) (alive bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(crash); !ok {
				panic(r)
			}
			f.fail("crashed")
			alive = false
		}
	}()
	f.program.mu.Lock()
	f.program.ran[inv.ID]++
	f.program.mu.Unlock()
	started := time.Now()
	done := make(chan processor.Reply, 1)
	panicked := make(chan any, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				panicked <- r
			}
		}()
		value, failure := f.program.functions[inv.Function](inv)
		body, _ := json.Marshal(value)
		done <- processor.Reply{ID: inv.ID, Value: body, Failure: failure, Started: started, Finished: time.Now()}
	}()
	select {
	case r := <-panicked:
		panic(r)
	case r := <-done:
		f.replies <- r
		return true
	case <-f.killed:
		f.fail("killed")
		return false
	}
}

func (f *fakeProcess) fail(why string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = errors.New("the process " + why)
}

func (f *fakeProcess) Send(invs ...processor.Invocation) error {
	for _, inv := range invs {
		f.in <- inv
	}
	return nil
}

func (f *fakeProcess) Replies() <-chan processor.Reply { return f.replies }

func (f *fakeProcess) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func (f *fakeProcess) PID() int { return 4242 }

func (f *fakeProcess) Close(context.Context) error {
	f.closing.Do(func() { close(f.in) })
	return nil
}

func (f *fakeProcess) Kill() { f.once.Do(func() { close(f.killed) }) }
