package store

import (
	"context"
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
		if err := q.Order("created, id").Limit(limit).Pluck("id", &ids).Error; err != nil || len(ids) == 0 {
			return err
		}
		for _, statement := range []string{
			"DELETE FROM call_logs WHERE call_id IN ?",
			"DELETE FROM call_parents WHERE child IN ?",
			"DELETE FROM events WHERE call_id IN ?",
			"DELETE FROM call_blobs WHERE call_id IN ?",
			"DELETE FROM dead_letters WHERE call_id IN ?",
			"DELETE FROM calls WHERE id IN ?",
		} {
			if err := tx.Exec(statement, ids).Error; err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return len(ids), nil
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
