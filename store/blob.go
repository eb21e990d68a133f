package store

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/elasticcode/flow/model"
)

// blobRow is a part of a large value.
type blobRow struct {
	Hash    string `gorm:"primaryKey"`
	Part    int    `gorm:"primaryKey;autoIncrement:false"`
	Parts   int    `gorm:"not null"`
	Data    []byte `gorm:"not null"`
	Created stamp  `gorm:"not null;index:idx_blobs_created"` // or brought again
}

// TableName implements gorm's Tabler.
func (blobRow) TableName() string { return "blobs" }

// callBlobRow is a reference of a call: which large value belongs to a place in
// it. It also keeps the value from being removed.
type callBlobRow struct {
	CallID string `gorm:"primaryKey"`
	Place  string `gorm:"primaryKey"`
	Hash   string `gorm:"not null;index:idx_call_blobs_hash"`
	Size   int    `gorm:"not null"`
}

// TableName implements gorm's Tabler.
func (callBlobRow) TableName() string { return "call_blobs" }

// KeepBlobs keeps parts of large values. A value that is here already is only
// marked as young again, so that SweepBlobs leaves it for who is about to refer to it.
func (s *Store) KeepBlobs(ctx context.Context, parts ...model.BlobPart) error {
	rows, at := make([]blobRow, len(parts)), stamp(now())
	for i, p := range parts {
		rows[i] = blobRow{Hash: p.Hash, Part: p.Part, Parts: p.Parts, Data: p.Data, Created: at}
	}
	// In one order, so that two who bring the same do not wait for each other in a circle.
	slices.SortFunc(rows, compareBlobs)
	rows = slices.CompactFunc(rows, func(a, b blobRow) bool { return compareBlobs(a, b) == 0 })
	if len(rows) == 0 {
		return nil
	}
	again := clause.OnConflict{
		Columns:   []clause.Column{{Name: "hash"}, {Name: "part"}},
		DoUpdates: clause.AssignmentColumns([]string{"created"}),
	}
	return s.tx(ctx, "keep large values", func(tx *gorm.DB) error {
		return tx.Clauses(again).CreateInBatches(&rows, 8).Error // statements of 4 MiB
	})
}

// HoldBlobs keeps the references of calls that are about to be accepted, so that
// their values stay even when no record of the calls ever comes.
func (s *Store) HoldBlobs(ctx context.Context, calls ...model.Call) error {
	all := make([]call, len(calls))
	for i := range calls {
		all[i] = &calls[i]
	}
	b := refBatch(all)
	if b.Rows == 0 {
		return nil
	}
	return s.tx(ctx, "hold large values", func(tx *gorm.DB) error {
		return s.driver.Insert(ctx, tx.Statement.ConnPool, b, "ON CONFLICT DO NOTHING")
	})
}

// ReleaseBlobs removes references of calls that the history does not know, to
// values that nobody brought since the time: calls that were not accepted after
// all. It returns how many of at most limit it removed.
func (s *Store) ReleaseBlobs(ctx context.Context, before time.Time, limit int) (int, error) {
	const stray = `(call_id, place) IN (SELECT c.call_id, c.place FROM call_blobs c JOIN blobs b ON b.hash = c.hash AND b.part = 0
		WHERE b.created < ? AND (SELECT 1 FROM calls WHERE calls.id = c.call_id) IS NULL LIMIT ?)` // not a join: see ofCall
	done := s.write.WithContext(ctx).Where(stray, stamp(before), limit).Delete(&callBlobRow{})
	return int(done.RowsAffected), s.fail(ctx, "release large values", done.Error)
}

func compareBlobs(a, b blobRow) int {
	if a.Hash != b.Hash {
		return slices.Compare([]string{a.Hash}, []string{b.Hash})
	}
	return a.Part - b.Part
}

// Blob returns a large value; *NotFound when it, or a part of it, is not here.
func (s *Store) Blob(ctx context.Context, hash string) (json.RawMessage, error) {
	var rows []blobRow
	if err := s.read.WithContext(ctx).Where("hash = ?", hash).Order("part").Find(&rows).Error; err != nil {
		return nil, s.fail(ctx, "get large value", err)
	}
	if len(rows) == 0 || len(rows) != rows[0].Parts {
		return nil, &NotFound{Kind: "value", Name: hash}
	}
	var out json.RawMessage
	for _, r := range rows {
		out = append(out, r.Data...)
	}
	return out, nil
}

