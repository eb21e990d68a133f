package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"

	"github.com/elasticcode/flow/model"
)

// CallFilter limits a listing of calls; what is empty limits nothing.
type CallFilter struct {
	Network string
	Socket  string
	State   model.State
	Run     string // the tracking id
	// Since lists only calls that were made then or later, Until only those that
	// were made earlier: periods that follow each other share no call.
	Since, Until time.Time
	// Unfinished lists only calls that have not ended.
	Unfinished bool
	// Ascending lists the oldest first instead of the newest.
	Ascending bool
	// Exact counts all, however many they are.
	Exact bool
	List
}

func (f CallFilter) apply(q *gorm.DB) *gorm.DB {
	if f.State != "" {
		q = q.Where("state = ?", string(f.State))
	}
	if f.Run != "" {
		q = q.Where("tracking = ?", f.Run)
	}
	if f.Unfinished {
		q = q.Where("progress < ?", ended)
	}
	if f.Socket != "" {
		q = q.Where("socket = ?", f.Socket)
	}
	return f.about(q)
}

// about limits a query to the network and the time.
func (f CallFilter) about(q *gorm.DB) *gorm.DB {
	if f.Network != "" {
		q = q.Where("network = ?", f.Network)
	}
	return within(q, "created", f.Since, f.Until)
}

// order is that of a listing; id is what the column with the id is called.
func (f CallFilter) order(id string) string {
	if f.Ascending {
		return "created, " + id
	}
	return "created DESC, " + id + " DESC"
}

// page puts a listing in its order, from where the page before ended.
func (f CallFilter) page(q *gorm.DB, id string) (*gorm.DB, error) {
	after, err := f.cursor(2)
	if err != nil {
		return nil, err
	}
	q = q.Order(f.order(id))
	if after == nil {
		return q, nil
	}
	var t stamp
	if t.Scan(after[0]) != nil {
		return nil, ErrCursor
	}
	beyond := "<"
	if f.Ascending {
		beyond = ">"
	}
	return q.Where("(created, "+id+") "+beyond+" (?, ?)", t, after[1]), nil
}

// most is to how many calls the listing counts; 0: all.
func (f CallFilter) most() int {
	if f.Exact {
		return 0
	}
	return CountLimit
}

// within limits a column to times from since on and before until; a zero time
// limits nothing. A period with one end is given the other: of a column between
// two times that it does not know, as in the plan of a prepared statement,
// PostgreSQL expects 1 row in 200 and uses the index, of one beyond a single
// time it expects every third and reads all.
func within(q *gorm.DB, column string, since, until time.Time) *gorm.DB {
	switch {
	case since.IsZero() && until.IsZero():
		return q
	case until.IsZero():
		return q.Where(column+" >= ? AND "+column+" <= ?", stamp(since), stamp(endOfTime))
	}
	return q.Where(column+" >= ? AND "+column+" < ?", stamp(since), stamp(until))
}

// maxPageBytes is how much of arguments and results a page of calls may hold: a
// page of large ones is shorter than was asked for, and goes on in the next.
const maxPageBytes = 16 << 20

// Calls lists calls by the time they were made, without their logs and events.
// Large values are references here, as in everything that reads calls.
func (s *Store) Calls(ctx context.Context, f CallFilter) (model.Page[model.Call], error) {
	if states, ok := f.unusual(); ok {
		return s.unusualCalls(ctx, f, states)
	}
	out := model.Page[model.Call]{Items: []model.Call{}}
	all := f.apply(s.read.WithContext(ctx).Model(&callRow{})).Session(&gorm.Session{})
	q, err := f.page(all, "id")
	if err != nil {
		return out, err
	}
	limit := f.limit()
	var last string
	more, err := s.eachCall(q.Limit(limit+1), func(r callRow, bytes int) (bool, error) {
		if len(out.Items) == limit || bytes > maxPageBytes && len(out.Items) > 0 {
			return false, nil
		}
		c, err := r.call()
		out.Items = append(out.Items, c)
		last = cursorOf(r.Created.String(), r.ID)
		return true, err
	})
	if err == nil {
		err = refer(s.read.WithContext(ctx), out.Items)
	}
	if err != nil {
		return out, s.fail(ctx, "list calls", err)
	}
	if more {
		out.Next = last
	}
	if f.Cursor == "" && !more {
		out.Total = int64(len(out.Items))
		return out, nil
	}
	out.Total, out.AtLeast, err = s.count(all, f.most())
	return out, s.fail(ctx, "count calls", err)
}

