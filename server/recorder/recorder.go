// Package recorder writes the history of calls: it takes the records that
// workers and senders put on the broker and writes them to the database in
// bulk, and it takes what ended in the dead letters and records why.
//
// A record is acknowledged after the database has it. While the database is
// away, records wait on the broker and nothing is lost.
package recorder

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/socket"
)

type history interface {
	RecordCalls(ctx context.Context, calls []model.Call, begun ...string) error
	KeepBlobs(ctx context.Context, parts ...model.BlobPart) error
}

// Config is what a recorder needs.
type Config struct {
	Broker  broker.Broker
	History history
	// Results is told how calls in the dead letters ended, so that nobody waits
	// for them any more.
	Results result.Store
	// Owner returns the name of the socket whose own queue this is, or "". On fanout
	// and topic queues, what waits there is the socket's own copy of a call that may
	// name another one. Nil: all queues are direct.
	Owner func(ctx context.Context, network, queue string) (socket string, err error)
	// Follow returns where a call is to go whose queue is gone because its socket has
	// moved; false when that is not why. Nil: it is never.
	Follow func(ctx context.Context, call model.Envelope, queue string) (to socket.Address, ok bool, err error)
	Logger *slog.Logger
	// Unavailable tells whether an error of History means that the database is
	// away, and not that it refuses the record.
	Unavailable func(error) bool
	// Fault, if set, is called at the named points between the steps of
	// recording: tests end the process there.
	Fault func(point string)
}

// Recorder records. Make one with New.
type Recorder struct {
	cfg Config
	log *slog.Logger

	mu      sync.Mutex // guards the fields below
	early   []*early   // the oldest first
	waiting map[string]*early
	lastEnd time.Time // when calls that waited were written last with their ends

	held    chan struct{}  // has room for one: something waits
	desks   chan struct{}  // has room for all writes that go on at the same time
	writing sync.WaitGroup // these
}

// The most that is written together: messages, and calls in them.
const (
	prefetch = 192
	maxCalls = 2000
)

// writers is how many batches are written at the same time: while the database
// works on one, the next is read. What a call is does not depend on their order.
const writers = 2

// pace is how long after a write the next one begins: what comes meanwhile is
// written together. After a pause, a record is written at once.
const pace = 20 * time.Millisecond

// plenty is so many messages at once that more of them need not be waited for.
const plenty = 32

// New returns a recorder that does nothing until Run.
func New(cfg Config) *Recorder {
	if cfg.Fault == nil {
		cfg.Fault = func(string) {}
	}
	return &Recorder{
		cfg: cfg, log: cfg.Logger.With("component", "recorder"), waiting: map[string]*early{},
		held: make(chan struct{}, 1), desks: make(chan struct{}, writers),
	}
}

// Run records until ctx ends.
func (r *Recorder) Run(ctx context.Context) error {
	defer r.giveBack(ctx)
	defer r.writing.Wait()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return broker.Batches(ctx, r.cfg.Broker, socket.Records, prefetch, r.log, r.paced) })
	g.Go(func() error { return r.age(ctx) })
	g.Go(func() error { return broker.Batches(ctx, r.cfg.Broker, broker.DeadLetters, prefetch, r.log, r.bury) })
	return g.Wait()
}

// paced takes deliveries, and then lets more come together; not when many were
// there already.
func (r *Recorder) paced(ctx context.Context, ds []*broker.Delivery) {
	began := time.Now()
	r.take(ctx, ds)
	if len(ds) >= plenty {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(time.Until(began.Add(pace))):
	}
}

// take has the records of the deliveries written, and acked afterwards; those of
// calls that have not begun wait a little for the rest of the story. Large values,
// which records refer to, are written before. It returns when the last write has begun.
func (r *Recorder) take(ctx context.Context, ds []*broker.Delivery) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cfg.Fault("record received")
	ds = r.keep(ctx, ds)
	var told []*broker.Delivery
	var calls []model.Call
	for i, d := range ds {
		text, err := socket.OpenRecord(d.Body)
		if err != nil {
			r.refuse(ctx, d, err)
			continue
		}
		if ids, queued := model.QueuedCalls(text); queued && !d.Redelivered {
			r.hold(d, ids)
			continue
		}
		before := len(calls)
		all, err := model.AppendCalls(calls, text)
		if err != nil {
			r.refuse(ctx, d, err)
			continue
		}
		if before > 0 && len(all) > maxCalls {
			r.write(ctx, told, calls)
			told, all = nil, slices.Clone(all[before:]) // the others are being written
		} else if before == 0 { // messages are about alike
			all = slices.Grow(all, max(0, min(len(all)*(len(ds)-i), maxCalls)-len(all)))
		}
		told, calls = append(told, d), all
	}
	r.write(ctx, told, calls)
	r.release(ctx, time.Now())
}

