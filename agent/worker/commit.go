package worker

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/plug"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/socket"
)

// commit settles what has ended, whatever is ready together, until done is
// closed: steps 4 to 7 of the order of effects.
func (s *session) commit() {
	var batch []finished
	for first := range s.done {
		batch = append(batch[:0], first...)
		for len(batch) < batchSize {
			more, ok := tryReceive(s.done)
			if !ok {
				break
			}
			batch = append(batch, more...)
		}
		s.settle(batch)
		clear(batch)
	}
}

func tryReceive(c <-chan []finished) ([]finished, bool) {
	select {
	case v, ok := <-c:
		return v, ok
	default:
		return nil, false
	}
}

// settle brings one batch through all steps. A step that fails is tried again
// until the worker is told to abandon; the deliveries are unsettled until then.
func (s *session) settle(batch []finished) {
	fault := s.w.cfg.Fault
	fault("before values")
	if !s.keepLarge(batch) {
		return
	}
	fault("before result")
	if !s.keep(batch) {
		return
	}
	s.leave(batch)
	fault("after result")
	if !s.publish(batch) {
		return
	}
	fault("after publish")
	s.note(batch)
	if !s.giveBackClaims(batch) {
		return
	}
	s.w.news.ended(batch)
	fault("before ack")
	s.ack(batch)
	fault("after ack")
}

// keep stores the results.
func (s *session) keep(batch []finished) bool {
	results := make([]result.Result, 0, len(batch))
	for _, f := range batch {
		if f.kind == ran && !f.repeat {
			results = append(results, f.result)
		}
	}
	return len(results) == 0 || s.persist("keep results", func(ctx context.Context) error {
		earlier, err := s.w.cfg.Results.Put(ctx, s.w.cfg.ResultTTL, results...)
		yield(batch, earlier)
		return err
	})
}

// giveBackClaims lets go of the calls that are tried again: the copy that brings one
// back may come to this session. It does so after note, or whoever has the message once
// more, since its session was cut, could make the same attempt in between.
func (s *session) giveBackClaims(batch []finished) bool {
	var calls []string
	for _, f := range batch {
		if f.kind == again {
			calls = append(calls, f.job.Envelope.ID)
		}
	}
	return len(calls) == 0 || s.persist("give claims back", func(ctx context.Context) error { return s.free(ctx, calls...) })
}

// yield lets earlier results count: whoever ended a call first, another worker
// or a person who cancelled it, has told how it ended.
func yield(batch []finished, earlier []result.Result) {
	for _, r := range earlier {
		for i := range batch {
			if f := &batch[i]; f.kind == ran && f.result.Call == r.Call {
				f.result, f.repeat = r, true
			}
		}
	}
}

// publish sends the records, the calls that follow and the copies to be tried
// again, in one confirm window.
func (s *session) publish(batch []finished) bool {
	s.routing <- struct{}{}
	defer func() { <-s.routing }()
	records := s.records[:0]
	var msgs []broker.Message
	for _, f := range batch {
		out, next := s.follow(f)
		msgs = append(msgs, out...)
		if f.kind != arrived {
			records = append(records, record(f, s.w))
		}
		records = append(records, next...)
	}
	rec, err := socket.EncodeRecords(records)
	if err != nil { // our own structs: cannot happen, and must not stop the calls
		s.w.log.Error("records cannot be encoded", "err", err)
	}
	clear(records)
	s.records = records
	msgs = append(msgs, rec...)
	return s.persist("publish what follows", func(ctx context.Context) error {
		err := s.w.cfg.Broker.Publish(ctx, msgs...)
		if partly, ok := errors.AsType[*broker.PublishError](err); ok {
			msgs = s.undelivered(msgs, partly.Errs)
			if len(msgs) == 0 {
				return nil
			}
		}
		if err != nil {
			mark(msgs) // what of it has arrived is not known
		}
		return err
	})
}

// mark says of messages that they may have been published before.
func mark(msgs []broker.Message) {
	for i := range msgs {
		msgs[i].Headers = repeated(msgs[i].Headers)
	}
}

