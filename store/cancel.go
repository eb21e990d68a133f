package store

import (
	"context"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/elasticcode/flow/model"
)

// Cancel says that a call, or all of a run, was cancelled.
type Cancel struct {
	ID      string // of the call, or the tracking of the run
	Run     bool
	Origin  string // who cancelled it
	Created time.Time
}

type cancelRow struct {
	ID      string `gorm:"primaryKey"`
	Run     bool   `gorm:"not null"`
	Origin  string `gorm:"not null"`
	Created stamp  `gorm:"not null;index:idx_cancels_created"`
}

// TableName implements gorm's Tabler.
func (cancelRow) TableName() string { return "cancels" }

// AddCancel keeps that something was cancelled; the first to do so is remembered.
func (s *Store) AddCancel(ctx context.Context, c Cancel) error {
	row := cancelRow{ID: c.ID, Run: c.Run, Origin: clean(c.Origin), Created: stamp(c.Created)}
	err := s.write.WithContext(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row).Error
	return s.fail(ctx, "keep a cancel", err)
}

// Cancels lists what was cancelled since then, the oldest first.
func (s *Store) Cancels(ctx context.Context, since time.Time) ([]Cancel, error) {
	var rows []cancelRow
	if err := s.read.WithContext(ctx).Where("created >= ?", stamp(since)).Order("created, id").Find(&rows).Error; err != nil {
		return nil, s.fail(ctx, "list cancels", err)
	}
	out := make([]Cancel, len(rows))
	for i, r := range rows {
		out[i] = Cancel{ID: r.ID, Run: r.Run, Origin: r.Origin, Created: r.Created.time()}
	}
	return out, nil
}

// PruneCancels forgets what was cancelled before the time.
func (s *Store) PruneCancels(ctx context.Context, before time.Time) error {
	return s.fail(ctx, "forget cancels", s.write.WithContext(ctx).Where("created < ?", stamp(before)).Delete(&cancelRow{}).Error)
}

// CallsOfRun returns calls of a run in the order of their ids, beginning after
// one, without their values, logs and events: those that were cancelled, or
// those that have not ended.
func (s *Store) CallsOfRun(ctx context.Context, tracking string, cancelled bool, after string, limit int) ([]model.Call, error) {
	q := s.read.WithContext(ctx).Model(&callRow{}).Omit("args", "kwargs", "result").Where("tracking = ? AND id > ?", tracking, after)
	if cancelled {
		q = q.Where("state = ?", string(model.Cancelled))
	} else {
		q = q.Where("progress < ?", ended)
	}
	var out []model.Call
	// As an expression, so that no database walks through all calls by id until
	// it has found enough of the run.
	_, err := s.eachCall(q.Order("id || ''").Limit(limit), func(r callRow, _ int) (bool, error) {
		c, err := r.call()
		out = append(out, c)
		return true, err
	})
	return out, s.fail(ctx, "list the calls of a run", err)
}

// UnfinishedCalls returns calls of a socket that have not ended, in the order of their
// ids, beginning after one; without their values, logs and events.
func (s *Store) UnfinishedCalls(ctx context.Context, network, socket, after string, limit int) ([]model.Call, error) {
	return s.unfinishedCalls(ctx, limit, "network = ? AND socket = ? AND call_id > ?", network, socket, after)
}

// Orphans returns such calls of sockets that do not exist, made before the time.
func (s *Store) Orphans(ctx context.Context, before time.Time, limit int) ([]model.Call, error) {
	return s.unfinishedCalls(ctx, limit, `socket <> '' AND created < ? AND NOT EXISTS (
		SELECT 1 FROM sockets WHERE sockets.network = call_states.network AND sockets.name = call_states.socket)`, stamp(before))
}

// unfinished are the states of calls that have not ended.
var unfinished = slices.DeleteFunc(model.States(), model.State.Terminal)

func (s *Store) unfinishedCalls(ctx context.Context, limit int, where string, args ...any) ([]model.Call, error) {
	var ids []string
	q := s.read.WithContext(ctx).Session(&gorm.Session{})
	err := q.Model(&stateRow{}).Where("state IN ?", unfinished).Where(where, args...).Order("call_id").Limit(limit).Pluck("call_id", &ids).Error
	if err != nil || len(ids) == 0 {
		return nil, s.fail(ctx, "look for unfinished calls", err)
	}
	var out []model.Call
	all := q.Model(&callRow{}).Omit("args", "kwargs", "result").Where("id IN ? AND progress < ?", ids, ended).Order("id")
	_, err = s.eachCall(all, func(r callRow, _ int) (bool, error) {
		c, err := r.call()
		out = append(out, c)
		return true, err
	})
	return out, s.fail(ctx, "read unfinished calls", err)
}

// WithdrawArrivals takes values that wait for others out of their joins: those
// with the ids at one socket, or those of a run. They meet nobody any more.
func (s *Store) WithdrawArrivals(ctx context.Context, network, socket string, ids ...string) error {
	return s.tx(ctx, "withdraw arrivals", func(tx *gorm.DB) error {
		if err := s.lock(ctx, tx, "join/"+network+"/"+socket); err != nil {
			return err
		}
		for part := range slices.Chunk(ids, 1000) {
			if err := withdraw(tx.Where("id IN ?", part)); err != nil {
				return err
			}
		}
		return nil
	})
}

// WithdrawRun takes all values of a run out of the joins they wait in.
func (s *Store) WithdrawRun(ctx context.Context, tracking string) error {
	return s.fail(ctx, "withdraw arrivals", withdraw(s.write.WithContext(ctx).Where("tracking = ?", tracking)))
}

func withdraw(q *gorm.DB) error {
	return q.Model(&arrivalRow{}).Where("settled IS NULL AND NOT used").
		UpdateColumns(map[string]any{"settled": stamp(now()), "value": nil, "refs": nil}).Error
}

// standing leaves out the arrivals that were cancelled before they came.
func standing(tx *gorm.DB, arrivals []Arrival) ([]Arrival, error) {
	var runs, ids []string
	for _, a := range arrivals {
		runs = append(runs, a.Tracking)
		if a.Parent == "" || a.Parent == a.ID {
			ids = append(ids, a.ID)
		}
	}
	slices.Sort(runs)
	var gone []string
	if err := tx.Model(&cancelRow{}).Where("run AND id IN ?", slices.Compact(runs)).Pluck("id", &gone).Error; err != nil {
		return nil, err
	}
	if len(ids) > 0 {
		var calls []string
		if err := tx.Model(&callRow{}).Where("id IN ? AND state = ?", ids, string(model.Cancelled)).Pluck("id", &calls).Error; err != nil {
			return nil, err
		}
		gone = append(gone, calls...)
	}
	if len(gone) == 0 {
		return arrivals, nil
	}
	return slices.DeleteFunc(slices.Clone(arrivals), func(a Arrival) bool {
		return slices.Contains(gone, a.ID) || slices.Contains(gone, a.Tracking)
	}), nil
}
