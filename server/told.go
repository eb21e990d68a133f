package server

import (
	"hash/maphash"

	"github.com/elasticcode/flow/model"
)

// told remembers records as they were sent, for who asks for a call sooner than
// the history knows it. They are kept as they travel, squeezed: bytes without pointers cost
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

const (
	// toldBytes is how much is remembered at least, and half of the most: over 100,000
	// small calls, more than a recorder lets wait.
	toldBytes = 16 << 20
	// entryBytes is about what where has of each call.
	entryBytes = 32
)

func newTold() *told { return &told{seed: maphash.MakeSeed()} }

// add remembers a record and the calls in it.
func (t *told) add(record []byte, calls []model.Call) {
	size := len(record) + entryBytes*len(calls)
	if t.now.bytes+size > toldBytes || t.now.where == nil {
		t.old, t.now = t.now, generation{where: map[uint64]int32{}}
	}
	for i := range calls {
		t.now.where[maphash.String(t.seed, calls[i].ID)] = int32(len(t.now.records))
	}
	t.now.records = append(t.now.records, record)
	t.now.bytes += size
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
