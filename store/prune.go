package store

import (
	"context"
	"slices"
	"time"

	"gorm.io/gorm"

	"github.com/elasticcode/flow/model"
)

// PruneCalls removes calls of a network that have ended and were made before
// the time, the oldest first and at most limit of them, with all that belongs to
// them. It returns how many they were. Dead calls stay: they wait for a person.
// One call is one short transaction, so that nobody waits for it for long.
func (s *Store) PruneCalls(ctx context.Context, net string, before time.Time, limit int) (int, error) {
	var ids []string
	err := s.tx(ctx, "prune calls", func(tx *gorm.DB) error {
		q := tx.Model(&callRow{}).Where("network = ? AND created < ? AND finished IS NOT NULL AND state <> ?", network(net), stamp(before.UTC()), model.Dead)
		var rows []callRow
		if err := q.Select("id", "parents").Order("created, id").Limit(limit).Find(&rows).Error; err != nil {
			return err
		}
		ids = make([]string, len(rows))
		for i, r := range rows {
			ids[i] = r.ID
		}
		if len(ids) == 0 {
			return nil
		}
		if err := orphan(tx, rows, ids); err != nil {
			return err
		}
		for _, statement := range []string{
			"DELETE FROM call_logs WHERE call_id IN ?",
			"DELETE FROM events WHERE call_id IN ?",
			"DELETE FROM call_blobs WHERE call_id IN ?",
			"DELETE FROM dead_letters WHERE call_id IN ?",
			"DELETE FROM calls WHERE id IN ?",
			// Ways down to calls that went with their day.
			"DELETE FROM call_parents WHERE parent IN ? AND (SELECT 1 FROM calls WHERE id = child) IS NULL",
		} {
			if err := tx.Exec(statement, ids).Error; err != nil {
				return err
			}
		}
		return s.keepStates(ctx, tx, ids)
	})
	if err != nil {
		return 0, err
	}
	return len(ids), nil
}

// orphan removes the ways down from their parents to the calls. It finds them
// by parent, since there is no index by child: without, every batch would read
// the whole table. The child is compared as an expression so that no database
// looks for each pair of a parent and a child.
func orphan(tx *gorm.DB, calls []callRow, ids []string) error {
	var parents []string
	for _, c := range calls {
		var of []string
		if err := decode(c.Parents, &of); err != nil {
			return err
		}
		parents = append(parents, of...)
	}
	slices.Sort(parents)
	for part := range slices.Chunk(slices.Compact(parents), 1000) {
		if err := tx.Exec("DELETE FROM call_parents WHERE parent IN ? AND child || '' IN ?", part, ids).Error; err != nil {
			return err
		}
	}
	return nil
}

// CreatedAtRank returns when the n-th newest call of a network was made (from
// 0); the zero time when there are no more than n.
func (s *Store) CreatedAtRank(ctx context.Context, net string, n int64) (time.Time, error) {
	var at []stamp
	err := s.read.WithContext(ctx).Model(&callRow{}).Where("network = ?", network(net)).
		Order("created DESC, id DESC").Offset(int(n)).Limit(1).Pluck("created", &at).Error
	if err != nil || len(at) == 0 {
		return time.Time{}, s.fail(ctx, "count calls", err)
	}
	return time.Time(at[0]), nil
}
