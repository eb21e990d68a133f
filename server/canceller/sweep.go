package canceller

import (
	"context"
	"errors"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/store"
)

const (
	// sweepEvery is how often cancelled runs are looked for.
	sweepEvery = time.Second
	// restless is for how long a cancelled run is gone through again: the time in
	// which calls that were in flight are recorded.
	restless = 10 * time.Minute
	// lookEvery is how often it is looked whether the result store has lost what
	// it knew, and who had calls of deleted sockets has let go of them.
	lookEvery = 5 * time.Second
	// witness is the id of a result that is only there to be missed.
	witness = "cancels/witness"
)

// sweep is the state of Run.
type sweep struct {
	*Canceller
	passed map[string]time.Time // when a run was gone through last
	looked time.Time
	pruned time.Time // when old cancels were forgotten last
	orphan time.Time // when to look for calls without a socket next
}

// Run goes on with cancels that are under way until ctx ends.
func (c *Canceller) Run(ctx context.Context) error {
	s := &sweep{Canceller: c, passed: map[string]time.Time{}}
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := s.once(ctx); err != nil && ctx.Err() == nil {
			c.log.Debug("cancels wait", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (s *sweep) once(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	now := time.Now()
	if now.Sub(s.looked) >= lookEvery {
		if err := s.remind(ctx); err != nil {
			return err
		}
		if err := s.letGo(ctx, now); err != nil {
			return err
		}
		s.looked = now
	}
	if now.Sub(s.pruned) >= time.Hour {
		if err := s.cfg.History.PruneCancels(ctx, now.Add(-Keep)); err != nil {
			return err
		}
		s.pruned = now
	}
	if now.After(s.orphan) {
		orphans, err := s.cfg.History.Orphans(ctx, now.Add(-orphanAge), atOnce)
		if err == nil {
			_, err = s.abandon(ctx, orphans)
		}
		if err != nil {
			return err
		}
		// With many calls that wait it takes long, and is done the more rarely.
		s.orphan = time.Now().Add(max(orphanAge, 100*time.Since(now)))
	}
	cancels, err := s.cfg.History.Cancels(ctx, now.Add(-restless))
	if err != nil {
		return err
	}
	recent := map[string]bool{}
	for _, c := range cancels {
		if !c.Run {
			continue
		}
		recent[c.ID] = true
		if now.Sub(s.passed[c.ID]) < pause(now.Sub(c.Created)) {
			continue
		}
		s.passed[c.ID] = now
		if err := s.mark(ctx, c.ID, c.Origin); err != nil {
			return err
		}
		n, err := s.pass(ctx, c.ID, c.Origin)
		if err != nil {
			return err
		}
		if n > 0 {
			s.log.Info("late calls of a cancelled run were cancelled", "tracking", c.ID, "calls", n)
		}
	}
	for id := range s.passed {
		if !recent[id] {
			delete(s.passed, id)
		}
	}
	return nil
}

// pause is how long to leave a run alone that was cancelled so long ago.
func pause(age time.Duration) time.Duration {
	return min(max(age/10, sweepEvery), 20*time.Second)
}

// remind tells a result store that has lost its memory what was cancelled.
func (s *sweep) remind(ctx context.Context) error {
	found, err := s.cfg.Results.Get(ctx, witness)
	if err != nil {
		return err
	}
	if _, there := found[witness]; there {
		return nil
	}
	cancels, err := s.cfg.History.Cancels(ctx, time.Now().Add(-Keep))
	if err != nil {
		return err
	}
	for _, c := range cancels {
		if err := s.again(ctx, c); err != nil {
			return err
		}
	}
	_, err = s.cfg.Results.Put(ctx, Keep, result.Result{Call: witness, State: model.Cancelled, Finished: time.Now().UTC()})
	return err
}

// again gives what was cancelled its results again.
func (s *sweep) again(ctx context.Context, c store.Cancel) error {
	if !c.Run {
		call, err := s.cfg.History.Call(ctx, c.ID)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil || call.State != model.Cancelled {
			return err // it was run again since
		}
		return s.put(ctx, []model.Call{call})
	}
	if err := s.mark(ctx, c.ID, c.Origin); err != nil {
		return err
	}
	for after := ""; ; {
		calls, err := s.cfg.History.CallsOfRun(ctx, c.ID, true, after, atOnce)
		if err != nil || len(calls) == 0 {
			return err
		}
		after = calls[len(calls)-1].ID
		if err := s.put(ctx, calls); err != nil {
			return err
		}
	}
}

func (s *sweep) put(ctx context.Context, calls []model.Call) error {
	ends := make([]result.Result, len(calls))
	for i, call := range calls {
		ends[i] = result.Result{Call: call.ID, State: model.Cancelled, Failure: call.Failure, Attempt: call.Attempt}
		if call.Finished != nil {
			ends[i].Finished = *call.Finished
		}
	}
	_, err := s.cfg.Results.Put(ctx, Keep, ends...)
	return err
}
