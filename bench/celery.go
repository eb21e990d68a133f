package main

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/rabbitmq/amqp091-go"
	"github.com/redis/go-redis/v9"
)

//go:embed celery/bench_tasks.py
var celeryTasks []byte

// debianPython is the interpreter that Debian's python3-celery belongs to.
const debianPython = "/usr/bin/python3"

// celery is a worker of two processes, and a program that sends it tasks.
type celery struct {
	b              *bench
	queue          string
	redis          *redis.Client
	worker, sender *exec.Cmd
	in             io.WriteCloser
	out            *bufio.Reader
	sent           int
}

// openCelery starts Celery: tuned for many short tasks, or as its first steps have it.
func (b *bench) openCelery(ctx context.Context, name string, tuned bool) (_ racer, err error) {
	if out, err := exec.CommandContext(ctx, debianPython, "-c", "import celery, redis").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s has no celery and redis (on Debian: apt-get install python3-celery python3-redis): %.80s", debianPython, out)
	}
	dir := filepath.Join(b.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "bench_tasks.py"), celeryTasks, 0o600); err != nil {
		return nil, err
	}
	options, err := redis.ParseURL(b.urls.redis)
	if err != nil {
		return nil, errors.New("the URL of Redis cannot be read")
	}
	c := &celery{b: b, queue: b.prefix + "." + name, redis: redis.NewClient(options)}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	var argument string
	if err := json.Unmarshal([]byte(payload), &argument); err != nil {
		return nil, err
	}
	env := append(os.Environ(), "BENCH_QUEUE="+c.queue, "BENCH_BROKER="+b.urls.amqp, "BENCH_BACKEND="+b.urls.redis, "BENCH_PAYLOAD="+argument)
	if tuned {
		env = append(env, "BENCH_TUNED=1")
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	start := func(args ...string) *exec.Cmd {
		cmd := exec.Command(debianPython, args...)
		cmd.Dir, cmd.Env, cmd.Stderr = dir, env, log
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
		return cmd
	}
	worker := start("-m", "celery", "-A", "bench_tasks", "worker", "--pool", "prefork", "--concurrency", "2", "--queues", c.queue,
		"--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING")
	worker.Stdout = log
	if err := worker.Start(); err != nil {
		return nil, err
	}
	c.worker = worker
	sender := start("bench_tasks.py")
	if c.in, err = sender.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := sender.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReader(out)
	if err := sender.Start(); err != nil {
		return nil, err
	}
	c.sender = sender
	return c, nil
}

func (c *celery) pids() []int { return []int{c.worker.Process.Pid, c.sender.Process.Pid} }

// round has n tasks sent, and waits until all their results are in Redis.
func (c *celery) round(ctx context.Context, n int) (done time.Time, err error) {
	first := c.sent
	c.sent += n
	if _, err := fmt.Fprintf(c.in, "%d %d\n", first, n); err != nil {
		return done, err
	}
	if _, err := c.out.ReadString('\n'); err != nil {
		return done, fmt.Errorf("the sender ended: %w", err)
	}
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("celery-task-meta-%s-%d", c.queue, first+i)
	}
	for _, part := range [][]string{keys[n-1:], keys} { // first only the last one, which is cheap
		err := until(ctx, roundLimit, 10*time.Millisecond, func() (bool, error) {
			done = time.Now()
			have, err := c.redis.Exists(ctx, part...).Result()
			return have == int64(len(part)), err
		})
		if err != nil {
			return done, err
		}
	}
	return done, c.redis.Unlink(ctx, keys...).Err()
}

func (c *celery) close() error {
	var errs []error
	if c.sender != nil {
		_ = c.in.Close()
		errs = append(errs, c.sender.Wait())
	}
	if c.worker != nil {
		_ = c.worker.Process.Signal(syscall.SIGTERM)
		killer := time.AfterFunc(20*time.Second, func() { _ = c.worker.Process.Kill() })
		_ = c.worker.Wait() // Celery ends with the signal's status
		killer.Stop()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	errs = append(errs, removeKeys(ctx, c.b.urls.redis, "celery-task-meta-"+c.queue+"-*"), c.redis.Close(), c.removeQueue())
	return errors.Join(errs...)
}

func (c *celery) removeQueue() error {
	conn, err := amqp091.Dial(c.b.urls.amqp)
	if err != nil {
		return errors.New("RabbitMQ cannot be reached")
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	_, err = ch.QueueDelete(c.queue, false, false, false)
	return errors.Join(err, ch.ExchangeDelete(c.queue, false, false))
}