// CountLimit is to how many calls a listing counts what it chooses from: with a
// long history, counting would take longer than everything else.
const CountLimit = 10_000

// count counts the rows of q to most of them (0: all), and tells whether there are more.
func (s *Store) count(q *gorm.DB, most int) (n int64, more bool, err error) {
	if most == 0 {
		return n, false, q.Count(&n).Error
	}
	some := q.Select("1").Limit(most + 1)
	if err := s.read.WithContext(q.Statement.Context).Table("(?) AS listed", some).Count(&n).Error; err != nil {
		return 0, false, err
	}
	return min(n, int64(most)), n > int64(most), nil
}

// eachCall streams the rows of q to fn, with the bytes read so far, until it
// returns false; it tells whether that happened.
func (s *Store) eachCall(q *gorm.DB, fn func(r callRow, bytes int) (bool, error)) (bool, error) {
	rows, err := q.Rows()
	if err != nil {
		return false, err
	}
	defer func() { _ = rows.Close() }()
	bytes := 0
	for rows.Next() {
		var r callRow
		if err := s.read.ScanRows(rows, &r); err != nil {
			return false, err
		}
		bytes += r.size()
		if ok, err := fn(r, bytes); err != nil || !ok {
			return true, err
		}
	}
	return false, rows.Err()
}

// HasCalls tells whether the history has any call.
func (s *Store) HasCalls(ctx context.Context) (bool, error) {
	var ids []string
	err := s.read.WithContext(ctx).Model(&callRow{}).Limit(1).Pluck("id", &ids).Error
	return len(ids) > 0, s.fail(ctx, "look for calls", err)
}

// Recorded returns those of the ids that calls on record have.
func (s *Store) Recorded(ctx context.Context, ids ...string) ([]string, error) {
	db, err := s.read.DB()
	if err != nil {
		return nil, err
	}
	known, err := s.driver.Known(ctx, db, ids)
	return known, s.fail(ctx, "find calls", err)
}

// Call returns a call with its log and events.
func (s *Store) Call(ctx context.Context, id string) (model.Call, error) {
	var r callRow
	db := s.read.WithContext(ctx)
	err := db.Where("id = ?", id).Take(&r).Error
	if missingRow(err) {
		return model.Call{}, &NotFound{Kind: "call", Name: id}
	}
	if err != nil {
		return model.Call{}, s.fail(ctx, "get call", err)
	}
	c, err := r.call()
	if err != nil {
		return c, fmt.Errorf("get call %s: %w", id, err)
	}
	one := []model.Call{c}
	if err := refer(db, one); err != nil {
		return c, s.fail(ctx, "get large values", err)
	}
	c = one[0]
	var logs []logRow
	if err := db.Where("call_id = ?", id).Order("attempt").Find(&logs).Error; err != nil {
		return c, s.fail(ctx, "get log", err)
	}
	for _, l := range logs {
		var lines []model.LogLine
		if err := decode(l.Lines, &lines); err != nil {
			return c, fmt.Errorf("get log of call %s: %w", id, err)
		}
		c.Log = append(c.Log, lines...)
	}
	var events []eventRow
	if err := db.Where("call_id = ?", id).Order("time, name").Find(&events).Error; err != nil {
		return c, s.fail(ctx, "get events", err)
	}
	for _, e := range events {
		c.Events = append(c.Events, model.Event{Name: e.Name, Time: e.Time.time(), Note: e.Note})
	}
	return c, nil
}

