package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
)

// flow is a running "flow up" of our own.
type flow struct {
	b     *bench
	env   []string
	cmd   *exec.Cmd
	gone  chan error // what the program ended with, once
	api   *client.Client
	at    client.Config  // what the client was made from
	clean []func() error // run in reverse order after the program has ended
}

// build builds the program, unless one was given.
func (b *bench) build(ctx context.Context) (string, error) {
	if b.flow != "" {
		return b.flow, nil
	}
	path := filepath.Join(b.dir, "bin", "flow")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "./cmd/flow")
	cmd.Dir, cmd.Env, cmd.Stderr = b.root, append(os.Environ(), "CGO_ENABLED=0"), os.Stderr
	return path, cmd.Run()
}

// openFlow starts the program, on the services or on those inside of it, with
// workers for the functions of a repository.
func (b *bench) openFlow(ctx context.Context, onServices bool) (racer, error) {
	f, err := b.startFlow(ctx, "flow", onServices)
	if err != nil {
		return nil, err
	}
	if err := f.declare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("declare: %w", err), f.close())
	}
	return f, nil
}

// openShell starts the embedded program with workers for a shell script.
func (b *bench) openShell(ctx context.Context) (racer, error) {
	f, err := b.startFlow(ctx, "shell", false)
	if err != nil {
		return nil, err
	}
	err = f.process(ctx, client.ProcessorInput{Module: scripts, Runtime: model.RuntimeShell})
	if err == nil {
		err = f.one(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("declare: %w", err), f.close())
	}
	return f, nil
}

// startFlow starts the program without objects; what it writes is in a folder of that name.
func (b *bench) startFlow(ctx context.Context, name string, onServices bool) (f *flow, err error) {
	home := filepath.Join(b.dir, name, "embedded")
	args := []string{"up", "--listen", "127.0.0.1:0", "--cpus", strconv.Itoa(b.workers)}
	f = &flow{b: b}
	if onServices {
		home = filepath.Join(b.dir, name, "services")
		on, err := b.isolate(ctx)
		if err != nil {
			return nil, fmt.Errorf("make a place on the services: %w", err)
		}
		f.clean = append(f.clean, on.clean)
		args = append(args, "--broker", on.broker, "--backend", on.backend, "--db", on.db)
	}
	defer func(started *flow) {
		if err != nil {
			err = errors.Join(err, started.close())
		}
	}(f)
	f.env = append(os.Environ(), "XDG_CONFIG_HOME="+filepath.Join(home, "config"), "XDG_DATA_HOME="+filepath.Join(home, "data"), "FLOW_LOG_LEVEL=warn")
	if b.pprof != "" && (onServices || b.growing) {
		f.env = append(f.env, "FLOW_PPROF="+b.pprof)
	}
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, err
	}
	if err := f.start(ctx, home, args); err != nil {
		return nil, err
	}
	return f, nil
}

