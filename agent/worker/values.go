package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/socket"
)

// Large values do not travel inside calls. Those of calls that are about to run
// are fetched all together, from the result store or, where that has lost them,
// from the server, which has the database. Those that the code returns are made
// durable before anything refers to them: the broker keeps them for the recorder,
// and the result store has the fast copy.

const (
	// maxHeld bounds the large values that a session has in memory, and that are
	// fetched at a time. One call alone may have more.
	maxHeld = 64 << 20
	// maxInput is how many bytes the values of one call may have for its code. An
	// ERROR plug adds a little to what the failed call had.
	maxInput = model.MaxPayload + 512<<10
	// partsAtOnce is how many parts of large values are in one confirm window.
	partsAtOnce = 32
	// lostAfter is how old a call is before a value that nobody has counts as lost.
	lostAfter = 5 * time.Minute
)

// failureLost is for a call one of whose values nobody has.
const failureLost = "ValueLost"

var errNotYet = errors.New("large values are not in the database yet")

// unseal prepares the values of a call for its way through the worker. What
// another client sent inside is taken out, so that records and calls that follow
// refer to it, too.
func (s *session) unseal(j *job) {
	if _, ok := s.w.cfg.Results.(result.Blobs); !ok {
		return
	}
	j.Envelope, j.fresh = j.Envelope.Seal()
}

// hand passes calls on: those that have ended to the committer, those to be run
// to the host, with their large values and as many at a time as there is room for
// in memory.
func (s *session) hand(taking context.Context, run []*job, ended []finished) {
	if len(ended) > 0 {
		s.done <- ended
	}
	for len(run) > 0 {
		n, size := 0, 0
		for n < len(run) && (n == 0 || size+run[n].large() <= maxHeld/2) {
			size += run[n].large()
			n++
		}
		part := run[:n]
		run = run[n:]
		if !s.room(taking, part, size) {
			s.giveUp(append(slices.Clone(part), run...))
			return
		}
		part, ended := s.open(taking, part)
		if len(ended) > 0 {
			s.done <- ended
		}
		if len(part) > 0 {
			s.w.news.received(part)
			s.jobs <- part
		}
	}
}

// large is how many bytes of large values the call has.
func (j *job) large() int {
	size := 0
	for _, r := range j.Envelope.Refs {
		size += r.Size
	}
	return size
}

// room waits until the large values of the jobs fit into memory, which those of
// calls that end leave; false when taking ends first.
func (s *session) room(taking context.Context, jobs []*job, size int) bool {
	if size == 0 {
		return true
	}
	for {
		s.mu.Lock()
		if s.large == 0 || s.large+size <= maxHeld {
			for _, j := range jobs {
				if n := j.large(); n > 0 {
					s.large += n
					s.inflight[j.Envelope.ID] = n
				}
			}
			s.mu.Unlock()
			return true
		}
		s.mu.Unlock()
		select {
		case <-taking.Done():
			return false
		case <-s.left:
		}
	}
}

// open puts the large values of jobs in their places. It returns the jobs that
// may run, and those that cannot: a value that is not there yet puts the call
// back for a moment, one that nobody has any more is its end.
func (s *session) open(taking context.Context, jobs []*job) (run []*job, ended []finished) {
	var refs []model.Ref
	own := map[string]json.RawMessage{}
	for _, j := range jobs {
		refs = append(refs, j.Envelope.Refs...)
		for _, b := range j.fresh {
			own[b.Hash] = b.Value
		}
	}
	if len(refs) == 0 {
		return jobs, nil
	}
	ctx, cancel := context.WithTimeout(taking, 30*time.Second)
	defer cancel()
	values, sure, err := s.values(ctx, model.Hashes(refs), own)
	run = make([]*job, 0, len(jobs))
	var waiting []*job
	for _, j := range jobs {
		if size := j.Envelope.Size(); size > maxInput {
			ended = append(ended, s.unfit(j, model.FailureTooLarge,
				fmt.Sprintf("the values of the call have %d bytes together, and %d is the limit: store large data elsewhere and pass its address", size, model.MaxPayload)))
			continue
		}
		if len(j.Envelope.Refs) > 0 {
			whole := j.Envelope.Open(values)
			if len(whole.Refs) > 0 && sure && time.Since(j.Envelope.Created) > lostAfter {
				ended = append(ended, s.unfit(j, failureLost,
					fmt.Sprintf("the value of %d bytes at %s is neither in the result store nor in the database any more", whole.Refs[0].Size, whole.Refs[0].At)))
				continue
			}
			if len(whole.Refs) > 0 {
				waiting = append(waiting, j)
				continue
			}
			j.whole = &whole
		}
		run = append(run, j)
	}
	if len(waiting) > 0 {
		s.dismiss(waiting...)
		if err == nil {
			err = errNotYet
		}
		s.putBack(waiting, recallDelay, err)
	}
	return run, ended
}

