package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"

	"github.com/elasticcode/flow/model"
)

// stateRow says in which state a call is that has not succeeded, or not yet. Most
// calls of a long history have succeeded and have none, so that the others are
// found here without reading the history. It is a view of calls, or a table: see
// StateKeeper.
type stateRow struct {
	CallID  string `gorm:"primaryKey;index:idx_call_states_list,priority:4"`
	Network string `gorm:"not null;index:idx_call_states_list,priority:1"`
	Socket  string `gorm:"not null"`
	State   string `gorm:"not null;index:idx_call_states_list,priority:2"`
	Created stamp  `gorm:"not null;index:idx_call_states_list,priority:3"`
}

// TableName implements gorm's Tabler.
func (stateRow) TableName() string { return "call_states" }

// keepStates brings call_states in step with what the transaction did to calls.
func (s *Store) keepStates(ctx context.Context, tx *gorm.DB, ids []string) error {
	k, ok := s.driver.(StateKeeper)
	if !ok || len(ids) == 0 {
		return nil
	}
	return k.KeepStates(ctx, tx.Statement.ConnPool, ids)
}

// stateBatch is the rows of call_states for rows of calls that are new.
func stateBatch(calls Batch) Batch {
	from := map[string]Column{}
	for _, c := range calls.Columns {
		from[c.Name] = c
	}
	var rows []int
	for i, state := range from["state"].Text {
		if state != string(model.Succeeded) {
			rows = append(rows, i)
		}
	}
	return Batch{Table: stateRow{}.TableName(), Rows: len(rows), Columns: []Column{
		text("call_id", rows, func(i int) string { return from["id"].Text[i] }),
		text("network", rows, func(i int) string { return from["network"].Text[i] }),
		text("socket", rows, func(i int) string { return from["socket"].Text[i] }),
		text("state", rows, func(i int) string { return from["state"].Text[i] }),
		times("created", rows, func(i int) *time.Time { return from["created"].Time[i] }),
	}}
}

// unusual returns the states that the filter asks for, if calls in them are best
// looked for among those that have not succeeded. The calls of a run have an index.
func (f CallFilter) unusual() ([]model.State, bool) {
	if f.Run != "" || !f.Unfinished && (f.State == "" || f.State == model.Succeeded) {
		return nil, false
	}
	states := model.States()
	if f.State != "" {
		states = []model.State{f.State}
	}
	return slices.DeleteFunc(states, func(s model.State) bool { return f.Unfinished && s.Terminal() }), true
}

// unusualAtOnce is how many calls are read with one statement: while they are put
// in order, their values are held by the database.
const unusualAtOnce = 50

// unusualCalls is Calls for the states of unusual.
func (s *Store) unusualCalls(ctx context.Context, f CallFilter, states []model.State) (model.Page[model.Call], error) {
	out := model.Page[model.Call]{Items: []model.Call{}}
	if len(states) == 0 {
		return out, nil
	}
	limit := f.limit()
	page, err := s.inStates(ctx, f, states, limit+1)
	if err != nil {
		return out, err
	}
	more := len(page) > limit
	page = page[:min(limit, len(page))]
	if f.Cursor == "" && !more {
		out.Total = int64(len(page))
	} else if out.Total, out.AtLeast, err = s.count(f.states(s.read.WithContext(ctx)).Where("state IN ?", states), f.most()); err != nil {
		return out, s.fail(ctx, "count calls", err)
	}
	cut, err := s.readUnusual(ctx, f, states, page, &out)
	if err == nil {
		err = refer(s.read.WithContext(ctx), out.Items)
	}
	switch {
	case err != nil:
		return out, s.fail(ctx, "list calls", err)
	case cut:
		last := out.Items[len(out.Items)-1]
		out.Next = cursorOf(stamp(last.Created).String(), last.ID)
	case more:
		last := page[len(page)-1]
		out.Next = cursorOf(last.Created.String(), last.CallID)
	}
	return out, nil
}

// readUnusual reads the calls of a page, and tells whether they were cut short
// because they are large. A call may have left the states since the page was made.
func (s *Store) readUnusual(ctx context.Context, f CallFilter, states []model.State, page []stateRow, out *model.Page[model.Call]) (cut bool, err error) {
	size := 0
	for part := range slices.Chunk(page, unusualAtOnce) {
		ids := make([]string, len(part))
		for i, r := range part {
			ids[i] = r.CallID
		}
		q, before := s.read.WithContext(ctx).Model(&callRow{}).Where("id IN ?", ids).Order(f.order("id")), size
		cut, err = s.eachCall(q, func(r callRow, bytes int) (bool, error) {
			if size = before + bytes; size > maxPageBytes && len(out.Items) > 0 {
				return false, nil
			}
			c, err := r.call()
			if slices.Contains(states, c.State) {
				out.Items = append(out.Items, c)
			}
			return true, err
		})
		if cut || err != nil {
			break
		}
	}
	return cut, err
}

// states selects what the filter asks for, in any state. The socket is compared as
// an expression, so that the index of all calls of the socket is not taken.
func (f CallFilter) states(db *gorm.DB) *gorm.DB {
	q := f.about(db.Model(&stateRow{}))
	if f.Socket != "" {
		q = q.Where("socket || '' = ?", f.Socket)
	}
	return q
}

// inStates lists where the calls of a page are. Each state is asked for by itself:
// then the index has them in order, however many there are.
func (s *Store) inStates(ctx context.Context, f CallFilter, states []model.State, limit int) ([]stateRow, error) {
	var parts []any
	for _, state := range states {
		q, err := f.page(f.states(s.read).Select("call_id", "created").Where("state = ?", state), "call_id")
		if err != nil {
			return nil, err
		}
		parts = append(parts, q.Limit(limit))
	}
	union := strings.Repeat(" UNION ALL SELECT call_id, created FROM (?) AS part", len(parts))[len(" UNION ALL "):]
	var out []stateRow
	err := s.read.WithContext(ctx).Raw(union+" ORDER BY "+f.order("call_id")+" LIMIT ?", append(parts, limit)...).Scan(&out).Error
	return out, s.fail(ctx, "list calls", err)
}