// refBatch is the rows of the table call_blobs.
func refBatch(calls []call) Batch {
	var rows []callBlobRow
	for _, c := range calls {
		for _, r := range c.Refs {
			rows = append(rows, callBlobRow{CallID: c.ID, Place: clean(r.At), Hash: clean(r.Hash), Size: r.Size})
		}
	}
	slices.SortFunc(rows, func(a, b callBlobRow) int {
		return slices.Compare([]string{a.CallID, a.Place}, []string{b.CallID, b.Place})
	})
	rows = slices.CompactFunc(rows, func(a, b callBlobRow) bool { return a.CallID == b.CallID && a.Place == b.Place })
	return Batch{Table: "call_blobs", Rows: len(rows), Columns: []Column{
		text("call_id", rows, func(r callBlobRow) string { return r.CallID }),
		text("place", rows, func(r callBlobRow) string { return r.Place }),
		text("hash", rows, func(r callBlobRow) string { return r.Hash }),
		numbers("size", rows, func(r callBlobRow) int64 { return int64(r.Size) }),
	}}
}

// mergeRefs is the references of two records of one call: the first that knew a
// place counts, as it does for what is in that place.
func mergeRefs(was, is []model.Ref) []model.Ref {
	out := slices.Clip(was)
	for _, r := range is {
		if !slices.ContainsFunc(out, func(o model.Ref) bool { return o.At == r.At }) {
			out = append(out, r)
		}
	}
	return out
}

// refer adds their references to calls as they were read. Those without any
// null, which are most, are not asked about.
func refer(db *gorm.DB, calls []model.Call) error {
	places := map[string]*model.Call{}
	for i := range calls {
		if mayRefer(calls[i]) {
			places[calls[i].ID] = &calls[i]
		}
	}
	ids := make([]string, 0, len(calls))
	for id := range places {
		ids = append(ids, id)
	}
	for part := range slices.Chunk(ids, 1000) {
		var rows []callBlobRow
		if err := db.Where("call_id IN ?", part).Order("call_id, place").Find(&rows).Error; err != nil {
			return err
		}
		for _, r := range rows {
			c := places[r.CallID]
			c.Refs = append(c.Refs, model.Ref{At: r.Place, Hash: r.Hash, Size: r.Size})
		}
	}
	return nil
}

func mayRefer(c model.Call) bool {
	null := []byte("null")
	for _, v := range c.Args {
		if bytes.Contains(v, null) {
			return true
		}
	}
	for _, v := range c.Kwargs {
		if bytes.Contains(v, null) {
			return true
		}
	}
	return bytes.Equal(c.Result, null)
}

// touch marks values as young, for references that are on their way.
func touch(tx *gorm.DB, refs []model.Ref) error {
	hashes := model.Hashes(refs)
	if len(hashes) == 0 {
		return nil
	}
	slices.Sort(hashes)
	return tx.Model(&blobRow{}).Where("hash IN ?", hashes).UpdateColumn("created", stamp(now())).Error
}

// SweepBlobs removes large values that no call has, that wait in no join, and
// that nobody brought since the time: records of calls that have them may still
// be on their way. It looks at up to limit of them whose hashes come after one,
// and returns the last of these, "" when there are no more, and how many it removed.
func (s *Store) SweepBlobs(ctx context.Context, before time.Time, after string, limit int) (last string, removed int, err error) {
	const idle = "created < ? AND NOT EXISTS (SELECT 1 FROM call_blobs c WHERE c.hash = blobs.hash)"
	err = s.tx(ctx, "remove large values", func(tx *gorm.DB) error {
		last, removed = "", 0
		var hashes []string
		q := tx.Model(&blobRow{}).Where("part = 0 AND hash > ?", after).Where(idle, stamp(before)).Order("hash").Limit(limit)
		if err := q.Pluck("hash", &hashes).Error; err != nil || len(hashes) == 0 {
			return err
		}
		if len(hashes) == limit {
			last = hashes[limit-1]
		}
		held, err := heldByJoins(tx)
		if err != nil {
			return err
		}
		hashes = slices.DeleteFunc(hashes, func(h string) bool { return held[h] })
		if removed = len(hashes); removed == 0 {
			return nil
		}
		return tx.Where("hash IN ?", hashes).Where(idle, stamp(before)).Delete(&blobRow{}).Error
	})
	return last, removed, err
}

// heldByJoins is the values that wait for others, or that a call to be made has.
func heldByJoins(tx *gorm.DB) (map[string]bool, error) {
	held := map[string]bool{}
	for _, table := range []any{&arrivalRow{}, &firedRow{}} {
		var found []document
		if err := tx.Model(table).Where("refs IS NOT NULL").Pluck("refs", &found).Error; err != nil {
			return nil, err
		}
		for _, d := range found {
			var refs []model.Ref
			if err := decode(d, &refs); err != nil {
				return nil, err
			}
			for _, r := range refs {
				held[r.Hash] = true
			}
		}
	}
	return held, nil
}
