package bolt

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/elasticcode/flow/result"
)

// A record is what the file has for a call: 8 bytes that say when it ends, in
// milliseconds, and the result as JSON.

func record(ends time.Time, body []byte) []byte {
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(body)), uint64(ends.UnixMilli())), body...)
}

var errDamaged = errors.New("the file is damaged: stop Flow, remove the file and start it again")

// endOf is when a record ends.
func endOf(rec []byte) int64 { return int64(binary.BigEndian.Uint64(rec)) }

// alive returns the result in a record, or nil when there is none or it has ended.
func alive(rec []byte, now time.Time) (*result.Result, error) {
	if rec == nil {
		return nil, nil
	}
	if len(rec) < 8 {
		return nil, errDamaged
	}
	if endOf(rec) <= now.UnixMilli() {
		return nil, nil
	}
	r, err := result.Decode(rec[8:])
	return &r, err
}

// A batch is calls whose results were put together and end together. Its key is
// when they end and a number that no other batch has; its value is when they were
// put, in microseconds, and the ids, each after its length.
type batch struct {
	put   int64
	calls [][]byte
}

// batchCalls is how many calls a batch has at most, so that one can be removed
// between two others' turns.
const batchCalls = 256

func batchKey(ends time.Time, number uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(ends.UnixMilli())), number)
}

func (b batch) append(v []byte) []byte {
	v = binary.BigEndian.AppendUint64(v, uint64(b.put))
	for _, c := range b.calls {
		v = append(binary.AppendUvarint(v, uint64(len(c))), c...)
	}
	return v
}

// parseBatch reads a batch. Its ids are parts of v.
func parseBatch(v []byte) (b batch, err error) {
	if len(v) < 8 {
		return b, errDamaged
	}
	b.put = int64(binary.BigEndian.Uint64(v))
	for v = v[8:]; len(v) > 0; {
		size, n := binary.Uvarint(v)
		if n <= 0 || size > uint64(len(v)-n) {
			return b, errDamaged
		}
		b.calls = append(b.calls, v[n:n+int(size)])
		v = v[n+int(size):]
	}
	return b, nil
}
