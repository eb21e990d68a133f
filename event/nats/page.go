package nats

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/elasticcode/flow/event"
)

const (
	// page is how many entries are asked for at once, and pageBytes after how
	// many bytes the server ends a page.
	page      = 64
	pageBytes = 1 << 20
)

// request is the question of a batched direct get.
type request struct {
	Seq   uint64     `json:"seq,omitempty"`
	Since *time.Time `json:"start_time,omitempty"`
	Batch int        `json:"batch"`
	Bytes int        `json:"max_bytes"`
}

// readOn reads pages until there is nothing more.
func (r *reader) readOn(ctx context.Context) error {
	for {
		more, err := r.readPage(ctx)
		if err != nil || !more {
			return err
		}
	}
}

// readPage reads one page, sends what matches, and tells whether there is more.
func (r *reader) readPage(ctx context.Context) (more bool, err error) {
	q := request{Batch: page, Bytes: pageBytes}
	switch {
	case r.byTime:
		q.Since = &r.since
	case r.n != whole:
		q.Seq = r.seq // once more, to see what follows message n in it
	default:
		q.Seq = r.seq + 1
	}
	body, err := json.Marshal(q)
	if err != nil {
		return false, err
	}
	if err := r.bus.conn.PublishRequest("$JS.API.DIRECT.GET."+r.track.stream, r.inbox.Subject, body); err != nil {
		return false, err
	}
	// The whole page is taken before any of it is sent: a listener that makes us
	// wait must not look like a server that does not answer.
	entries, more, err := r.receive(ctx)
	if err != nil {
		return false, err
	}
	for _, m := range entries {
		if err := r.entry(ctx, m); err != nil {
			return false, err
		}
	}
	return more, nil
}

// receive takes a page's entries until the server says that it ends.
func (r *reader) receive(ctx context.Context) (entries []*nats.Msg, more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, answer)
	defer cancel()
	for {
		m, err := r.inbox.NextMsgWithContext(ctx)
		if err != nil {
			return nil, false, fmt.Errorf("read events: %w", err)
		}
		switch status := m.Header.Get("Status"); status {
		case "":
			entries = append(entries, m)
		case "204": // the end of the page
			return entries, m.Header.Get("Nats-Num-Pending") != "0", nil
		case "404": // nothing there
			return entries, false, nil
		default:
			return nil, false, fmt.Errorf("read events: NATS answers %s %s", status, m.Header.Get("Description"))
		}
	}
}

// entry sends what matches in one entry and was not sent before.
func (r *reader) entry(ctx context.Context, m *nats.Msg) error {
	seq, err := strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64)
	if err != nil {
		return fmt.Errorf("read events: an entry has no number: %w", err)
	}
	at, err := time.Parse(time.RFC3339Nano, m.Header.Get("Nats-Time-Stamp"))
	if err != nil {
		return fmt.Errorf("read events: entry %d has no time: %w", seq, err)
	}
	sent := -1
	if seq == r.seq && r.n != whole {
		sent = r.n
	}
	r.byTime = false
	err = event.Unpack(m.Data, func(n int, channel string, data []byte) bool {
		if n <= sent || at.Before(r.since) || !event.Match(r.pattern, channel) {
			return true
		}
		select {
		case r.out <- event.Message{ID: r.id(seq, n), Channel: channel, Time: at, Data: data}:
			r.seq, r.n = seq, n
			return true
		case <-ctx.Done():
			return false
		}
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		r.bus.log.WarnContext(ctx, "left out an event", "err", err)
	}
	r.seq, r.n = seq, whole
	return nil
}
