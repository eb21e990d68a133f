package redis_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/result/redis"
)

// pretender is a server that answers as a Redis would that says info of itself, and
// refuses all but that.
func pretender(t *testing.T, info, refusal string) *goredis.Client {
	t.Helper()
	return pretending(t, func(command []string) string {
		if command[0] == "info" && info != "" {
			return bulk(info)
		}
		return "-" + refusal + "\r\n"
	})
}

func bulk(text string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(text), text) }

// pretending is a server that answers pings, and other commands as told. It ends the
// connection instead of giving an empty answer.
func pretending(t *testing.T, answer func(command []string) string) *goredis.Client {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := goredis.NewClient(&goredis.Options{Addr: l.Addr().String(), Protocol: 2, MaxRetries: -1, ContextTimeoutEnabled: true})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			pretend(conn, answer)
		}
	}()
	t.Cleanup(func() {
		_ = c.Close()
		_ = l.Close()
		<-ended
	})
	return c
}

// pretend answers commands until the connection ends.
func pretend(conn net.Conn, answer func(command []string) string) {
	defer func() { _ = conn.Close() }()
	in := bufio.NewReader(conn)
	length := func(kind string) int {
		line, _ := in.ReadString('\n')
		n, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(line, kind)))
		if err != nil {
			return -1
		}
		return n
	}
	for {
		words := make([]string, max(length("*"), 0))
		for i := range words {
			word := make([]byte, max(length("$"), 0)+2)
			if _, err := io.ReadFull(in, word); err != nil {
				return
			}
			words[i] = strings.ToLower(string(word[:len(word)-2]))
		}
		text := "+PONG\r\n"
		switch {
		case len(words) == 0:
			return
		case words[0] != "ping":
			text = answer(words)
		}
		if _, err := io.WriteString(conn, text); err != nil || text == "" {
			return
		}
	}
}

const unknown = "ERR unknown command"

// TestAdvice: a Redis that may forget claims is used, with a warning.
func TestAdvice(t *testing.T) {
	t.Parallel()
	const server = "redis_version:7.0.15\r\nredis_mode:standalone\r\n"
	for memory, want := range map[string]string{
		"": "",
		"maxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n":            "",
		"maxmemory:1073741824\r\nmaxmemory_policy:noeviction\r\n":    "",
		"maxmemory:1073741824\r\nmaxmemory_policy:volatile-lru\r\n":  "maxmemory-policy volatile-lru",
		"maxmemory:1073741824\r\nmaxmemory_policy:allkeys-lfu\r\n\n": "maxmemory-policy allkeys-lfu",
	} {
		advice, err := redis.Check(testenv.Context(t, time.Minute), pretender(t, server+memory, unknown))
		if err != nil || (advice != "") != (want != "") || !strings.Contains(advice, want) {
			t.Errorf("%q: advice %q, %v; want %q", memory, advice, err, want)
		}
	}
}

// TestFullMemory: a Redis without memory left is waited for.
func TestFullMemory(t *testing.T) {
	t.Parallel()
	s := redis.New(pretender(t, "", "OOM command not allowed when used memory > 'maxmemory'."), redis.Config{})
	defer func() { _ = s.Close() }()
	ctx := testenv.Context(t, time.Minute)
	if _, err := s.Claim(ctx, "me", time.Minute, "call"); !errors.Is(err, result.ErrUnavailable) {
		t.Errorf("claiming gave %v", err)
	}
	if _, err := s.Put(ctx, time.Minute, result.Result{Call: "call"}); !errors.Is(err, result.ErrUnavailable) {
		t.Errorf("keeping a result gave %v", err)
	}
	if err := s.Health(ctx); !errors.Is(err, result.ErrUnavailable) || !strings.Contains(err.Error(), "--keep-results") {
		t.Errorf("its health is %v", err)
	}
}

// TestCheck: a Redis that lacks what is needed is named for what it is, and is not
// waited for; one that says nothing of itself is tried.
func TestCheck(t *testing.T) {
	t.Parallel()
	for info, wrong := range map[string]string{
		"":                                "",
		"# Server\r\nredis_version:?\r\n": "",
		"# Server\r\nredis_version:6.2.14\r\nredis_mode:standalone\r\n": "Redis 6.2.14 is too old",
		"# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n": "",
		"# Server\r\nredis_version:7.2.4\r\nredis_mode:sentinel\r\n":    "",
		"# Server\r\nredis_version:7.2.4\r\nredis_mode:cluster\r\n":     "Redis Cluster",
		"# Server\r\nredis_version:10.0.1\r\nredis_mode:standalone\r\n": "",
	} {
		_, err := redis.Check(testenv.Context(t, time.Minute), pretender(t, info, unknown))
		switch {
		case wrong == "" && err != nil, wrong != "" && (err == nil || !strings.Contains(err.Error(), wrong)):
			t.Errorf("%q: %v, want %q", info, err, wrong)
		case errors.Is(err, result.ErrUnavailable):
			t.Errorf("%q: it would be waited for: %v", info, err)
		}
	}
	if _, err := redis.Check(testenv.Context(t, time.Minute), client(t, testenv.Redis(t))); err != nil {
		t.Error(err)
	}
	away := goredis.NewClient(&goredis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	defer func() { _ = away.Close() }()
	if _, err := redis.Check(testenv.Context(t, time.Minute), away); !errors.Is(err, result.ErrUnavailable) {
		t.Errorf("a Redis that is away: %v", err)
	}
}