// Run returns all calls of a run, the oldest first, without logs and events.
func (s *Store) Run(ctx context.Context, tracking string) ([]model.Call, error) {
	out, err := s.callsOf(ctx, s.read.WithContext(ctx).Model(&callRow{}).Where("tracking = ?", tracking))
	if err == nil && len(out) == 0 {
		err = &NotFound{Kind: "run", Name: tracking}
	}
	return out, s.fail(ctx, "get run", err)
}

// Tree returns a call and all calls that descend from it, parents before
// children and otherwise the oldest first, without logs and events. It follows
// joins into other runs.
func (s *Store) Tree(ctx context.Context, id string) ([]model.Call, error) {
	ids, err := s.descendants(ctx, id)
	if err != nil {
		return nil, s.fail(ctx, "get tree", err)
	}
	var out []model.Call
	for part := range slices.Chunk(ids, 1000) {
		calls, err := s.callsOf(ctx, s.read.WithContext(ctx).Model(&callRow{}).Where("id IN ?", part))
		if err != nil {
			return nil, s.fail(ctx, "get tree", err)
		}
		out = append(out, calls...)
	}
	slices.SortFunc(out, func(a, b model.Call) int { return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.ID, b.ID)) })
	root := slices.IndexFunc(out, func(c model.Call) bool { return c.ID == id })
	if root < 0 {
		return nil, &NotFound{Kind: "call", Name: id}
	}
	return topDown(out, id), nil
}

// descendants returns the id and those of all that descends from it. It asks
// level by level: for ids that it is given, a database looks into the parts of
// the history that may have them; to follow the tree by itself it reads all.
func (s *Store) descendants(ctx context.Context, id string) ([]string, error) {
	out, known := []string{id}, map[string]bool{id: true}
	for from := 0; from < len(out); {
		level := out[from:]
		from = len(out)
		for part := range slices.Chunk(level, 1000) {
			var children []string
			if err := s.read.WithContext(ctx).Model(&parentRow{}).Where("parent IN ?", part).Pluck("child", &children).Error; err != nil {
				return nil, err
			}
			for _, c := range children {
				if !known[c] {
					known[c], out = true, append(out, c)
				}
			}
		}
	}
	return out, nil
}

func (s *Store) callsOf(ctx context.Context, q *gorm.DB) ([]model.Call, error) {
	var out []model.Call
	_, err := s.eachCall(q.Order("created, id"), func(r callRow, _ int) (bool, error) {
		c, err := r.call()
		out = append(out, c)
		return true, err
	})
	if err == nil {
		err = refer(s.read.WithContext(ctx), out)
	}
	return out, err
}

// topDown orders calls so that parents come before children, whatever their
// clocks said, and keeps the order otherwise.
func topDown(calls []model.Call, root string) []model.Call {
	children := make(map[string][]int, len(calls)) // by parent
	open := make([]int, len(calls))                // parents not placed yet
	known := make(map[string]bool, len(calls))
	for _, c := range calls {
		known[c.ID] = true
	}
	var ready []int
	for i, c := range calls {
		for _, p := range c.Parents {
			if known[p] && c.ID != root {
				children[p] = append(children[p], i)
				open[i]++
			}
		}
		if open[i] == 0 {
			ready = append(ready, i)
		}
	}
	out := make([]model.Call, 0, len(calls))
	placed := make([]bool, len(calls))
	for len(ready) > 0 {
		i := ready[0]
		ready = ready[1:]
		placed[i] = true
		out = append(out, calls[i])
		for _, child := range children[calls[i].ID] {
			if open[child]--; open[child] == 0 {
				at, _ := slices.BinarySearch(ready, child)
				ready = slices.Insert(ready, at, child)
			}
		}
	}
	for i, c := range calls { // a circle has no top; nothing is left out for that
		if !placed[i] {
			out = append(out, c)
		}
	}
	return out
}
