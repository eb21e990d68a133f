package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/model/quickjson"
)

// RecordCalls keeps what is known of calls, in bulk: each call with all that
// belongs to it in one transaction. The same call may be there several times and
// in any order; see the package comment for which record counts. Records that can
// never be stored are left out and named by an *Unfit; all others were stored then.
// Begun names those of which nothing was stored before, as far as the caller knows:
// that makes storing them faster, and nothing else.
func (s *Store) RecordCalls(ctx context.Context, calls []model.Call, begun ...string) error {
	waves, unfit := newWaves(calls, begun)
	waves, err := s.appendNew(ctx, waves)
	err = s.fail(ctx, "record calls", err)
	if err == nil && len(waves) > 0 {
		err = s.tx(ctx, "record calls", func(tx *gorm.DB) error {
			for _, w := range waves {
				if err := s.insertWave(ctx, tx, w); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err == nil && len(unfit) > 0 {
		err = &Unfit{Reasons: unfit}
	}
	return err
}

func (s *Store) insertWave(ctx context.Context, tx *gorm.DB, w *wave) error {
	k, keeps := s.driver.(StateKeeper)
	for _, p := range w.parts() {
		var err error
		if keeps && p.Table == "calls" {
			err = k.InsertCalls(ctx, tx.Statement.ConnPool, p.Batch, p.conflict)
		} else {
			err = s.driver.Insert(ctx, tx.Statement.ConnPool, p.Batch, p.conflict)
		}
		if err != nil {
			return fmt.Errorf("insert %s: %w", p.Table, err)
		}
	}
	return nil
}

// maxKey is the longest id or name that indexes take with room to spare, in bytes.
const maxKey = 256

// unfitCall says why a record can never be stored, or nothing.
func unfitCall(c *model.Call) string {
	if c.ID == "" {
		return "it has no id"
	}
	if !c.State.Valid() {
		return fmt.Sprintf("call %.40q has the unknown state %.20q", c.ID, c.State)
	}
	keys := append(append(make([]string, 0, 8), c.ID, c.Tracking, c.Network, c.Socket), c.Parents...) // on the stack, mostly
	for _, r := range c.Refs {
		keys = append(keys, r.At, r.Hash)
	}
	for _, k := range keys {
		if why := unfitKey(k); why != "" {
			return fmt.Sprintf("call %.40q: %s", c.ID, why)
		}
	}
	if !validJSON(c) {
		return fmt.Sprintf("call %.40q: an argument or the result is not a JSON value", c.ID)
	}
	return ""
}

func validJSON(c *model.Call) bool {
	for _, v := range c.Args {
		if !quickjson.Valid(v) {
			return false
		}
	}
	for _, v := range c.Kwargs {
		if !quickjson.Valid(v) {
			return false
		}
	}
	return len(c.Result) == 0 || quickjson.Valid(c.Result)
}

func unfitKey(k string) string {
	switch {
	case len(k) > maxKey:
		return fmt.Sprintf("%.20q… is %d bytes long: at most %d are allowed in ids and names", k, len(k), maxKey)
	case clean(k) != k:
		return fmt.Sprintf("%.40q is not UTF-8 text without zero characters", k)
	}
	return ""
}

// Reopen sets calls that ended without success to queued again, so that records
// of further attempts count. It returns those it reopened, as they had ended;
// PendingRedrives lists them until Redriven is told that they were sent. A call
// that is sent again should go on counting attempts from there.
func (s *Store) Reopen(ctx context.Context, ids ...string) ([]model.Call, error) {
	var out []model.Call
	err := s.tx(ctx, "reopen calls", func(tx *gorm.DB) error {
		out = nil
		var reopened []string
		var rows []callRow
		which := func() *gorm.DB {
			return tx.Model(&callRow{}).Where("id IN ? AND progress = ? AND state <> ?", ids, ended, string(model.Succeeded))
		}
		// Writing before reading locks the rows.
		if err := which().UpdateColumn("progress", gorm.Expr("progress")).Error; err != nil {
			return err
		}
		if err := which().Order("created, id").Find(&rows).Error; err != nil {
			return err
		}
		for _, r := range rows {
			c, err := r.call()
			if err != nil {
				return err
			}
			out, reopened = append(out, c), append(reopened, c.ID)
		}
		if err := refer(tx, out); err != nil {
			return err
		}
		if err := tx.Where("call_id IN (?) AND place = ?", which().Select("id"), model.ResultPlace).Delete(&callBlobRow{}).Error; err != nil {
			return err
		}
		if err := outbox(tx, out); err != nil {
			return err
		}
		if err := which().UpdateColumns(map[string]any{
			"state": string(model.Queued), "progress": gorm.Expr("attempt * ?", perAttempt), "result": nil, "failure": nil, "joined": "",
			"reopened": gorm.Expr("finished"), "received": nil, "started": nil, "finished": nil, "deadline": nil,
		}).Error; err != nil {
			return err
		}
		return s.keepStates(ctx, tx, reopened)
	})
	return out, err
}