// keep writes the parts of large values among the deliveries and acks those. It
// returns the others, nothing when ctx ends first.
func (r *Recorder) keep(ctx context.Context, ds []*broker.Delivery) []*broker.Delivery {
	var parts []model.BlobPart
	var these, others []*broker.Delivery
	for _, d := range ds {
		part, ok, err := socket.DecodeBlob(d.Message)
		switch {
		case !ok:
			others = append(others, d)
		case err != nil:
			r.refuse(ctx, d, err)
		default:
			parts, these = append(parts, part), append(these, d)
		}
	}
	if len(parts) == 0 {
		return others
	}
	err := r.persist(ctx, len(parts), func(ctx context.Context) error { return r.cfg.History.KeepBlobs(ctx, parts...) })
	r.cfg.Fault("values before ack")
	for _, d := range these {
		switch {
		case err == nil:
			r.ack(ctx, d)
		case ctx.Err() != nil:
			return nil
		default:
			r.refuse(ctx, d, err)
		}
	}
	return others
}

// record writes calls as they are now.
func (r *Recorder) record(ctx context.Context, calls []model.Call, begun ...string) error {
	return r.persist(ctx, len(calls), func(ctx context.Context) error { return r.cfg.History.RecordCalls(ctx, calls, begun...) })
}

// write has calls written, with what waits about them; mu is held.
func (r *Recorder) write(ctx context.Context, ds []*broker.Delivery, calls []model.Call) {
	if len(ds) > 0 {
		r.start(ctx, ds, r.beginnings(calls), calls)
	}
}

// start has store run as soon as there is a desk for it; mu is held.
func (r *Recorder) start(ctx context.Context, ds []*broker.Delivery, before beginnings, calls []model.Call) {
	r.desks <- struct{}{} // whoever sits at one needs no mu to leave
	r.writing.Go(func() {
		r.store(ctx, ds, before, calls)
		<-r.desks
		if ctx.Err() != nil {
			return // it may not be written
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.ended(before, time.Now())
	})
}

// store writes calls, and what was told of them before, until the database has
// them. When it refuses a batch, the messages are written one by one, so that one
// bad record stops no other.
func (r *Recorder) store(ctx context.Context, ds []*broker.Delivery, before beginnings, calls []model.Call) {
	var err error
	if len(calls) > 0 {
		all := calls
		if len(before.records) > 0 {
			all = slices.Concat(before.records, calls)
		}
		err = r.record(ctx, all, before.ids...)
	}
	switch {
	case err == nil:
		r.cfg.Fault("record before ack")
		for _, d := range ds {
			r.ack(ctx, d)
		}
	case ctx.Err() != nil:
	case len(ds) == 1 && len(before.ids) == 0:
		r.refuse(ctx, ds[0], err)
	default:
		for i, id := range before.ids { // in full: what ends it may be what is refused
			if err := r.record(ctx, []model.Call{before.of[i].record(id)}); err != nil {
				r.log.Error("a record is refused", "call_id", id, "err", err)
			}
		}
		for _, d := range ds {
			rec, _ := socket.DecodeRecord(d.Body) // it was read before
			r.store(ctx, []*broker.Delivery{d}, beginnings{}, rec.Calls)
		}
	}
}

// persist tries to write so many records until the database answers; the error
// is its refusal.
func (r *Recorder) persist(ctx context.Context, records int, write func(context.Context) error) error {
	wait := 100 * time.Millisecond
	for {
		writing, cancel := context.WithTimeout(ctx, 30*time.Second)
		err := write(writing)
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
		if !r.cfg.Unavailable(err) && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		r.log.Warn("records wait for the database", "records", records, "err", err, "in", wait)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, 5*time.Second)
	}
}

func (r *Recorder) refuse(ctx context.Context, d *broker.Delivery, why error) {
	r.log.Error("a record is refused", "queue", d.Queue, "message_id", d.ID, "err", why)
	if err := d.Dead(ctx, "record refused: "+why.Error()); err != nil && ctx.Err() == nil {
		r.log.Warn("dead-letter a record", "message_id", d.ID, "err", err)
	}
}

func (r *Recorder) ack(ctx context.Context, d *broker.Delivery) {
	err := d.Ack(ctx)
	if err != nil && ctx.Err() == nil && !errors.Is(err, broker.ErrSessionGone) {
		r.log.Warn("ack", "queue", d.Queue, "message_id", d.ID, "err", err)
	}
}
