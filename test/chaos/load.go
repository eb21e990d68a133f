package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
)

// number is what a call carries.
type number struct {
	n        int64
	fails    bool          // it ends on the error path
	crashes  bool          // its process is killed while it runs
	large    bool          // 200 KiB travel from start to sink
	lasts    time.Duration // how long start runs
	priority model.Priority
	call     string
	accepted time.Time
}

// load submits calls.
type load struct {
	w       *world
	name    string
	total   int
	over    time.Duration              // how long it is to take
	crashes int                        // every so many calls one kills its process; 0 none
	send    func(*load, []number) send // other than through the API

	mu      sync.Mutex // guards the fields below
	numbers []number   // accepted
	refused int        // tries that were not accepted
	unheard []string   // calls whose outcome was waited for and not told

	waiters sync.WaitGroup
}

// send tries once to submit the numbers; it fills in their calls.
type send func(ctx context.Context, numbers []number) error

// batchSize is enough calls at once that they share messages of the broker.
const batchSize = 64

// run submits at an even pace until the total is reached and until is closed,
// but not more than three times the total.
func (l *load) run(ctx context.Context, until <-chan struct{}) error {
	began := time.Now()
	for sent := 0; sent < 3*l.total; sent += batchSize {
		if sent >= l.total {
			select {
			case <-until:
				return nil
			default:
			}
		}
		if err := l.accept(ctx, sent/batchSize); err != nil {
			return err
		}
		due := began.Add(time.Duration(sent+batchSize) * l.over / time.Duration(l.total))
		if !sleep(ctx, time.Until(due)) {
			return ctx.Err()
		}
	}
	return nil
}

// accept submits one batch until it is accepted. Half of the batches carry ids,
// and are sent again as they are; the others are new calls each time.
func (l *load) accept(ctx context.Context, batch int) error {
	withIDs := batch%2 == 0
	var numbers []number
	for try := 0; ; try++ {
		if numbers == nil || !withIDs {
			numbers = l.fresh()
		}
		submit := l.through(l.w.clients[(batch+try)%len(l.w.clients)], withIDs)
		if l.send != nil {
			submit = l.send(l, numbers)
		}
		trying, cancel := context.WithTimeout(ctx, 20*time.Second)
		err := submit(trying, numbers)
		cancel()
		if err == nil {
			l.note(numbers)
			id := numbers[0].call
			l.waiters.Go(func() { l.hear(ctx, id) })
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		l.mu.Lock()
		l.refused++
		l.mu.Unlock()
		if try > 300 {
			return fmt.Errorf("%s: nothing is accepted any more: %w", l.name, err)
		}
		sleep(ctx, 200*time.Millisecond)
	}
}

// hear waits for the outcome of a call as a user would, who asks another server
// when one does not answer, and who is patient as long as calls are run.
func (l *load) hear(ctx context.Context, id string) {
	end := time.Now().Add(stuckAfter)
	for try := 0; ctx.Err() == nil; try++ {
		out, err := l.w.clients[try%len(l.w.clients)].Result(ctx, id, 20*time.Second)
		if err == nil && out.Done() {
			return
		}
		if time.Now().After(end) && l.w.ledger.quiet() > stuckAfter {
			l.mu.Lock()
			l.unheard = append(l.unheard, fmt.Sprintf("who waits for call %s hears nothing: state %s, %v", id, out.State, err))
			l.mu.Unlock()
			return
		}
		sleep(ctx, 200*time.Millisecond)
	}
}

// priorities are those of the numbers modulo 8.
var priorities = map[int64]model.Priority{3: model.High, 5: model.Low}

// fresh makes a batch of numbers.
func (l *load) fresh() []number {
	numbers := make([]number, batchSize)
	for i := range numbers {
		n := l.w.next.Add(1)
		numbers[i] = number{n: n, fails: n%10 == 7, large: n%150 == 1, priority: priorities[n%8]}
		if l.crashes > 0 && n%int64(l.crashes) == 3 {
			numbers[i].fails, numbers[i].crashes = true, true
		}
		if l.w.long.is(n) {
			numbers[i].fails, numbers[i].lasts = false, l.w.long.lasts
		}
	}
	return numbers
}

func (l *load) note(numbers []number) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range numbers {
		n.accepted = now
		l.numbers = append(l.numbers, n)
	}
}

func (l *load) accepted() []number {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]number{}, l.numbers...)
}

// value is the argument that carries a number.
func (n number) value() json.RawMessage {
	do := "run"
	switch {
	case n.crashes:
		do = "crash"
	case n.fails:
		do = "fail"
	}
	more := ""
	if n.large {
		more += `,"large":true`
	}
	if n.lasts > 0 {
		more += fmt.Sprintf(`,"lasts":%g`, n.lasts.Seconds())
	}
	return fmt.Appendf(nil, `{"n":%d,"do":%q%s}`, n.n, do, more)
}

// through submits with a client.
func (l *load) through(c *client.Client, withIDs bool) send {
	return func(ctx context.Context, numbers []number) error {
		calls := make([]client.Submission, len(numbers))
		for i, n := range numbers {
			calls[i] = client.Submission{Socket: "start", Args: []json.RawMessage{n.value()}, Priority: n.priority}
			if withIDs {
				calls[i].ID = fmt.Sprintf("%s %d", l.name, n.n)
			}
		}
		done, err := c.SubmitBatch(ctx, calls)
		if err != nil {
			return err
		}
		for i := range numbers {
			numbers[i].call = done[i].ID
		}
		return nil
	}
}
