package redis

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/elasticcode/flow/event"
)

const (
	// page is how many entries are read at once.
	page = 64
	// pace is the shortest time between two looks at the stream while there is
	// always something new: a busy stream is then read in pages, not entry by entry.
	pace = 3 * time.Millisecond
	// glance is how often the stream is looked at although no bell rang.
	glance = 15 * time.Second
	// answer is how long Redis may take to answer one question. It also bounds
	// how long Subscribe outlives its context on a connection that stands still:
	// go-redis cannot be interrupted, only given a deadline.
	answer = 2 * time.Second
)

// Subscribe sends what matches to out until ctx ends. It reads the stream at the
// pace of the listener; who is slower than the backlog is long loses the oldest.
func (b *Bus) Subscribe(ctx context.Context, s event.Subscription, out chan<- event.Message, ready func()) error {
	r := reader{bus: b, track: b.trackOf(s.Pattern), pattern: s.Pattern, out: out, ready: ready, now: s.After == "" && s.Since.IsZero()}
	switch {
	case s.After != "":
		p, err := parseID(s.After)
		if err != nil {
			return err
		}
		r.at, r.known = p, true
	case !s.Since.IsZero():
		r.at = positionOf(s.Since)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l := newBell()
	var wg sync.WaitGroup
	wg.Go(func() { b.listen(ctx, r.track, l) })
	defer wg.Wait()
	defer cancel() // before waiting
	r.run(ctx, l)
	return nil
}

// reader is one subscription's way through the stream. Only used by run.
type reader struct {
	bus     *Bus
	track   track
	pattern string
	out     chan<- event.Message
	ready   func()
	at      position
	now     bool // at is still to be found: the end of the stream
	known   bool // at was the place of an entry once, and not only a time
}

// run reads whenever there is a reason to, until ctx ends.
func (r *reader) run(ctx context.Context, l *bell) {
	again := time.NewTimer(glance)
	defer again.Stop()
	stands := false // since the first subscription
	for ctx.Err() == nil {
		opened := false
		select {
		case <-ctx.Done():
			return
		case <-l.open:
			opened, stands = true, true
		case <-l.rings:
		case <-again.C:
		}
		if !stands {
			again.Reset(glance)
			continue
		}
		begun := time.Now()
		err := r.look(ctx, opened)
		switch {
		case err == nil:
			again.Reset(glance)
		case ctx.Err() == nil:
			r.bus.log.WarnContext(ctx, "reading events failed, trying again", "err", wrap(ctx, err))
			if opened {
				ring(l.open) // what was to be done then is still to be done
			}
			again.Reset(lastRetry)
			pause(ctx, firstRetry)
		}
		pause(ctx, pace-time.Since(begun))
	}
}

// look reads what is new. After the bell's subscription was opened it first
// finds out where it stands.
func (r *reader) look(ctx context.Context, opened bool) error {
	if opened {
		if err := r.find(ctx); err != nil {
			return err
		}
		if r.ready != nil {
			r.ready()
			r.ready = nil
		}
	}
	for {
		n, err := r.read(ctx)
		if err != nil || n < page {
			return err
		}
	}
}

// find sets the position to the end of the stream where the subscription begins
// now, and also where Redis lost the end of the stream (it was flushed, or a
// replica took over): ids may then begin again before the position.
func (r *reader) find(ctx context.Context) error {
	last := position{n: whole}
	asking, cancel := context.WithTimeout(ctx, answer)
	defer cancel()
	newest, err := r.bus.client.XRevRangeN(asking, r.track.stream, "+", "-", 1).Result()
	if err != nil {
		return err
	}
	if len(newest) == 1 {
		if last, err = parseEntry(newest[0].ID); err != nil {
			return err
		}
	}
	if r.now || (r.known && last.before(r.at)) {
		r.at = last
	}
	r.now, r.known = false, true
	return nil
}

// read reads one page and sends what matches.
func (r *reader) read(ctx context.Context) (int, error) {
	asking, cancel := context.WithTimeout(ctx, answer)
	defer cancel()
	entries, err := r.bus.client.XRangeN(asking, r.track.stream, r.at.start(), "+", page).Result()
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		at, err := parseEntry(e.ID)
		if err != nil {
			return 0, err
		}
		if err := r.entry(ctx, at, e); err != nil {
			r.bus.log.WarnContext(ctx, "left out an event", "err", err)
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		r.at = at
	}
	return len(entries), nil
}

// entry sends what matches in one entry and was not sent before.
func (r *reader) entry(ctx context.Context, at position, e redis.XMessage) error {
	packed, ok := e.Values["e"].(string)
	if !ok {
		return fmt.Errorf("entry %s of the stream %s is not one of ours", e.ID, r.track.stream)
	}
	seen := whole // the last message in it that was sent before
	if at.ms == r.at.ms && at.seq == r.at.seq {
		seen = r.at.n
	}
	return event.Unpack([]byte(packed), func(n int, channel string, data []byte) bool {
		if n <= seen || !event.Match(r.pattern, channel) {
			return true
		}
		at.n = n
		m := event.Message{ID: at.id(), Channel: channel, Time: at.time(), Data: data}
		select {
		case r.out <- m:
			return true
		case <-ctx.Done():
			return false
		}
	})
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
