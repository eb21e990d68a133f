package amqp

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/rabbitmq/amqp091-go"
)

// link keeps one connection up: it dials again whenever the session ends.
//
//	down ──dial──► up ──lost──► down, and so on until the context ends
type link struct {
	name     string
	cfg      Config
	hosts    []host
	run      func(func()) // starts a goroutine that the broker waits for
	log      *slog.Logger
	sessions *slot[session]
	channels atomic.Int64 // consumers that have a channel here
}

// spareChannels are left for what is not consuming.
const spareChannels = 16

var errNotYet = errors.New("not connected yet")

func newLink(name string, cfg Config, hosts []host, run func(func())) *link {
	return &link{
		name: name, cfg: cfg, hosts: hosts, run: run, log: cfg.Logger.With("connection", name),
		sessions: newSlot[session](errNotYet),
	}
}

// Run keeps the connection up until ctx ends.
func (l *link) Run(ctx context.Context) {
	var b backoff
	for ctx.Err() == nil {
		s, err := l.dial(ctx)
		if err != nil {
			l.sessions.set(nil, err)
			l.log.WarnContext(ctx, "cannot reach the broker; trying again", "err", err)
			b.wait(ctx)
			continue
		}
		began := time.Now()
		l.log.InfoContext(ctx, "connected to the broker", "host", s.addr)
		l.sessions.set(s, nil)
		select {
		case <-s.done:
			l.sessions.set(nil, s.why())
			l.log.WarnContext(ctx, "lost the broker; connecting again", "host", s.addr, "err", s.why())
			s.net.abort()
		case <-ctx.Done():
			s.close()
		}
		b.ran(time.Since(began))
		b.wait(ctx)
	}
	l.sessions.set(nil, errClosed)
}

// dial tries all hosts once, in random order.
func (l *link) dial(ctx context.Context) (*session, error) {
	var first error
	for _, i := range rand.Perm(len(l.hosts)) {
		s, err := dial(ctx, l.hosts[i], l.cfg.Name+"."+l.name, l.cfg, l.run)
		if err == nil {
			return s, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// session waits for the connection to be up.
func (l *link) session(ctx context.Context) (*session, error) {
	s, why := l.sessions.next(ctx, nil, nil)
	if s == nil {
		return nil, unavailable(ctx, why)
	}
	return s, nil
}

// room is how many consumers may be here. RabbitMQ allows 2047 channels unless
// told otherwise, and one reader goroutine serves them all.
func (l *link) room() int64 {
	most := l.cfg.maxConsumers
	if s, _ := l.sessions.now(); s != nil {
		most = min(most, int(s.conn.Config.ChannelMax)-spareChannels)
	}
	return int64(max(most, 1))
}

// lost tells whether the session has ended. It then returns after the link knows,
// so that the next session is another one.
func (l *link) lost(ctx context.Context, s *session) bool {
	if !s.ended() {
		return false
	}
	for ctx.Err() == nil {
		now, changed := l.sessions.watch()
		if now != s {
			break
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return true
}

// hopeless tells whether there is a reason that trying again does not change: a
// wrong password or virtual host, or a broker that is too old.
func hopeless(err error) bool {
	if _, old := errors.AsType[*tooOld](err); old {
		return true
	}
	e, said := errors.AsType[*amqp091.Error](err)
	return said && (e.Code == amqp091.AccessRefused || e.Code == amqp091.NotAllowed)
}
