package faultproxy

import (
	"io"
	"net"
	"testing"
	"time"
)

func TestSlowPassesBytesOnLate(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.Copy(c, c)
	}()
	p := New(t, l.Addr().String())
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	echo := func(n int) time.Duration {
		began := time.Now()
		if _, err := c.Write(make([]byte, n)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, n)); err != nil {
			t.Fatal(err)
		}
		return time.Since(began)
	}
	echo(1) // the connection is made
	p.Slow(100*time.Millisecond, 0)
	if d := echo(1); d < 200*time.Millisecond {
		t.Errorf("with a delay of 100 ms each way, a byte came back after %s", d)
	}
	p.Slow(0, 10_000)
	if d := echo(1000); d < 200*time.Millisecond {
		t.Errorf("at 10,000 bytes a second, 1,000 came back after %s", d)
	}
	p.Slow(0, 0)
	if d := echo(100_000); d > 10*time.Second { // slow it takes twice as long
		t.Errorf("not slow any more, 100,000 bytes came back after %s", d)
	}
}
