package task

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/exit"
	"github.com/elasticcode/flow/cmd/flow/outcome"
	"github.com/elasticcode/flow/cmd/flow/value"
	"github.com/elasticcode/flow/model"
)

const (
	// inFlight is how many lines are calls that have not ended.
	inFlight = 64
	// batch is how many lines are submitted together when nobody waits.
	batch = 500
)

// line is a line of stdin and what came of it.
type line struct {
	number int
	out    client.Outcome
	err    error
	done   chan struct{}
}

// runLines calls the function for each line, several at a time, and prints the
// results in the order of the lines. A call that fails is told of on stderr,
// and the others go on.
func runLines(ctx context.Context, o *RunOptions, c *client.Client, base client.Submission) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	queue := make(chan *line, inFlight-1) // the one that is waited for makes it inFlight
	go func() {
		defer close(queue)
		source := bufio.NewReader(o.In)
		for number := 1; ; number++ {
			text, err := readLine(source)
			if errors.Is(err, io.EOF) {
				return
			}
			l := &line{number: number, err: err, done: make(chan struct{})}
			select {
			case queue <- l:
			case <-ctx.Done():
				return
			}
			if err != nil {
				close(l.done)
				return
			}
			go func() {
				defer close(l.done)
				l.out, l.err = wait(ctx, o, c, withText(base, text))
			}()
		}
	}()
	return printLines(o, queue)
}

func printLines(o *RunOptions, queue <-chan *line) error {
	failures, total := 0, 0
	for l := range queue {
		<-l.done
		err := l.err
		if err == nil {
			err = outcome.Show(o.Factory, l.out, o.Format)
		}
		total++
		switch {
		case err == nil:
		case exit.Code(err) == exit.Remote:
			failures++
			o.Note("line %d: %v", l.number, err)
		default:
			return fmt.Errorf("line %d: %w", l.number, err)
		}
	}
	if failures > 0 {
		return &exit.Error{Code: exit.Remote, Message: fmt.Sprintf("%d of %d calls failed", failures, total), Next: "flow ls calls --state failed"}
	}
	return nil
}

func withText(base client.Submission, text string) client.Submission {
	base.Args = []json.RawMessage{value.Text(text)}
	return base
}

// readLine returns the next line without its end; io.EOF when there is none.
func readLine(r *bufio.Reader) (string, error) {
	var out []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(out)+len(part) > model.MaxPayload {
			return "", exit.Usagef("it is larger than the %d MiB a call may carry", model.MaxPayload>>20)
		}
		out = append(out, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(out) == 0:
			return "", io.EOF
		case err != nil && !errors.Is(err, io.EOF):
			return "", fmt.Errorf("read stdin: %w", err)
		case !utf8.Valid(out):
			return "", exit.Usagef("it is not UTF-8 text")
		}
		return value.Chomp(string(out)), nil
	}
}

// submitLines submits a call for each line, as many together as have come, and
// prints their ids.
func submitLines(ctx context.Context, o *RunOptions, c *client.Client, base client.Submission) error {
	source := bufio.NewReaderSize(o.In, 256<<10)
	for number := 1; ; {
		calls, err := readBatch(source, base)
		if len(calls) > 0 {
			got, err := c.SubmitBatch(ctx, calls)
			if err != nil {
				return fmt.Errorf("lines %d to %d: %w", number, number+len(calls)-1, err)
			}
			for _, s := range got {
				if _, err := fmt.Fprintln(o.Out, s.ID); err != nil {
					return err
				}
			}
			number += len(calls)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
}

// readBatch waits for a line, and takes those that are already there with it.
func readBatch(r *bufio.Reader, base client.Submission) ([]client.Submission, error) {
	var calls []client.Submission
	size := 0
	for len(calls) < batch && size < model.MaxPayload {
		if len(calls) > 0 {
			if ready, _ := r.Peek(r.Buffered()); bytes.IndexByte(ready, '\n') < 0 {
				break
			}
		}
		text, err := readLine(r)
		if err != nil {
			return calls, err
		}
		calls = append(calls, named(withText(base, text)))
		size += len(text)
	}
	return calls, nil
}