// start starts the program and waits until it says that it is ready.
func (f *flow) start(ctx context.Context, home string, args []string) error {
	log, err := os.Create(filepath.Join(home, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	f.cmd = exec.Command(f.b.flow, args...)
	f.cmd.Env, f.cmd.Stdout, f.cmd.Stderr = f.env, log, log
	f.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := f.cmd.Start(); err != nil {
		f.cmd = nil
		return err
	}
	f.gone = make(chan error, 1)
	go func() { f.gone <- f.cmd.Wait() }()
	err = until(ctx, time.Minute, 50*time.Millisecond, func() (bool, error) {
		select {
		case err := <-f.gone:
			f.cmd = nil // nothing is left to end
			return false, cmp.Or(err, errors.New("it ended"))
		default:
		}
		said, err := os.ReadFile(log.Name())
		if err != nil || !bytes.Contains(said, []byte("flow is ready")) {
			return false, err
		}
		return true, f.connect(home, said)
	})
	if err != nil {
		said, _ := os.ReadFile(log.Name())
		return fmt.Errorf("start flow: %w\n%s", err, said)
	}
	return nil
}

var address = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// connect makes the client, with the token that the program has written down.
func (f *flow) connect(home string, said []byte) error {
	data, err := os.ReadFile(filepath.Join(home, "data", "flow", "admin.token"))
	if err != nil {
		return err
	}
	f.at = client.Config{Server: string(address.Find(said)), Token: string(bytes.TrimSpace(data))}
	f.api = client.New(f.at)
	return nil
}

// The names of what is declared.
const (
	queueName     = "bench"
	processorName = "bench"
	noop          = "bench.noop"
	pair          = "bench.pair"
	chainLength   = 40
)

func step(i int) string { return fmt.Sprintf("bench.step%02d", i) }

// declare makes the objects, whose workers run by then.
func (f *flow) declare(ctx context.Context) error {
	if _, err := f.api.Queues().Create(ctx, model.Queue{Object: model.Object{Name: queueName}, Type: model.Direct}); err != nil {
		return err
	}
	if err := f.process(ctx, pythonFunctions()); err != nil {
		return err
	}
	tasks := map[string]string{noop: "noop", pair: "pair"}
	for i := range chainLength {
		tasks[step(i)] = fmt.Sprintf("step%02d", i)
	}
	for name, task := range tasks {
		s := model.Socket{Object: model.Object{Name: name}, Processor: processorName, Queue: queueName, Task: task}
		if _, err := f.api.Sockets().Create(ctx, s.WithDefaults()); err != nil {
			return err
		}
	}
	for i := range chainLength - 1 {
		p := model.Plug{Object: model.Object{Name: fmt.Sprintf("plug%02d", i)}, Type: model.PlugResult, Source: step(i), Target: step(i + 1)}
		if _, err := f.api.Plugs().Create(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

func (f *flow) working() (bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	page, err := f.api.Workers().List(ctx, client.ListOptions{})
	n := 0
	for _, w := range page.Items {
		if w.Status == model.StatusRunning {
			n++
		}
	}
	return n == f.b.workers, err
}

func (f *flow) pids() []int { return []int{f.cmd.Process.Pid} }

// close ends the program, and removes what it has made on the services.
func (f *flow) close() error {
	var errs []error
	if f.cmd != nil {
		_ = f.cmd.Process.Signal(syscall.SIGTERM)
		killer := time.AfterFunc(20*time.Second, func() { _ = f.cmd.Process.Kill() })
		if err := <-f.gone; err != nil {
			errs = append(errs, fmt.Errorf("flow up: %w", err))
		}
		killer.Stop()
	}
	for _, clean := range slices.Backward(f.clean) {
		errs = append(errs, clean())
	}
	return errors.Join(errs...)
}

// batchOf is how many calls are submitted in one request.
const batchOf = 500

// round submits n calls, two requests at a time, and waits for their end: first
// for the outcome of the last one, which costs nothing, then for the history.
func (f *flow) round(ctx context.Context, n int) (done time.Time, err error) {
	began := time.Now()
	last, err := f.submit(ctx, n, func(int) string { return noop })
	if err != nil {
		return done, err
	}
	if err := f.ends(ctx, last.id); err != nil {
		return done, err
	}
	if _, err := f.recorded(ctx, noop, last.since, last.n); err != nil { // counting these costs next to nothing
		return done, err
	}
	return f.recorded(ctx, noop, began, int64(n))
}

// tail is the last request of a submission.
type tail struct {
	since time.Time
	n     int64  // calls in it
	id    string // of the last one
}

// submit submits n calls, two requests at a time.
func (f *flow) submit(ctx context.Context, n int, socket func(i int) string) (last tail, err error) {
	g, sending := errgroup.WithContext(ctx)
	g.SetLimit(2)
	for from := 0; from < n; from += batchOf {
		calls := make([]client.Submission, min(n-from, batchOf))
		for i := range calls {
			calls[i] = client.Submission{Socket: socket(from + i), Args: []json.RawMessage{json.RawMessage(payload)}}
		}
		final := from+batchOf >= n
		g.Go(func() error {
			since := time.Now()
			done, err := f.api.SubmitBatch(sending, calls)
			if err == nil && final {
				last = tail{since, int64(len(done)), done[len(done)-1].ID}
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return last, fmt.Errorf("submit: %w", err)
	}
	return last, nil
}

// ends waits for the outcome of a call.
func (f *flow) ends(ctx context.Context, call string) error {
	err := until(ctx, roundLimit, 20*time.Millisecond, func() (bool, error) {
		out, err := f.api.Result(ctx, call, roundLimit)
		if client.IsNotFound(err) {
			return false, nil // accepted a moment ago
		}
		return out.Done(), err
	})
	if err != nil {
		return fmt.Errorf("wait for the last call: %w", err)
	}
	return nil
}

// recorded waits until the history has that many ended calls of the socket, or
// of all, that were made since, and returns when that was. Counting costs the database
// something, and a pause that is too long is measured, too: so it is a part of the time
// that the rest should need, and of that which has passed.
func (f *flow) recorded(ctx context.Context, socket string, since time.Time, want int64) (done time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, roundLimit)
	defer cancel()
	for {
		asked := time.Now()
		have, err := f.ended(ctx, socket, since)
		if have >= want || err != nil {
			return asked, err
		}
		rest := time.Duration(float64(time.Since(since)) * float64(want-have) / float64(max(have, 1)))
		select {
		case <-ctx.Done():
			return asked, fmt.Errorf("%d of %d calls are on record after %s: %w", have, want, roundLimit, ctx.Err())
		case <-time.After(max(min(rest/3, time.Since(since)/5), 5*time.Millisecond)):
		}
	}
}

// ended counts the calls of a socket, or of all, that were made since and
// succeeded: those of a round, so that none pays for counting those before it.
// Whoever makes calls has our clock, being on the same machine.
func (f *flow) ended(ctx context.Context, socket string, since time.Time) (int64, error) {
	page, err := f.api.Calls(ctx, client.CallFilter{Socket: socket, State: model.Succeeded, Since: since, Exact: true, Limit: 1})
	return page.Total, err
}

// until asks again and again until the answer is yes.
func until(ctx context.Context, limit, pause time.Duration, ask func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		ok, err := ask()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not done after %s: %w", limit, ctx.Err())
		case <-time.After(pause):
		}
	}
}
