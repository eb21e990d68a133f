package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// spare is by how much the number of goroutines of a process may differ between
// two times at which it has nothing to do: connections that are kept open have some.
const spare = 30

// counted are the goroutines of each process that lives still, and of which
// process they were.
type counted map[string]struct{ pid, goroutines int }

// goroutines counts until nothing gets fewer any more, for 10 s at most.
func (w *world) goroutines(ctx context.Context) counted {
	w.http.CloseIdleConnections() // each has goroutines in a server
	out := counted{}
	for range 10 {
		fewer := false
		for _, p := range w.all() {
			pid, n, err := p.goroutines(ctx)
			if old, known := out[p.name]; err == nil && (!known || n < old.goroutines) {
				out[p.name], fewer = struct{ pid, goroutines int }{pid, n}, true
			}
		}
		if !fewer || !sleep(ctx, time.Second) {
			break
		}
	}
	return out
}

var (
	total    = regexp.MustCompile(`goroutine profile: total (\d+)`)
	alike    = regexp.MustCompile(`(?m)^(\d+) @ `) // how many goroutines have the stack that follows
	ofClient = "net/http.(*conn).serve"            // serves a connection, which a client may keep for a while
)

// goroutines asks the process for its goroutines. Those of HTTP connections do
// not count: they are as many as clients keep.
func (p *process) goroutines(ctx context.Context) (pid, n int, err error) {
	text, err := p.profile(ctx)
	if err != nil {
		return 0, 0, err
	}
	m := total.FindStringSubmatch(text)
	if m == nil {
		return 0, 0, fmt.Errorf("%s tells no number of goroutines", p.name)
	}
	n, err = strconv.Atoi(m[1])
	for stack := range strings.SplitSeq(text, "\n\n") {
		if m := alike.FindStringSubmatch(stack); m != nil && strings.Contains(stack, ofClient) {
			clients, _ := strconv.Atoi(m[1])
			n -= clients
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd.Process.Pid, n, err
}

// profile is where the goroutines are.
func (p *process) profile(ctx context.Context) (string, error) {
	return p.debug(ctx, "pprof/goroutine?debug=1")
}

// debug asks the process for what it tells developers.
func (p *process) debug(ctx context.Context, what string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.pprof+"/debug/"+what, nil)
	if err != nil {
		return "", err
	}
	req.Close = true // a connection that stays has goroutines, too
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return string(text), err
}

// leakedGoroutines compares what a process has now with what it had when it had
// nothing to do for the first time, or another one of its kind.
func (w *world) leakedGoroutines(ctx context.Context, before counted) (report string, leaks []string) {
	now := w.goroutines(ctx)
	for _, p := range w.all() {
		was, is := before[p.name].goroutines, now[p.name].goroutines
		report += fmt.Sprintf(" %s %d→%d", p.name, was, is)
		if is > was+spare {
			text, _ := p.profile(ctx)
			leaks = append(leaks, fmt.Sprintf("%s has %d goroutines after %d; most are:\n%s", p.name, is, was, strings.Join(strings.SplitN(text, "\n\n", 4)[:3], "\n\n")))
		}
	}
	return report, leaks
}

// places counts the places that calls have in rooms of limited sockets.
func (s *services) places(ctx context.Context, prefix string) (int64, error) {
	c := redis.NewClient(&redis.Options{Addr: s.redis})
	defer c.Close()
	rooms, err := s.keys(ctx, c, prefix, "*:room")
	if err != nil {
		return 0, err
	}
	now, err := c.Time(ctx).Result()
	if err != nil {
		return 0, err
	}
	var held int64
	for _, r := range rooms {
		n, err := c.ZCount(ctx, r, strconv.FormatInt(now.UnixMilli(), 10), "+inf").Result()
		if err != nil {
			return 0, err
		}
		held += n
	}
	return held, nil
}

// claims counts the calls that somebody has claimed to run: those that have a claim in
// the place of a result, "TOKEN UNTIL HOLDER", that was not given back and has not ended.
func (s *services) claims(ctx context.Context, prefix string) (n int64, err error) {
	c := redis.NewClient(&redis.Options{Addr: s.redis})
	defer c.Close()
	keys, err := s.keys(ctx, c, prefix, "*:result")
	if err != nil {
		return 0, err
	}
	now, err := c.Time(ctx).Result()
	if err != nil {
		return 0, err
	}
	for part := range slices.Chunk(keys, 1000) {
		kept, err := c.MGet(ctx, part...).Result()
		if err != nil {
			return 0, err
		}
		for _, k := range kept {
			text, there := k.(string)
			if !there || strings.HasPrefix(text, "{") {
				continue
			}
			var token, until int64
			if _, err := fmt.Sscan(text, &token, &until); err != nil {
				return 0, fmt.Errorf("a claim says %.40q: %w", text, err)
			}
			if until > now.UnixMilli() {
				n++
			}
		}
	}
	return n, nil
}

// unfreed waits until no call holds anything any more after a scenario: a message in
// the queue, a claim, a place of a limit. What killed processes held ends by itself
// after 15 s.
func (w *world) unfreed(ctx context.Context) []string {
	var held []string
	_ = w.await(ctx, 25*time.Second, "everything to be free", func() bool {
		held = w.held(ctx)
		return len(held) == 0
	})
	return held
}

// held says what calls hold now.
func (w *world) held(ctx context.Context) []string {
	out := w.waiting(ctx)
	type counter struct {
		what  string
		count func(context.Context, string) (int64, error)
	}
	counters := []counter{{"claims", w.inside("claims")}, {"places of limits", w.inside("places")}}
	if w.behind != nil {
		counters = []counter{{"claims", w.behind.claims}, {"places of limits", w.behind.places}, {"messages that are not acked", w.behind.unacked}}
	}
	for _, c := range counters {
		if len(out) > 0 {
			break // the last one takes a second
		}
		n, err := c.count(ctx, w.prefix)
		switch {
		case err != nil:
			out = append(out, fmt.Sprintf("%s cannot be counted: %v", c.what, err))
		case n > 0:
			out = append(out, fmt.Sprintf("%d %s are left although nothing runs", n, c.what))
		}
	}
	return out
}

// inside returns how to count what calls hold inside the processes of an embedded
// stack.
func (w *world) inside(what string) func(context.Context, string) (int64, error) {
	return func(ctx context.Context, _ string) (sum int64, err error) {
		for _, p := range w.all() {
			text, err := p.debug(ctx, "held")
			if err != nil {
				return 0, err
			}
			var held map[string]map[string]int64
			if err := json.Unmarshal([]byte(text), &held); err != nil {
				return 0, fmt.Errorf("%s says %.80q: %w", p.name, text, err)
			}
			if len(held) == 0 {
				return 0, fmt.Errorf("%s does not say what calls hold", p.name)
			}
			for _, counts := range held {
				n, known := counts[what]
				if !known {
					return 0, fmt.Errorf("%s does not say how many %s there are: %s", p.name, what, text)
				}
				sum += n
			}
		}
		return sum, nil
	}
}

// unacked counts what a RabbitMQ of our own has delivered and nobody has settled.
// One that is shared does not tell: there it is what is in the queues again when
// all processes have ended.
func (s *services) unacked(ctx context.Context, _ string) (int64, error) {
	if s.own == nil {
		return 0, nil
	}
	out, err := s.own.ask(ctx, "list_queues", "--quiet", "--no-table-headers", "messages_unacknowledged")
	var sum int64
	for n := range strings.FieldsSeq(out) {
		one, _ := strconv.ParseInt(n, 10, 64)
		sum += one
	}
	return sum, err
}

// fallen names the processes that do not run: nothing but a fault ends one.
func (w *world) fallen() []string {
	var out []string
	for _, p := range w.all() {
		if !p.running() {
			out = append(out, p.name+" has ended by itself; the last of its log:\n"+p.tail())
		}
	}
	return out
}