// undelivered returns the messages that are still to be published. One that
// reaches no queue (its target was deleted a moment ago) goes to the dead letters;
// one for a class of a processor that has none, first to its socket's own queue.
func (s *session) undelivered(msgs []broker.Message, errs []error) []broker.Message {
	var left []broker.Message
	for i, m := range msgs {
		switch err := errs[i]; {
		case err == nil:
		case errors.Is(err, broker.ErrUnroutable) && m.Key != socket.Records:
			if home, ok := socket.Home(m); ok {
				left = append(left, home)
				continue
			}
			s.w.log.Error("a call reaches no queue and goes to the dead letters", "call_id", m.ID, "queue", m.Key)
			headers := maps.Clone(m.Headers)
			if headers == nil {
				headers = map[string]string{}
			}
			headers[broker.HeaderDeadReason] = broker.ReasonGone
			headers[broker.HeaderDeadQueue] = m.Key
			m.Exchange, m.Key, m.Delay, m.Headers = "", broker.DeadLetters, 0, headers
			left = append(left, m)
		default:
			left = append(left, m)
		}
	}
	return left
}

// follow makes the messages that follow from a call, and the records of the
// calls among them.
func (s *session) follow(f finished) (msgs []broker.Message, records []model.Call) {
	switch f.kind {
	case arrived:
		return s.passOn(f.job), nil
	case again:
		return s.copyOf(f), nil
	case runs:
		return nil, nil
	}
	if f.result.State == model.Cancelled {
		return nil, nil // nothing follows, whatever the plugs are
	}
	ep := f.job.Endpoint
	if now := s.receiver.Current(ep.Socket.Name); now != nil {
		ep = now // while it ran, what it is wired to may have moved
	}
	next, err := plug.Route(ep, f.job.Envelope, plug.Outcome{
		Value: f.result.Value, Failure: f.result.Failure, Plugs: f.result.Plugs, Refs: f.result.Refs, Finished: f.result.Finished,
	})
	if err != nil {
		s.w.log.Error("route", "call_id", f.job.Envelope.ID, "err", err)
	}
	for _, c := range next {
		c.Repeat = f.repeat || f.job.Repeat
		m, err := socket.Encode(c)
		if err != nil {
			s.w.log.Error("a result cannot travel on", "call_id", f.job.Envelope.ID, "err", err)
			continue
		}
		msgs = append(msgs, m)
		if c.Envelope.Argument == "" {
			records = append(records, c.Envelope.Call(model.Queued))
		}
	}
	return msgs, records
}

// passOn sends a value that came through an edge's own queue to its join.
func (s *session) passOn(j *job) []broker.Message {
	m := j.Delivery.Message
	m.Exchange, m.Key, m.Delay = "", socket.Joins, 0
	return []broker.Message{m}
}

// copyOf is the message that brings the call back after its delay.
func (s *session) copyOf(f finished) []broker.Message {
	env := f.job.Envelope
	if f.crash {
		env.Crashes++
	} else {
		env.Attempt = f.job.attempt
	}
	due := time.Now().Add(f.delay).UTC()
	env.Due = &due
	body, err := env.AppendJSON(nil)
	if err != nil {
		s.w.log.Error("encode for another attempt", "call_id", env.ID, "err", err)
		body = f.job.Delivery.Body
	}
	m := f.job.Delivery.Message
	m.ID, m.Body, m.Exchange, m.Key, m.Delay = env.ID, body, "", f.job.Delivery.Queue, f.delay
	if f.job.Repeat { // who had the message before may have sent a copy, too
		m.Headers = repeated(m.Headers)
	}
	if socket.InClass(m.Key) {
		socket.Stamp(&m, socket.OwnQueue(f.job.Endpoint.Socket), due)
	}
	return []broker.Message{m}
}

// persist tries a step until it succeeds; false when the worker is told to abandon first.
func (s *session) persist(what string, step func(ctx context.Context) error) bool {
	delay := backoff{base: 50 * time.Millisecond, top: 5 * time.Second}
	for {
		ctx, cancel := s.within(30 * time.Second)
		err := step(ctx)
		cancel()
		if err == nil {
			return true
		}
		if s.kill.Err() != nil {
			return false
		}
		s.w.log.Warn("cannot finish calls now, trying again", "step", what, "err", err)
		select {
		case <-s.kill.Done():
			return false
		case <-time.After(delay.next()):
		}
	}
}

// ack acks what has ended, and lets go of it.
func (s *session) ack(batch []finished) {
	ctx, cancel := s.within(10 * time.Second)
	defer cancel()
	acked := make([]string, 0, len(batch))
	for _, f := range batch {
		if f.kind == runs {
			continue
		}
		id := f.job.Envelope.ID
		if err := f.job.Delivery.Ack(ctx); err != nil && !settledElsewhere(err) {
			s.w.log.Warn("ack", "call_id", id, "err", err)
		}
		if f.kind != again { // else it was let go, and may be back
			acked = append(acked, id)
		}
	}
	s.letGo(acked...)
}
