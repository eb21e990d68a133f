package result

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"github.com/elasticcode/flow/model/quickjson"
)

// stored is a result as it is written: its times as text, which the JSON package
// writes at half the cost.
type stored struct {
	Result
	Started  string `json:"started,omitempty"`
	Finished string `json:"finished,omitempty"`
}

// Encode returns the result as JSON, which drivers keep. Values are left as they
// are: no escapes for HTML. A plain result, as most are, is written by hand, at a
// fraction of the cost.
func (r Result) Encode() ([]byte, error) {
	if r.Failure == nil && r.Plugs == nil && r.Refs == nil && r.Joined == "" && quickjson.Valid(r.Value) {
		b := quickjson.AppendText(append(make([]byte, 0, 192+len(r.Value)), `{"call":`...), r.Call)
		b = quickjson.AppendText(append(b, `,"state":`...), string(r.State))
		b = append(append(b, `,"value":`...), r.Value...)
		b = strconv.AppendInt(append(b, `,"attempt":`...), int64(r.Attempt), 10)
		for _, at := range [...]struct {
			key  string
			time time.Time
		}{{`,"started":`, r.Started}, {`,"finished":`, r.Finished}} {
			if !at.time.IsZero() {
				b = quickjson.AppendTime(append(b, at.key...), at.time)
			}
		}
		return append(b, '}'), nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(stored{Result: r, Started: text(r.Started), Finished: text(r.Finished)})
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func text(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}

// Decode reads what Encode wrote.
func Decode(body []byte) (Result, error) {
	var r Result
	err := json.Unmarshal(body, &r)
	return r, err
}
