package socket

import (
	"fmt"
	"sync"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/internal/squeeze"
	"github.com/elasticcode/flow/model"
)

// recordBytes is about how large one message of records may become before it is
// squeezed; a message is cheap, but one over the broker's limit (1 MiB of a NATS server
// as it comes) would be refused for ever, and the recorder has many of them in memory.
const recordBytes = 256 << 10

// EncodeRecords packs records into as few messages as their size allows.
func EncodeRecords(calls []model.Call) ([]broker.Message, error) {
	var msgs []broker.Message
	for len(calls) > 0 {
		m, n, err := EncodeRecord(calls)
		if err != nil {
			return nil, err
		}
		msgs, calls = append(msgs, m), calls[n:]
	}
	return msgs, nil
}

// EncodeRecord packs records of the first calls into a message, as many as its
// size allows, and returns how many these are. OpenRecord is for who takes it.
func EncodeRecord(calls []model.Call) (broker.Message, int, error) {
	room := recordRooms.Get().(*[]byte)
	defer recordRooms.Put(room)
	common := model.Common(calls)
	body, n, err := model.AppendRecord((*room)[:0], calls, &common, recordBytes)
	if err != nil {
		return broker.Message{}, n, fmt.Errorf("encode record of call %s: %w", calls[n-1].ID, err)
	}
	if cap(body) <= 2*recordBytes { // else it was one with large values
		*room = body
	}
	return broker.Message{ID: model.NewID(), Key: Records, ContentType: RecordType, Body: squeeze.Pack(body)}, n, nil
}

// recordRooms are where records are written before they are squeezed.
var recordRooms = sync.Pool{New: func() any { return new([]byte) }}

// RecordType is the content type of a message of records. Large ones are squeezed.
const RecordType = "application/vnd.flow.record+json"

// OpenRecord returns what model.AppendCalls and model.QueuedCalls read of the body of
// such a message.
func OpenRecord(body []byte) ([]byte, error) { return squeeze.Open(body) }

// DecodeRecord reads the body of such a message.
func DecodeRecord(body []byte) (model.Record, error) {
	text, err := OpenRecord(body)
	if err != nil {
		return model.Record{}, err
	}
	return model.DecodeRecord(text)
}
