package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/elasticcode/flow/result"
)

const (
	// window is how many questions are under way together, at most.
	window = 1000
	// attempts is how often a write is tried that others win. Each attempt that
	// fails means that somebody else's succeeded, and few can for one call.
	attempts = 100
	// between separates ids on the bell. An id that contains it is not heard, and
	// its waiters find the result when they look again.
	between = "\x00"
)

// writing is a record to be written, until it is or need not be.
type writing struct {
	index    int // where it belongs in the caller's list
	call     string
	body     []byte
	keep     time.Duration
	replaces uint64
}

// flush sends the writings and returns those that somebody was faster for.
// Done is told of each that was written, with the number of its message.
func (s *Store) flush(ctx context.Context, ws []writing, done func(w writing, seq uint64)) (late []writing, err error) {
	for len(ws) > 0 {
		now := ws[:min(window, len(ws))]
		ws = ws[len(now):]
		questions := make([]*nats.Msg, len(now))
		for i, w := range now {
			questions[i] = s.write(w.call, w.body, w.replaces, w.keep)
		}
		answers, err := s.ask(ctx, questions)
		if err != nil {
			return nil, err
		}
		for i, m := range answers {
			seq, err := acked(m)
			switch {
			case errors.Is(err, errChanged):
				late = append(late, now[i])
			case err != nil:
				return nil, fmt.Errorf("%s: %w", now[i].call, err)
			default:
				done(now[i], seq)
			}
		}
	}
	return late, nil
}

// Put keeps the results. The first of a call stays.
func (s *Store) Put(ctx context.Context, ttl time.Duration, results ...result.Result) (earlier []result.Result, err error) {
	if ttl < time.Millisecond {
		return nil, fmt.Errorf("put results for %v: they must be kept for a millisecond or longer", ttl)
	}
	ws := make([]writing, 0, len(results))
	seen := make(map[string]struct{}, len(results))
	for _, r := range results {
		if r.Call == "" {
			return nil, errors.New("put a result: it names no call")
		}
		if _, again := seen[r.Call]; again {
			continue
		}
		seen[r.Call] = struct{}{}
		body, err := resultBody(ttl, r)
		if err != nil {
			return nil, err
		}
		ws = append(ws, writing{call: r.Call, body: body, keep: ttl, replaces: s.drop(r.Call)})
	}
	if len(ws) == 0 {
		return nil, nil
	}
	if earlier, err = s.put(ctx, ws); err != nil {
		return earlier, fmt.Errorf("put %d results: %w", len(results), wrap(ctx, err))
	}
	return earlier, nil
}

// put writes the results, and returns those that were there before.
func (s *Store) put(ctx context.Context, ws []writing) (earlier []result.Result, err error) {
	var told []string
	defer func() { // also when only some were written
		if len(told) > 0 {
			_ = s.conn.Publish(s.bell, []byte(strings.Join(told, between)))
		}
	}()
	for range attempts {
		late, err := s.flush(ctx, ws, func(w writing, _ uint64) { told = append(told, w.call) })
		if err != nil || len(late) == 0 {
			return earlier, err
		}
		records, err := s.records(ctx, callsOf(late))
		if err != nil {
			return earlier, err
		}
		ws = late[:0]
		for i, w := range late {
			if records[i].result == nil {
				w.replaces = records[i].seq
				ws = append(ws, w)
				continue
			}
			r, err := result.Decode(records[i].result)
			if err != nil {
				return earlier, fmt.Errorf("read the earlier result of %s: %w", w.call, err)
			}
			earlier = append(earlier, r)
		}
	}
	return earlier, fmt.Errorf("others changed %d calls all the time", len(ws))
}

func callsOf(ws []writing) []string {
	calls := make([]string, len(ws))
	for i, w := range ws {
		calls[i] = w.call
	}
	return calls
}

// records returns the records of the calls, in their order.
func (s *Store) records(ctx context.Context, calls []string) ([]record, error) {
	all := make([]record, 0, len(calls))
	for len(calls) > 0 {
		now := calls[:min(window, len(calls))]
		calls = calls[len(now):]
		questions := make([]*nats.Msg, len(now))
		for i, c := range now {
			questions[i] = &nats.Msg{Subject: "$JS.API.DIRECT.GET." + s.stream + "." + s.subjectOf(c)}
		}
		answers, err := s.ask(ctx, questions)
		if err != nil {
			return nil, err
		}
		clock := s.now()
		for i, m := range answers {
			r, err := parse(m, clock)
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", now[i], err)
			}
			all = append(all, r)
		}
	}
	return all, nil
}

// Get returns the results that are known, by call id.
func (s *Store) Get(ctx context.Context, calls ...string) (map[string]result.Result, error) {
	records, err := s.records(ctx, calls)
	if err != nil {
		return nil, fmt.Errorf("get %d results: %w", len(calls), wrap(ctx, err))
	}
	found := make(map[string]result.Result, len(calls))
	for i, r := range records {
		if r.result == nil {
			continue
		}
		if found[calls[i]], err = result.Decode(r.result); err != nil {
			return nil, fmt.Errorf("get the result of %s: %w", calls[i], err)
		}
	}
	return found, nil
}

// Wait returns the call's result as soon as it is known, and follows Joined.
func (s *Store) Wait(ctx context.Context, call string) (result.Result, error) {
	return s.waiters.Wait(ctx, call)
}

// Forget removes results, so that the calls can run again.
func (s *Store) Forget(ctx context.Context, calls ...string) error {
	records, err := s.records(ctx, calls)
	if err != nil {
		return fmt.Errorf("forget %d results: %w", len(calls), wrap(ctx, err))
	}
	var seqs []uint64
	for _, r := range records {
		if r.result != nil {
			seqs = append(seqs, r.seq)
		}
	}
	if err := s.remove(ctx, seqs); err != nil {
		return fmt.Errorf("forget %d results: %w", len(calls), wrap(ctx, err))
	}
	return nil
}

// remove deletes messages by their numbers: what has replaced them stays.
func (s *Store) remove(ctx context.Context, seqs []uint64) error {
	for len(seqs) > 0 {
		now := seqs[:min(window, len(seqs))]
		seqs = seqs[len(now):]
		questions := make([]*nats.Msg, len(now))
		for i, seq := range now {
			questions[i] = &nats.Msg{
				Subject: "$JS.API.STREAM.MSG.DELETE." + s.stream,
				Data:    fmt.Appendf(nil, `{"seq":%d,"no_erase":true}`, seq),
			}
		}
		answers, err := s.ask(ctx, questions)
		if err != nil {
			return err
		}
		for _, m := range answers {
			if err := removed(m); err != nil {
				return err
			}
		}
	}
	return nil
}

// removed reads the answer to a removal. That there is nothing to remove is fine.
func removed(m *nats.Msg) error {
	var a struct {
		Error *struct {
			Code        int    `json:"code"`
			Err         int    `json:"err_code"`
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &a); err != nil {
		return fmt.Errorf("NATS answered %.60q: %w", m.Data, err)
	}
	const noMessage, noSequence = 10037, 10043
	if a.Error == nil || a.Error.Err == noMessage || a.Error.Err == noSequence ||
		a.Error.Description == "no message found" || a.Error.Description == "deleted message" {
		return nil
	}
	return fmt.Errorf("NATS answered %d: %s", a.Error.Code, a.Error.Description)
}