// unfit ends a call whose values cannot be given to the code.
func (s *session) unfit(j *job, failure, message string) finished {
	j.attempt = j.Envelope.Attempt // it has not begun another
	s.dismiss(j)
	return dead(j, &model.Failure{Error: failure, Message: message, Permanent: true}, time.Time{}, time.Now(), nil)
}

// values fetches large values but for those that are here, and returns all. Sure
// says that what is not among them is not on its way either.
func (s *session) values(ctx context.Context, hashes []string, own map[string]json.RawMessage) (found map[string]json.RawMessage, sure bool, err error) {
	found = own
	lacking := func() []string {
		return slices.DeleteFunc(slices.Clone(hashes), func(h string) bool { return found[h] != nil })
	}
	if blobs, ok := s.w.cfg.Results.(result.Blobs); ok {
		fast, err := blobs.Fetch(ctx, lacking()...)
		if err != nil {
			s.w.log.Warn("large values are asked of the server", "values", len(hashes), "err", err)
		}
		maps.Copy(found, result.Genuine(fast))
	}
	missing := lacking()
	if len(missing) == 0 || s.w.cfg.Values == nil {
		return found, false, nil
	}
	// In this order: what the broker has handed over, the database has.
	stats, err := s.w.cfg.Broker.Inspect(ctx, socket.Records)
	sure = err == nil && stats[0].Messages == 0 && stats[0].Unacked <= 0
	stored, err := s.w.cfg.Values(ctx, missing)
	if err != nil {
		return found, false, err
	}
	maps.Copy(found, result.Genuine(stored))
	return found, sure, nil
}

// keepLarge takes large values out of results, and makes them durable with those
// that came inside calls: step 4 begins with it.
func (s *session) keepLarge(batch []finished) bool {
	blobs, ok := s.w.cfg.Results.(result.Blobs)
	if !ok {
		return true
	}
	var large []model.Blob
	seen := map[string]bool{}
	for i := range batch {
		f := &batch[i]
		fresh := f.job.fresh
		if f.kind == ran && !f.repeat {
			var own []model.Blob
			f.result, own = f.result.Seal()
			fresh = append(slices.Clip(fresh), own...)
		}
		for _, b := range fresh {
			if !seen[b.Hash] && !f.job.brought(b.Hash) {
				seen[b.Hash] = true
				large = append(large, b)
			}
		}
	}
	if len(large) == 0 {
		return true
	}
	for part := range slices.Chunk(socket.EncodeBlobs(large), partsAtOnce) {
		if !s.persist("publish large values", func(ctx context.Context) error {
			return s.w.cfg.Broker.Publish(ctx, part...)
		}) {
			return false
		}
	}
	ctx, cancel := s.within(10 * time.Second)
	defer cancel()
	if err := blobs.Keep(ctx, result.BlobTTL, large...); err != nil { // it only saves others a question
		s.w.log.Warn("large values are not in the result store", "values", len(large), "err", err)
	}
	return true
}

// brought tells whether the call came with the value by reference: then it is durable.
func (j *job) brought(hash string) bool {
	return slices.ContainsFunc(j.Envelope.Refs, func(r model.Ref) bool { return r.Hash == hash }) &&
		!slices.ContainsFunc(j.fresh, func(b model.Blob) bool { return b.Hash == hash })
}
