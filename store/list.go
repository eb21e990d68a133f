package store

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"

	"gorm.io/gorm"

	"github.com/elasticcode/flow/model"
)

// The limits of a page.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)

// List asks for one page of a listing.
type List struct {
	Cursor string // of the page before: its Next; empty for the first page
	Limit  int    // 0: DefaultLimit; at most MaxLimit
}

func (l List) limit() int {
	if l.Limit <= 0 {
		return DefaultLimit
	}
	return min(l.Limit, MaxLimit)
}

// cursor returns the keys of the last item of the page before; nil at the start.
func (l List) cursor(keys int) ([]string, error) {
	if l.Cursor == "" {
		return nil, nil
	}
	var out []string
	raw, err := base64.RawURLEncoding.DecodeString(l.Cursor)
	if err != nil || json.Unmarshal(raw, &out) != nil || len(out) != keys {
		return nil, ErrCursor
	}
	return out, nil
}

func cursorOf(keys ...string) string {
	raw, _ := json.Marshal(keys) // strings always marshal
	return base64.RawURLEncoding.EncodeToString(raw)
}

// page reads one page of q, in the order of the text columns by; keys returns
// their values for an item, to go on after it.
func page[R row[M], M any](ctx context.Context, s *Store, q *gorm.DB, l List, keys func(M) []string, by ...string) (model.Page[M], error) {
	var (
		r   R
		out model.Page[M]
	)
	after, err := l.cursor(len(by))
	if err != nil {
		return out, err
	}
	doing := "list " + r.TableName()
	q = q.Model(&r).Session(&gorm.Session{Context: ctx})
	if err := q.Count(&out.Total).Error; err != nil {
		return out, s.fail(ctx, doing, err)
	}
	if after != nil {
		values := make([]any, len(after))
		for i, v := range after {
			values[i] = v
		}
		marks := strings.TrimSuffix(strings.Repeat("?,", len(by)), ",")
		q = q.Where("("+strings.Join(by, ",")+") > ("+marks+")", values...)
	}
	var rows []R
	if err := q.Order(strings.Join(by, ",")).Limit(l.limit() + 1).Find(&rows).Error; err != nil {
		return out, s.fail(ctx, doing, err)
	}
	more := len(rows) > l.limit()
	if more {
		rows = rows[:l.limit()]
	}
	out.Items = make([]M, len(rows))
	for i, r := range rows {
		out.Items[i] = r.object()
	}
	if more {
		out.Next = cursorOf(keys(out.Items[len(rows)-1])...)
	}
	return out, nil
}

// in limits a query to a network; an empty name means all networks.
func (s *Store) in(net string) *gorm.DB {
	if net == "" {
		return s.read
	}
	return s.read.Where("network = ?", net)
}

// named lists the objects of a network by name; over all networks by network
// and name.
func named[R row[M], M any](ctx context.Context, s *Store, net string, l List, of func(M) model.Object) (model.Page[M], error) {
	keys := func(m M) []string { return []string{of(m).Network, of(m).Name} }
	return page[R, M](ctx, s, s.in(net), l, keys, "network", "name")
}

// all returns every row, in the order given.
func all[R row[M], M any](ctx context.Context, s *Store, q *gorm.DB, order string) ([]M, error) {
	var rows []R
	if err := q.WithContext(ctx).Order(order).Find(&rows).Error; err != nil {
		var r R
		return nil, s.fail(ctx, "list "+r.TableName(), err)
	}
	out := make([]M, len(rows))
	for i, r := range rows {
		out[i] = r.object()
	}
	return out, nil
}
