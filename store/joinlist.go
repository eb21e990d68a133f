package store

import (
	"context"
	"slices"
	"time"

	"gorm.io/gorm"

	"github.com/elasticcode/flow/model"
)

// PendingFired lists fired joins whose calls were not sent yet as far as is
// known, the oldest first.
func (s *Store) PendingFired(ctx context.Context, limit int) ([]Fired, error) {
	var rows []firedRow
	if err := s.read.WithContext(ctx).Order("created, id").Limit(limit).Find(&rows).Error; err != nil {
		return nil, s.fail(ctx, "list fired joins", err)
	}
	out := make([]Fired, 0, len(rows))
	for _, r := range rows {
		f, err := r.fired()
		if err != nil {
			return nil, s.fail(ctx, "read fired join "+r.ID, err)
		}
		out = append(out, f)
	}
	return out, nil
}

// FiredSent says that the calls of fired joins were sent: the broker has them.
func (s *Store) FiredSent(ctx context.Context, ids ...string) error {
	for part := range slices.Chunk(ids, 1000) {
		if err := s.write.WithContext(ctx).Where("id IN ?", part).Delete(&firedRow{}).Error; err != nil {
			return s.fail(ctx, "take fired joins off the list", err)
		}
	}
	return nil
}

// maxJoins is how many arrivals Joins looks at, the oldest first.
const maxJoins = 5000

// Joins lists the joins of a network, or of one socket, that are incomplete:
// arguments that wait for others. An empty name limits nothing.
func (s *Store) Joins(ctx context.Context, network, socket string) ([]Join, error) {
	q := s.in(network).WithContext(ctx).Select(light).Where("settled IS NULL AND NOT used").Order("seq").Limit(maxJoins)
	if socket != "" {
		q = q.Where("socket = ?", socket)
	}
	var rows []arrivalRow
	if err := q.Find(&rows).Error; err != nil {
		return nil, s.fail(ctx, "list joins", err)
	}
	var (
		out  = []Join{}
		open = map[socketKey][]int{} // positions in out
	)
	for _, r := range rows {
		a, err := r.arrival()
		if err != nil {
			return nil, s.fail(ctx, "read arrival "+r.ID, err)
		}
		k := socketKey{a.Network, a.Socket}
		at := slices.IndexFunc(open[k], func(i int) bool { return out[i].takes(a) })
		if at < 0 {
			at = len(open[k])
			open[k] = append(open[k], len(out))
			out = append(out, Join{
				Network: a.Network, Socket: a.Socket, Policy: a.Policy, Tracking: a.Tracking,
				Have: map[string]string{}, Missing: a.Needs, Since: a.Created,
			})
		}
		j := &out[open[k][at]]
		j.Have[a.Argument] = a.ID
		j.Missing = slices.DeleteFunc(slices.Clone(j.Missing), func(need string) bool { return need == a.Argument })
	}
	return out, nil
}

// takes tells whether the arrival waits in this join and not in one after it.
func (j Join) takes(a Arrival) bool {
	if _, taken := j.Have[a.Argument]; taken {
		return false
	}
	return a.Policy != model.JoinRun || j.Tracking == a.Tracking
}

// rememberArrivals is for how long an arrival that has met others is still
// recognised when it is delivered again.
const rememberArrivals = 30 * 24 * time.Hour

// ExpireJoins ends the wait of arrivals that were made before the time, and
// returns what has expired: these, those whose place a newer value took, and
// what earlier calls returned and ForgetArrivals has not been told of. So a
// program that dies before it has dealt with them loses none. They meet nobody
// any more.
func (s *Store) ExpireJoins(ctx context.Context, before time.Time) ([]Arrival, error) {
	var rows []arrivalRow
	err := s.tx(ctx, "expire joins", func(tx *gorm.DB) error {
		t := now()
		expired := tx.Model(&arrivalRow{}).Where("settled IS NULL AND NOT used AND created < ?", stamp(before))
		if err := expired.UpdateColumn("settled", stamp(t)).Error; err != nil {
			return err
		}
		old := tx.Where("settled < ? AND value IS NULL", stamp(t.Add(-rememberArrivals)))
		if err := old.Delete(&arrivalRow{}).Error; err != nil {
			return err
		}
		const atOnce = 1000
		return tx.Where("settled IS NOT NULL AND value IS NOT NULL").Order("seq").Limit(atOnce).Find(&rows).Error
	})
	if err != nil {
		return nil, err
	}
	out := make([]Arrival, 0, len(rows))
	for _, r := range rows {
		a, err := r.arrival()
		if err != nil {
			return nil, s.fail(ctx, "read arrival "+r.ID, err)
		}
		out = append(out, a)
	}
	return out, nil
}

// ForgetArrivals says that expired arrivals are dealt with: the dead letters
// have them. Until then ExpireJoins returns them again.
func (s *Store) ForgetArrivals(ctx context.Context, ids ...string) error {
	for part := range slices.Chunk(ids, 1000) {
		err := s.write.WithContext(ctx).Model(&arrivalRow{}).
			Where("id IN ? AND settled IS NOT NULL", part).UpdateColumns(map[string]any{"value": nil, "refs": nil}).Error
		if err != nil {
			return s.fail(ctx, "forget arrivals", err)
		}
	}
	return nil
}
