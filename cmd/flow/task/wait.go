package task

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/exit"
)

const (
	// firstWait is how long the submission itself waits for the end. Most calls
	// end within it, in one round trip; of the others it is then known that they
	// were accepted.
	firstWait = 500 * time.Millisecond
	// stepWait is how long one request waits; a connection that breaks costs
	// no more than that.
	stepWait = 30 * time.Second
	// firstPause and maxPause are between tries while the server is away.
	firstPause = 100 * time.Millisecond
	maxPause   = 2 * time.Second
)

// wait submits the call and waits for its end. A server that goes away in
// between is asked again: the call's id makes that safe.
func wait(ctx context.Context, o *RunOptions, c *client.Client, s client.Submission) (client.Outcome, error) {
	w := waiter{o: o, c: c, submission: named(s), end: time.Now().Add(o.Timeout)}
	w.out.ID = w.submission.ID
	return w.run(ctx)
}

type waiter struct {
	o          *RunOptions
	c          *client.Client
	submission client.Submission
	end        time.Time
	out        client.Outcome
	accepted   bool // the server has the call
	sent       bool // the server may have the call
	pause      time.Duration
}

func (w *waiter) run(ctx context.Context) (client.Outcome, error) {
	for {
		err := w.step(ctx)
		switch {
		case err == nil && w.out.Done():
			return w.out, nil
		case ctx.Err() != nil:
			return w.out, w.interrupted()
		case err != nil && !w.again(err):
			return w.out, err
		case time.Until(w.end) <= 0:
			return w.out, w.late()
		case err != nil && !w.rest(ctx, err):
			return w.out, w.interrupted()
		}
	}
}

// step is one request: the submission until it is known to be accepted, then
// the question for the result.
func (w *waiter) step(ctx context.Context) error {
	left := max(time.Until(w.end), time.Millisecond)
	var out client.Outcome
	var err error
	if w.accepted {
		out, err = w.c.Result(ctx, w.out.ID, min(left, stepWait))
	} else {
		out, err = w.c.SubmitWait(ctx, w.submission, min(left, firstWait))
	}
	if err != nil {
		return err
	}
	w.out, w.accepted, w.pause = out, true, 0
	return nil
}

// again tells whether to ask again after an error. A server that was never
// reached is not waited for.
func (w *waiter) again(err error) bool {
	if w.accepted {
		return client.IsTemporary(err)
	}
	code := client.CodeOf(err)
	var dial *net.OpError
	if code == client.CodeUnreachable && errors.As(err, &dial) && dial.Op == "dial" {
		return w.sent
	}
	if code != client.CodeUnreachable && code != client.CodeTimeout {
		return false
	}
	w.sent = true
	return true
}

// rest waits before the next try; it is false when ctx has ended.
func (w *waiter) rest(ctx context.Context, err error) bool {
	if w.pause == 0 {
		w.o.Note("%v; asking again", err)
	}
	w.pause = min(max(2*w.pause, firstPause), maxPause)
	t := time.NewTimer(min(w.pause, max(time.Until(w.end), 0)))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func (w *waiter) interrupted() error {
	text := "interrupted: call %s goes on"
	if !w.accepted {
		text = "interrupted: call %s may have been accepted"
	}
	return &exit.Error{Code: exit.Interrupted, Message: fmt.Sprintf(text, w.out.ID), Next: look(w.out.ID), Err: context.Canceled}
}

func (w *waiter) late() error {
	state := "may have been accepted"
	if w.accepted {
		state = "is " + string(w.out.State) + " and goes on"
	}
	return &exit.Error{
		Code: exit.Timeout, Next: look(w.out.ID),
		Message: fmt.Sprintf("call %s has not ended within %s: it %s", w.out.ID, w.o.Timeout, state),
	}
}

func look(id string) string { return "flow ls call --id " + id + " --result --wait 1h" }
