package store

import (
	"context"
	"time"

	"gorm.io/gorm"

	"github.com/elasticcode/flow/model"
)

// underway selects the calls that a message on the broker stands for, or a worker that
// has taken it. A value that waits in a join has arrived there; one that has not is on
// its way.
const underway = `state IN ('queued', 'running', 'retrying', 'waiting')
	AND (state <> 'waiting' OR NOT EXISTS (SELECT 1 FROM join_arrivals WHERE join_arrivals.id = call_states.call_id)) AND call_states.created < ?`

// Underway says that calls of a socket are under way.
type Underway struct {
	Network string
	Socket  string // empty: calls that any socket of their function may run
}

// Underway lists the sockets that have calls under way which were made before the time.
func (s *Store) Underway(ctx context.Context, before time.Time) ([]Underway, error) {
	var out []Underway
	q := s.read.WithContext(ctx)
	err := q.Model(&stateRow{}).Select("network, socket").
		// With the names of networks the list is found in the index of states.
		Where("network IN (?)", q.Session(&gorm.Session{NewDB: true}).Table("networks").Select("name")).
		Where(underway, stamp(before)).Group("network, socket").Order("network, socket").Scan(&out).Error
	return out, s.fail(ctx, "look for calls under way", err)
}

// UnderwayOf returns such calls of one socket in the order of their ids, beginning
// after one; without their values, logs and events.
func (s *Store) UnderwayOf(ctx context.Context, network, socket string, before time.Time, after string, limit int) ([]model.Call, error) {
	return s.unfinishedCalls(ctx, limit, "network = ? AND socket = ? AND call_id > ? AND "+underway, network, socket, after, stamp(before))
}

// CallsByID returns those of the calls that the history has, with their values and
// events, without their logs; the oldest first.
func (s *Store) CallsByID(ctx context.Context, ids ...string) ([]model.Call, error) {
	db := s.read.WithContext(ctx)
	out, err := s.callsOf(ctx, db.Model(&callRow{}).Where("id IN ?", ids))
	if err != nil {
		return nil, s.fail(ctx, "get calls", err)
	}
	var rows []eventRow
	if err := db.Where("call_id IN ?", ids).Order("call_id, time, name").Find(&rows).Error; err != nil {
		return nil, s.fail(ctx, "get events", err)
	}
	events := map[string][]model.Event{}
	for _, e := range rows {
		events[e.CallID] = append(events[e.CallID], model.Event{Name: e.Name, Time: e.Time.time(), Note: e.Note})
	}
	for i := range out {
		out[i].Events = events[out[i].ID]
	}
	return out, nil
}
