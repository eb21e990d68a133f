package store

import (
	"context"
	"encoding/json"
	"slices"
	"time"
	"unicode/utf8"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/elasticcode/flow/model"
)

// deadRow puts a call on the list of the dead letters.
type deadRow struct {
	CallID  string `gorm:"primaryKey;index:idx_dead_letters_list,priority:3"`
	Network string `gorm:"not null;index:idx_dead_letters_list,priority:1,where:dropped IS NULL"`
	Died    stamp  `gorm:"not null;index:idx_dead_letters_list,priority:2"`
	Dropped *stamp
}

// TableName implements gorm's Tabler.
func (deadRow) TableName() string { return "dead_letters" }

// redriveRow is the outbox of calls that are to be run again.
type redriveRow struct {
	CallID string `gorm:"primaryKey"`
	Tried  stamp  `gorm:"not null;index:idx_redrives_tried"`
}

// TableName implements gorm's Tabler.
func (redriveRow) TableName() string { return "redrives" }

// deadly are the states that put a call on the list.
var deadly = []model.State{model.Dead, model.Failed, model.Expired}

// deadBatch is the rows of the table dead_letters.
func deadBatch(calls []call) Batch {
	dead := slices.DeleteFunc(slices.Clone(calls), func(c call) bool { return !slices.Contains(deadly, c.State) })
	recorded := now()
	return Batch{Table: "dead_letters", Rows: len(dead), Columns: []Column{
		text("call_id", dead, func(c call) string { return c.ID }),
		text("network", dead, func(c call) string { return network(c.Network) }),
		times("died", dead, func(c call) *time.Time {
			if c.Finished == nil {
				return &recorded
			}
			return c.Finished
		}),
	}}
}

// DeadFilter limits a listing of dead letters; what is empty limits nothing.
type DeadFilter struct {
	Network string
	Socket  string
	Run     string // the tracking id
	State   model.State
	Error   string    // the type of the failure
	Since   time.Time // died then or later
	Until   time.Time // died earlier
	List
}

func (f DeadFilter) apply(q *gorm.DB) *gorm.DB {
	states := deadly
	if f.State != "" {
		states = []model.State{f.State}
	}
	q = q.Where("dropped IS NULL")
	if f.Network != "" {
		q = q.Where("network = ?", f.Network)
	}
	q = within(q, "died", f.Since, f.Until)
	if f.Run != "" { // a small part of the list
		q = q.Where("call_id IN (SELECT id FROM calls WHERE tracking = ?)", f.Run)
	}
	about, values := "state IN ?", []any{states}
	if f.Socket != "" {
		about, values = about+" AND socket = ?", append(values, f.Socket)
	}
	q = q.Where("(SELECT "+about+" FROM call_states WHERE call_states.call_id = dead_letters.call_id)", values...)
	if f.Error != "" { // a failure is written with its type first
		prefix := `{"error":` + string(encode(f.Error))
		q = q.Where(ofCall("substr(calls.failure, 1, ?) = ?"), utf8.RuneCountInString(prefix), prefix)
	}
	return q
}

// ofCall is a condition on the call of each dead letter. As a value for each
// row, and not as a join, it is looked up by id: a database with the history in
// many parts would rather read all of them to join them.
func ofCall(condition string) string {
	return "(SELECT " + condition + " FROM calls WHERE calls.id = dead_letters.call_id)"
}

// Dead lists the dead letters, the newest first, without logs and events.
func (s *Store) Dead(ctx context.Context, f DeadFilter) (model.Page[model.Call], error) {
	out := model.Page[model.Call]{Items: []model.Call{}}
	after, err := f.cursor(2)
	if err != nil {
		return out, err
	}
	q := f.apply(s.read.WithContext(ctx).Model(&deadRow{})).Session(&gorm.Session{})
	if out.Total, out.AtLeast, err = s.count(q, CountLimit); err != nil {
		return out, s.fail(ctx, "count dead letters", err)
	}
	if after != nil {
		var t stamp
		if t.Scan(after[0]) != nil {
			return out, ErrCursor
		}
		q = q.Where("(died, call_id) < (?, ?)", t, after[1])
	}
	var page []deadRow
	limit := f.limit()
	if err := q.Select("call_id", "died").Order("died DESC, call_id DESC").Limit(limit + 1).Find(&page).Error; err != nil {
		return out, s.fail(ctx, "list dead letters", err)
	}
	more := len(page) > limit
	page = page[:min(limit, len(page))]
	size := 0
	for i, d := range page { // one by one: their values may be large
		var r callRow
		if err := s.read.WithContext(ctx).Where("id = ?", d.CallID).Take(&r).Error; err != nil {
			if missingRow(err) {
				continue
			}
			return out, s.fail(ctx, "get dead letter", err)
		}
		c, err := r.call()
		if err != nil {
			return out, s.fail(ctx, "read dead letter "+d.CallID, err)
		}
		out.Items = append(out.Items, c)
		if size += r.size(); size > maxPageBytes {
			more, page = more || i < len(page)-1, page[:i+1]
			break
		}
	}
	if err := refer(s.read.WithContext(ctx), out.Items); err != nil {
		return out, s.fail(ctx, "list dead letters", err)
	}
	if more && len(page) > 0 {
		last := page[len(page)-1]
		out.Next = cursorOf(last.Died.String(), last.CallID)
	}
	return out, nil
}

