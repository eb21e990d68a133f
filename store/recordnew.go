package store

import (
	"context"
	"database/sql"
)

// Most calls are written when the database does not know them yet. Such rows need
// not be merged with others, and to append them costs a database two thirds of what
// it costs to merge them. Which calls are new is a guess that may be wrong, when
// another recorder is faster: then nothing was appended, and all is merged.
//
// What is appended is in a transaction of its own: with the others in one, rows
// would be locked in two orders, one after the other, and two recorders that have
// different records of the same calls would wait for each other in a circle.

// appendMin is how many calls are worth a question, or a transaction besides that
// of others.
const appendMin = 32

// appendNew appends the calls that seem to be new, and returns what is left to
// be merged.
func (s *Store) appendNew(ctx context.Context, waves []*wave) ([]*wave, error) {
	a, ok := s.driver.(Appender)
	if !ok || len(waves) == 0 {
		return waves, nil
	}
	db, err := s.write.DB()
	if err != nil {
		return nil, err
	}
	chosen, err := seemNew(ctx, s.driver, db, waves)
	if err != nil || len(chosen) < min(appendMin, len(waves[0].calls)) {
		return waves, err
	}
	these, others := waves[0].split(chosen)
	var batches []Batch
	for _, p := range these.parts() {
		batches = append(batches, p.Batch)
	}
	if _, ok := s.driver.(StateKeeper); ok {
		if b := stateBatch(batches[0]); b.Rows > 0 {
			batches = append(batches, b)
		}
	}
	err = a.Append(ctx, db, batches)
	switch {
	case err == nil && len(others.calls) == 0:
		return waves[1:], nil
	case err == nil:
		return append([]*wave{others}, waves[1:]...), nil
	case a.Taken(err), s.driver.Deadlock(err):
		return waves, nil
	}
	return nil, err
}

// seemNew chooses calls that the database does not know, most likely. Those that
// begin and end in the batch are not asked about: nobody else has a part of their
// story. About others that may not have run before the database is asked, which
// costs it a quarter of what it saves when they are new.
func seemNew(ctx context.Context, d Driver, db *sql.DB, waves []*wave) (map[string]bool, error) {
	out := make(map[string]bool, len(waves[0].calls))
	var ask []string
	for id, k := range waves[0].calls {
		switch {
		case len(waves) > 1 && waves[1].calls[id] != nil: // all of it in one transaction
		case len(k.Refs) > 0: // they may be there before the call is (HoldBlobs)
		case k.begun && k.State.Terminal():
			out[id] = true
		case k.begun || k.Attempt == 0:
			ask = append(ask, id)
		}
	}
	if len(ask) < appendMin {
		return out, nil
	}
	there, err := d.Known(ctx, db, ask)
	for _, id := range ask {
		out[id] = true
	}
	for _, id := range there {
		delete(out, id)
	}
	return out, err
}
