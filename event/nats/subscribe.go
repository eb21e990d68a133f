package nats

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/elasticcode/flow/event"
)

const (
	// pace is the shortest time between two looks at the stream while there is
	// always something new: a busy stream is then read in pages, not entry by entry.
	pace = 3 * time.Millisecond
	// glance is how often the stream is looked at although no bell rang.
	glance = 15 * time.Second
	// retry is the wait after something failed.
	retry = 200 * time.Millisecond
	// answer is how long NATS may take to answer one question.
	answer = 2 * time.Second
)

// whole says of an entry that it was sent to its end.
const whole = 1<<31 - 1

// Subscribe sends what matches to out until ctx ends. It reads the stream at the
// pace of the listener; who is slower than the backlog is long loses the oldest.
func (b *Bus) Subscribe(ctx context.Context, s event.Subscription, out chan<- event.Message, ready func()) error {
	r := &reader{bus: b, track: b.trackOf(s.Pattern), pattern: s.Pattern, out: out, ready: ready, n: whole, now: s.After == "" && s.Since.IsZero()}
	if s.After != "" {
		if err := r.resume(s.After); err != nil {
			return err
		}
	} else if !s.Since.IsZero() {
		r.since = s.Since
		r.byTime = true
	}
	rings := make(chan struct{}, 1)
	for ctx.Err() == nil {
		err := r.listen(ctx, rings)
		if ctx.Err() != nil {
			return nil
		}
		if b.conn.IsClosed() {
			return fmt.Errorf("subscribe to events: %w: %w", event.ErrUnavailable, nats.ErrConnectionClosed)
		}
		b.log.WarnContext(ctx, "listening to events on NATS failed, trying again", "err", err)
		pause(ctx, retry)
	}
	return nil
}

// reader is one subscription's way through the stream. Only used by Subscribe.
type reader struct {
	bus     *Bus
	track   track
	pattern string
	out     chan<- event.Message
	ready   func()

	life   string // the incarnation of the stream that the place below belongs to
	seq    uint64 // the last entry that was begun
	n      int    // the last message in it that was sent
	now    bool   // the place is still to be found: the end of the stream
	byTime bool   // the place is still to be found: the first entry since
	since  time.Time

	inbox *nats.Subscription // where pages arrive
}

// id is the id of message n of an entry.
func (r *reader) id(seq uint64, n int) string {
	return r.life + "-" + strconv.FormatUint(seq, 10) + "." + strconv.Itoa(n)
}

// resume takes the place from the id of a message.
func (r *reader) resume(id string) error {
	life, rest, ok := strings.Cut(id, "-")
	seq, n, ok2 := strings.Cut(rest, ".")
	_, err := strconv.ParseInt(life, 36, 64)
	entry, err2 := strconv.ParseUint(seq, 10, 64)
	message, err3 := strconv.ParseUint(n, 10, 31)
	if !ok || !ok2 || errors.Join(err, err2, err3) != nil {
		return fmt.Errorf("resume after %q: that is not the id of an event on NATS (like dkfu3xcz9i2o-42.0)", id)
	}
	r.life, r.seq, r.n = life, entry, int(message)
	return nil
}

// listen reads whenever there is a reason to, until something fails.
func (r *reader) listen(ctx context.Context, rings chan struct{}) error {
	conn := r.bus.conn
	bell, err := conn.Subscribe(r.track.bell, func(*nats.Msg) { ring(rings) })
	if err != nil {
		return err
	}
	defer func() { _ = bell.Unsubscribe() }()
	if r.inbox, err = conn.SubscribeSync(conn.NewInbox()); err != nil {
		return err
	}
	defer func() { _ = r.inbox.Unsubscribe() }()
	states := conn.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer conn.RemoveStatusListener(states)

	opened := true
	again := time.NewTimer(glance)
	defer again.Stop()
	for {
		begun := time.Now()
		if opened {
			if err := r.open(ctx); err != nil {
				return err
			}
			opened = false
		}
		if err := r.readOn(ctx); err != nil {
			return err
		}
		pause(ctx, pace-time.Since(begun))
		again.Reset(glance)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-rings:
		case <-again.C:
		case s := <-states:
			if s != nats.CONNECTED {
				return nats.ErrConnectionClosed
			}
			opened = true // the library has subscribed again; look what was missed
		}
	}
}

// open finds out where the subscription stands, once the bell is sure to be
// heard, and calls ready the first time.
func (r *reader) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answer)
	defer cancel()
	if err := r.bus.conn.FlushWithContext(ctx); err != nil {
		return err
	}
	stream, err := r.bus.js.Stream(ctx, r.track.stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) { // its memory was lost, or somebody deleted it
		stream, err = r.bus.ensure(ctx, r.track)
	}
	if err != nil {
		return err
	}
	info := stream.CachedInfo()
	life := incarnation(info.Created)
	switch {
	case r.now:
		r.seq, r.n, r.now = info.State.LastSeq, whole, false
	case r.byTime: // found by the first read
	case r.life != life || r.seq > info.State.LastSeq: // all that is there is news
		r.seq, r.n = 0, whole
	}
	if r.byTime && info.State.Msgs == 0 {
		r.seq, r.n, r.byTime = info.State.LastSeq, whole, false
	}
	r.life = life
	if r.ready != nil {
		r.ready()
		r.ready = nil
	}
	return nil
}

func ring(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