// Drop takes calls off the list of the dead letters; their records stay as they
// are. It tells which were on it.
func (s *Store) Drop(ctx context.Context, ids ...string) ([]string, error) {
	var dropped []string
	err := s.tx(ctx, "drop dead letters", func(tx *gorm.DB) error {
		dropped = nil
		on := onList(tx, ids)
		if err := on().Pluck("call_id", &dropped).Error; err != nil {
			return err
		}
		return on().UpdateColumn("dropped", stamp(now())).Error
	})
	return dropped, err
}

// onList selects those of the ids that are on the list.
func onList(tx *gorm.DB, ids []string) func() *gorm.DB {
	return func() *gorm.DB {
		return tx.Model(&deadRow{}).Where("call_id IN ? AND dropped IS NULL", ids).
			Where(ofCall("calls.state IN ?"), deadly)
	}
}

// EditCall changes the arguments of a call that ended without success. Another
// call is a *NotFound or an *Ended.
func (s *Store) EditCall(ctx context.Context, id string, args []json.RawMessage, kwargs map[string]json.RawMessage, refs []model.Ref) error {
	if args == nil {
		args = []json.RawMessage{} // what is null would be filled in by a late record
	}
	if kwargs == nil {
		kwargs = map[string]json.RawMessage{}
	}
	var edited int64
	err := s.tx(ctx, "edit call "+id, func(tx *gorm.DB) error {
		done := tx.Model(&callRow{}).Where("id = ? AND state IN ?", id, deadly).
			UpdateColumns(map[string]any{"args": document(clean(string(encode(args)))), "kwargs": document(clean(string(encode(kwargs))))})
		if edited = done.RowsAffected; done.Error != nil || edited == 0 {
			return done.Error
		}
		if err := tx.Where("call_id = ? AND place <> ?", id, model.ResultPlace).Delete(&callBlobRow{}).Error; err != nil {
			return err
		}
		b := refBatch([]call{{ID: id, Refs: refs}})
		if b.Rows == 0 {
			return nil
		}
		return s.driver.Insert(ctx, tx.Statement.ConnPool, b, "ON CONFLICT DO NOTHING")
	})
	if err != nil {
		return err
	}
	if edited == 0 {
		c, err := s.Call(ctx, id)
		if err != nil {
			return err
		}
		return &Ended{ID: id, State: c.State, Joined: c.Joined}
	}
	return nil
}

// outbox keeps, in the transaction that reopens calls, that they are to be sent,
// and that neither they nor their runs are cancelled any more.
func outbox(tx *gorm.DB, calls []model.Call) error {
	if len(calls) == 0 {
		return nil
	}
	rows := make([]redriveRow, len(calls))
	var ids, cancels []string
	for i, c := range calls {
		rows[i] = redriveRow{CallID: c.ID, Tried: stamp(now())}
		ids, cancels = append(ids, c.ID), append(cancels, c.ID, c.Tracking)
	}
	if err := tx.Clauses(clause.OnConflict{UpdateAll: true}).CreateInBatches(&rows, 200).Error; err != nil {
		return err
	}
	if err := tx.Where("call_id IN ?", ids).Delete(&deadRow{}).Error; err != nil {
		return err
	}
	return tx.Where("id IN ?", cancels).Delete(&cancelRow{}).Error
}

// PendingRedrives returns reopened calls whose sending was begun before the time
// and did not come to its end, and takes them for the caller: nobody else gets
// them until as much time has passed again.
func (s *Store) PendingRedrives(ctx context.Context, before time.Time, limit int) ([]model.Call, error) {
	var ids []string
	err := s.tx(ctx, "take redrives", func(tx *gorm.DB) error {
		ids = nil
		if err := s.lock(ctx, tx, "redrives"); err != nil {
			return err
		}
		if err := tx.Model(&redriveRow{}).Where("tried < ?", stamp(before)).Order("tried").Limit(limit).Pluck("call_id", &ids).Error; err != nil || len(ids) == 0 {
			return err
		}
		return tx.Model(&redriveRow{}).Where("call_id IN ?", ids).UpdateColumn("tried", stamp(now())).Error
	})
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	out, err := s.callsOf(ctx, s.write.WithContext(ctx).Model(&callRow{}).Where("id IN ?", ids))
	return out, s.fail(ctx, "read redrives", err)
}

// Redriven says that reopened calls were sent: the broker has them.
func (s *Store) Redriven(ctx context.Context, ids ...string) error {
	for part := range slices.Chunk(ids, 1000) {
		if err := s.write.WithContext(ctx).Where("call_id IN ?", part).Delete(&redriveRow{}).Error; err != nil {
			return s.fail(ctx, "take redrives off the list", err)
		}
	}
	return nil
}
