package server

import (
	"hash/maphash"

	"github.com/elasticcode/flow/model"
)

// told remembers records as they were sent, for who asks for a call sooner than
// the history knows it. They are kept as they travel: texts without pointers cost
// the collector of garbage nothing, however many they are.
type told struct {
	seed     maphash.Seed
	now, old generation // the old one is forgotten as a whole
}

// generation is records, and in which of them a call is, by the hash of its id.
type generation struct {
	records [][]byte
	bytes   int
	where   map[uint64]int32
}

// toldBytes is how much is remembered at least, and half of the most: about
// 80,000 small calls, as many as a recorder lets wait.
const toldBytes = 16 << 20

func newTold() *told { return &told{seed: maphash.MakeSeed()} }

// add remembers a record and the calls in it.
func (t *told) add(record []byte, calls []model.Call) {
	if t.now.bytes+len(record) > toldBytes || t.now.where == nil {
		t.old, t.now = t.now, generation{where: map[uint64]int32{}}
	}
	for i := range calls {
		t.now.where[maphash.String(t.seed, calls[i].ID)] = int32(len(t.now.records))
	}
	t.now.records = append(t.now.records, record)
	t.now.bytes += len(record)
}

// find returns the record that has a call, if it is remembered.
func (t *told) find(id string) []byte {
	hash := maphash.String(t.seed, id)
	for _, g := range []*generation{&t.now, &t.old} {
		if i, ok := g.where[hash]; ok {
			return g.records[i]
		}
	}
	return nil
}
