package amqp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/rabbitmq/amqp091-go"
)

const (
	// heartbeat: RabbitMQ gives up a client that stands still after two or three of them.
	// What it had is to run elsewhere within 30 s.
	heartbeat = 8 * time.Second
	dialWait  = 10 * time.Second
)

// session is one connection from its beginning to its end. It is never revived.
type session struct {
	conn *amqp091.Connection
	net  *batchConn
	addr string
	done chan struct{} // closed when the connection has ended

	mu        sync.Mutex // guards the fields below
	cause     error      // why it ended
	blocked   string     // why the broker takes nothing now; empty when it does
	unblocked chan struct{}
	acks      map[*acks]struct{} // of the consumers on this connection
}

// dial opens a connection to one host. ctx bounds the dialling only.
func dial(ctx context.Context, h host, name string, cfg Config, run func(func())) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, dialWait)
	defer cancel()
	s := &session{addr: h.addr, done: make(chan struct{}), acks: map[*acks]struct{}{}}
	stop := func() bool { return true }
	conn, err := amqp091.DialConfig(h.url, amqp091.Config{
		Heartbeat:  heartbeat,
		Properties: properties(name),
		Dial: func(network, addr string) (net.Conn, error) {
			d := net.Dialer{KeepAlive: heartbeat}
			c, err := d.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			// The library clears this deadline after the handshake.
			deadline, _ := ctx.Deadline()
			if err := c.SetDeadline(deadline); err != nil {
				return nil, errors.Join(err, c.Close())
			}
			s.net = newBatchConn(c, cfg.writeWait, run)
			stop = context.AfterFunc(ctx, s.net.abort) // the handshake knows no context
			return s.net, nil
		},
	})
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = checkVersion(conn.Properties)
	}
	if err != nil {
		if s.net != nil {
			s.net.abort()
		}
		return nil, fmt.Errorf("connect to %s: %w", h.addr, err)
	}
	s.conn = conn
	run(func() { s.watch(cfg.Logger) })
	return s, nil
}

func properties(name string) amqp091.Table {
	p := amqp091.NewConnectionProperties()
	p["product"] = "Flow"
	hostname, _ := os.Hostname()
	p.SetClientConnectionName(name + "@" + hostname + "." + strconv.Itoa(os.Getpid()))
	return p
}

// watch notes what the broker says of the connection until it ends.
func (s *session) watch(log *slog.Logger) {
	closes := s.conn.NotifyClose(make(chan *amqp091.Error, 1))
	blocks := s.conn.NotifyBlocked(make(chan amqp091.Blocking, 1))
	for {
		select {
		case e := <-closes:
			s.mu.Lock()
			switch {
			case s.cause != nil: // it was given up
			case e != nil:
				s.cause = e
			default:
				s.cause = errors.New("the connection was closed")
			}
			s.mu.Unlock()
			s.setBlocked("")
			close(s.done)
			return
		case b, ok := <-blocks:
			switch {
			case !ok:
				blocks = nil
			case b.Active:
				log.Warn("the broker takes no messages now", "host", s.addr, "reason", b.Reason)
				s.setBlocked(cmp.Or(b.Reason, "no reason given"))
			default:
				log.Info("the broker takes messages again", "host", s.addr)
				s.setBlocked("")
			}
		}
	}
}

func (s *session) setBlocked(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if why != "" && s.blocked == "" {
		s.unblocked = make(chan struct{})
	}
	if why == "" && s.blocked != "" {
		close(s.unblocked)
	}
	s.blocked = why
}

// isBlocked returns why the broker takes no messages, and a channel that is
// closed when it does again.
func (s *session) isBlocked() (why string, until <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.blocked, s.unblocked
}

// giveUp ends a connection that is of no use although it stands.
func (s *session) giveUp(why error) {
	s.mu.Lock()
	if s.cause == nil {
		s.cause = why
	}
	s.mu.Unlock()
	s.net.abort()
}

func (s *session) why() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cause
}

// ended tells whether the connection is known to be gone.
func (s *session) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return s.conn.IsClosed()
	}
}

// carry makes close send the acks that wait; drop ends that.
func (s *session) carry(a *acks) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acks[a] = struct{}{}
}

func (s *session) drop(a *acks) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.acks, a)
}

// close says goodbye to the broker, but not for long.
func (s *session) close() {
	s.mu.Lock()
	waiting := slices.Collect(maps.Keys(s.acks))
	s.mu.Unlock()
	for _, a := range waiting {
		a.flushNow()
	}
	_ = s.conn.CloseDeadline(time.Now().Add(time.Second))
	s.net.abort()
	<-s.done
}
