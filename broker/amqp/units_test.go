package amqp

import (
	"errors"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/internal/testenv"
	"github.com/rabbitmq/amqp091-go"
)

func TestLadderRoundsLittle(t *testing.T) {
	t.Parallel()
	for d := time.Millisecond; d <= delayMost; d += d/97 + time.Millisecond {
		r, err := rung(d)
		if err != nil || r < d || r-d > max(d/10, 50*time.Millisecond) {
			t.Fatalf("a delay of %s becomes %s (%v)", d, r, err)
		}
	}
	if _, err := rung(delayMost + 1); err == nil {
		t.Error("a delay above the most was accepted")
	}
	if !slices.IsSorted(ladder) || len(ladder) > 200 {
		t.Errorf("the ladder has %d rungs: %v", len(ladder), ladder)
	}
}

// What RabbitMQ 4 refuses or ignores, and what 3.10 misunderstands, must not be
// among the arguments.
func TestArgumentsFitBothVersions(t *testing.T) {
	t.Parallel()
	limits := broker.Limits{MessageTTL: time.Microsecond, MaxMessages: 1, MaxBytes: 1, Expires: 1}
	all := arguments("p/", broker.Queue{Name: "q", Limits: limits})
	want := []string{
		"x-consumer-timeout", "x-dead-letter-exchange", "x-dead-letter-routing-key", "x-dead-letter-strategy", "x-delivery-limit",
		"x-expires", "x-max-length", "x-max-length-bytes", "x-message-ttl", "x-overflow", "x-queue-type",
	}
	if got := slices.Sorted(maps.Keys(all)); !slices.Equal(got, want) {
		t.Errorf("arguments are %v, want %v", got, want)
	}
	if all["x-delivery-limit"].(int64) < 1 {
		t.Error("a delivery limit below 1 makes 3.10 drop messages at the first requeue")
	}
	if all["x-message-ttl"] != int64(1) || all["x-expires"] != int64(1) {
		t.Error("a small limit was rounded down to none")
	}
	// At-least-once dead-lettering needs these two.
	if all["x-overflow"] != "reject-publish" || all["x-queue-type"] != "quorum" {
		t.Error("dead letters could be lost")
	}
	if dead := arguments("p/", broker.Queue{Name: broker.DeadLetters}); dead["x-dead-letter-exchange"] != nil {
		t.Error("the dead letters dead-letter to themselves")
	}
}

func TestHeadersOfOtherClients(t *testing.T) {
	t.Parallel()
	got := headers(amqp091.Table{
		"s": "text", "n": int32(7), "b": true, "raw": []byte("raw"), "nil": nil, "table": amqp091.Table{},
		"x-death": []any{}, "x-first-death-queue": "q", "x-opt-a": "1", "x-mine": "kept",
	})
	want := map[string]string{"s": "text", "n": "7", "b": "true", "raw": "raw", "x-mine": "kept"}
	if !maps.Equal(got, want) {
		t.Errorf("headers are %v, want %v", got, want)
	}
}

func TestBlame(t *testing.T) {
	t.Parallel()
	gone := &amqp091.Error{Code: 404, Server: true, Reason: "NOT_FOUND - no exchange 'p/x' in vhost '/'"}
	large := &amqp091.Error{Code: 406, Server: true, Reason: "PRECONDITION_FAILED - message size 2000 is larger than configured max size 1000"}
	for _, c := range []struct {
		name     string
		cause    error
		exchange string
		size     int
		want     error
	}{
		{"the missing exchange", gone, "p/x", 1, broker.ErrUnroutable},
		{"another exchange", gone, "p/y", 1, nil},
		{"too large", large, "", 2000, broker.ErrTooLarge},
		{"not too large", large, "", 1000, nil},
		{"a lost connection", errors.New("EOF"), "p/x", 1, nil},
	} {
		if got := blame(c.cause, c.exchange, c.size); !errors.Is(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func TestErrorsKeepSecrets(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t"
	good := testenv.AMQP(t)
	_, place, _ := strings.Cut(good, "@")
	for what, url := range map[string]string{
		"a wrong password":    "amqp://guest:" + secret + "@" + place,
		"a URL with a blank":  "amqp://guest:" + secret + "@ho st/",
		"a bad port":          "amqp://guest:" + secret + "@host:port/",
		"another scheme":      "http://guest:" + secret + "@host/",
		"nobody listens":      "amqp://guest:" + secret + "@" + freeAddr(t) + "/",
		"percent in password": "amqp://guest:" + secret + "%zz@host/",
	} {
		_, err := Open(t.Context(), Config{URLs: []string{url}, openWait: 300 * time.Millisecond})
		switch {
		case err == nil:
			t.Errorf("%s: no error", what)
		case strings.Contains(err.Error(), secret):
			t.Errorf("%s: the error shows the password: %v", what, err)
		default:
			t.Logf("%s: %v", what, err)
		}
	}
	if _, err := Open(t.Context(), Config{}); err == nil {
		t.Error("no URL: no error")
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestBatchConnGathersAndBounds(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	ended := make(chan struct{})
	c := newBatchConn(ours, 50*time.Millisecond, func(f func()) { go func() { defer close(ended); f() }() })
	for range 100 {
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]byte, 200)
	for got := 0; got < 100; {
		n, err := theirs.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		got += n
	}
	_, _ = c.Write([]byte("nobody reads this"))
	<-ended // the stuck write was given up
	if _, err := c.Write([]byte("x")); err == nil {
		t.Error("a write after a failed one succeeded")
	}
	_ = theirs.Close()
	_ = c.Close()
}

// Of brokers that are too old the first word is that they are, and no other
// broker is refused.
func TestVersions(t *testing.T) {
	t.Parallel()
	for version, fits := range map[string]bool{
		"3.9.29": false, "2.8.7": false, "3.10.0": true, "3.13.7": true, "4.0.5": true, "4": true, "3.12+dev": true, "": true, "x.y": true,
	} {
		err := checkVersion(amqp091.Table{"product": "RabbitMQ", "version": version})
		if (err == nil) != fits {
			t.Errorf("%q: %v", version, err)
		}
		if err == nil {
			continue
		}
		if err := unavailable(t.Context(), err); !hopeless(err) || errors.Is(err, broker.ErrUnavailable) || !strings.Contains(err.Error(), version) {
			t.Errorf("%q: who opens the broker would wait for it: %v", version, err)
		}
	}
	if err := checkVersion(amqp091.Table{"product": "LavinMQ", "version": "2.1.0"}); err != nil {
		t.Error(err)
	}
}
