// Package faultproxy is a TCP proxy that breaks connections on purpose, so that
// tests can prove what happens then: Cut closes every connection, Stall keeps
// them open and passes nothing on, Slow passes little on and late, Refuse turns
// new ones away.
package faultproxy

import (
	"fmt"
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy passes connections on to a target until it is told not to.
type Proxy struct {
	target   string
	listener net.Listener

	mu      sync.Mutex // guards the fields below
	conns   map[net.Conn]struct{}
	refuse  bool
	stalled chan struct{} // closed while bytes may pass
	closed  bool
	delay   time.Duration // of each piece that is passed on
	rate    int           // bytes a second of each connection and direction; 0: no limit

	wg sync.WaitGroup
}

// New starts a proxy in front of target ("127.0.0.1:5672"). It ends with the test.
func New(t testing.TB, target string) *Proxy {
	t.Helper()
	p, err := Start(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// Start starts a proxy in front of target, for a program that is not a test.
// Close ends it.
func Start(target string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("fault proxy: %w", err)
	}
	open := make(chan struct{})
	close(open)
	p := &Proxy{target: target, listener: l, conns: map[net.Conn]struct{}{}, stalled: open}
	p.wg.Go(p.accept)
	return p, nil
}

// Addr is where the proxy listens.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Cut closes every connection now; new ones pass.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

// Refuse closes new connections at once, until called with false.
func (p *Proxy) Refuse(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = on
}

// Stall keeps connections open but passes nothing on, until called with false.
func (p *Proxy) Stall(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.stalled:
		if on {
			p.stalled = make(chan struct{})
		}
	default:
		if !on {
			close(p.stalled)
		}
	}
}

// Slow passes each piece on after a delay, and not more than so many bytes a
// second in each direction of a connection (0 is no limit), until called with
// zeros. A delay counts per piece read, so it is latency for small messages and
// bounds the throughput of large ones, too.
func (p *Proxy) Slow(delay time.Duration, bytesPerSecond int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay, p.rate = delay, bytesPerSecond
}

// dawdle waits for as long as a piece of n bytes is to take.
func (p *Proxy) dawdle(n int) {
	p.mu.Lock()
	wait := p.delay
	if p.rate > 0 {
		wait += time.Duration(n) * time.Second / time.Duration(p.rate)
	}
	p.mu.Unlock()
	if wait > 0 {
		time.Sleep(min(wait, time.Second)) // so that Close and the end of slowness come soon
	}
}

func (p *Proxy) accept() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.serve(in) })
	}
}

func (p *Proxy) serve(in net.Conn) {
	defer in.Close()
	if !p.add(in) {
		return
	}
	defer p.remove(in)
	out, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer out.Close()
	if !p.add(out) {
		return
	}
	defer p.remove(out)
	var both sync.WaitGroup
	both.Go(func() { p.copy(out, in) })
	both.Go(func() { p.copy(in, out) })
	both.Wait()
}

// copy passes bytes on while the gate is open, and closes both ends when one does.
func (p *Proxy) copy(dst, src net.Conn) {
	defer dst.Close()
	defer src.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := src.Read(buf)
		if n > 0 {
			<-p.gate()
			p.dawdle(n)
			if _, werr := dst.Write(buf[:n]); werr != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *Proxy) gate() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stalled
}

func (p *Proxy) add(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuse || p.closed {
		return false
	}
	p.conns[c] = struct{}{}
	return true
}

func (p *Proxy) remove(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// Close cuts everything and ends the proxy.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.Stall(false)
	_ = p.listener.Close()
	p.Cut()
	p.wg.Wait()
}
