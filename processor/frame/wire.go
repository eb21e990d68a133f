package frame

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
)

// Protocol is the version of the child protocol.
const Protocol = 1

// headerSize is the size of the length before each frame.
const headerSize = 4

// maxFrame is the longest frame that is taken from a child: a full payload and
// what is around it (a traceback, names of plugs).
const maxFrame = model.MaxPayload + 1<<20

// The types of frames.
const (
	typeLoad      = "load"
	typeDescribe  = "describe"
	typeCall      = "call"
	typeReady     = "ready"
	typeFailed    = "failed"
	typeDescribed = "described"
	typeLog       = "log"
	typeReply     = "reply"
)

// load is the first frame a child gets.
type load struct {
	Type       string   `json:"type"`
	Protocol   int      `json:"protocol"`
	Module     string   `json:"module"`
	Path       []string `json:"path,omitempty"`
	MaxPayload int      `json:"max_payload"`
}

type call struct {
	Type string `json:"type"`
	processor.Invocation
}

// incoming is any frame from a child.
type incoming struct {
	Type     string                     `json:"type"`
	ID       string                     `json:"id"`
	Value    json.RawMessage            `json:"value"`
	Failure  *model.Failure             `json:"failure"`
	Plugs    map[string]json.RawMessage `json:"plugs"`
	Started  int64                      `json:"started"`
	Finished int64                      `json:"finished"`

	Stream string `json:"stream"`
	Text   string `json:"text"`
	At     int64  `json:"at"`

	Protocol int          `json:"protocol"`
	Tasks    []model.Task `json:"tasks"`

	Code    processor.Code `json:"code"`
	Message string         `json:"message"`
	Detail  string         `json:"detail"`
}

// appendFrame appends the frame of v to buf.
func appendFrame(buf []byte, v any) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if len(body) > math.MaxInt32 {
		return nil, fmt.Errorf("frame of %d bytes is over the limit of the protocol", len(body))
	}
	buf = binary.BigEndian.AppendUint32(buf, uint32(len(body)))
	return append(buf, body...), nil
}

// reply returns the frame as the contract's Reply.
func (m *incoming) reply() processor.Reply {
	r := processor.Reply{
		ID: m.ID, Value: m.Value, Failure: m.Failure, Plugs: m.Plugs,
		Started: fromMicros(m.Started), Finished: fromMicros(m.Finished),
	}
	if r.Failure != nil {
		r.Value, r.Plugs = nil, nil
	} else if r.Value == nil {
		r.Value = json.RawMessage("null")
	}
	return r
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Now().UTC()
	}
	return time.UnixMicro(us).UTC()
}
