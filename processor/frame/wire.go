package frame

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/model/quickjson"
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

// frameOf returns the frame of v.
func frameOf(v any) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return closeFrame(append(make([]byte, headerSize), body...), 0)
}

// appendCall appends the frame of a call to buf.
func appendCall(buf []byte, inv *processor.Invocation) ([]byte, error) {
	start := len(buf)
	o := quickjson.Begin(append(buf, make([]byte, headerSize)...))
	o.Text("type", typeCall)
	o.Text("id", inv.ID)
	o.Text("function", inv.Function)
	o.Values("args", inv.Args)
	o.Rare("kwargs", inv.Kwargs, len(inv.Kwargs) > 0)
	o.Present("tracking", inv.Tracking)
	o.Present("socket", inv.Socket)
	o.Count("attempt", inv.Attempt)
	buf, err := o.End()
	if err != nil {
		return nil, err
	}
	return closeFrame(buf, start)
}

// closeFrame writes the length of the frame that begins at start.
func closeFrame(buf []byte, start int) ([]byte, error) {
	size := len(buf) - start - headerSize
	if size > math.MaxInt32 {
		return nil, fmt.Errorf("frame of %d bytes is over the limit of the protocol", size)
	}
	binary.BigEndian.PutUint32(buf[start:], uint32(size))
	return buf, nil
}

// decode reads a frame from a child, and keeps nothing of body. Replies and lines
// of logs are read quickly: there is one, or more, for each call.
func decode(body []byte) (m incoming, err error) {
	p := quickjson.NewParser(body)
	p.Need('{')
	for first := true; p.More(&first, '}'); {
		switch string(p.Key()) {
		case "type":
			m.Type = p.Text(typeReply)
		case "id":
			m.ID = p.Text("")
		case "value":
			m.Value = bytes.Clone(p.Raw())
		case "failure":
			p.Rare(&m.Failure)
		case "plugs":
			p.Rare(&m.Plugs)
		case "started":
			m.Started = int64(p.Number())
		case "finished":
			m.Finished = int64(p.Number())
		case "stream":
			m.Stream = p.Text(Stdout)
		case "text":
			m.Text = p.Text("")
		case "at":
			m.At = int64(p.Number())
		default:
			p.Fail()
		}
	}
	if p.End() {
		return m, nil
	}
	m = incoming{}
	err = json.Unmarshal(body, &m)
	return m, err
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
