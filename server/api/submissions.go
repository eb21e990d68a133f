package api

import (
	"bytes"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/model/quickjson"
)

// decodeBatch reads a batch as decode does, at a fraction of the cost: it is most
// of what a call costs on its way in. The values share one copy of data, which
// they outlive.
func decodeBatch(data []byte) (client.Batch, error) {
	data = bytes.Clone(data)
	p := quickjson.NewParser(data)
	if b := batch(&p); p.End() {
		return b, nil
	}
	var b client.Batch
	err := decode(data, &b)
	return b, err
}

func batch(p *quickjson.Parser) (b client.Batch) {
	p.Need('{')
	for first := true; p.More(&first, '}'); {
		if string(p.Key()) != "calls" || b.Calls != nil {
			p.Fail()
			break
		}
		p.Need('[')
		b.Calls = make([]client.Submission, 0, min(1+p.Len()/64, client.MaxBatch))
		for first := true; p.More(&first, ']'); {
			var before client.Submission
			if n := len(b.Calls); n > 0 {
				before = b.Calls[n-1]
			}
			b.Calls = append(b.Calls, submission(p, before))
		}
	}
	return b
}

func submission(p *quickjson.Parser, before client.Submission) (s client.Submission) {
	p.Need('{')
	for first := true; p.More(&first, '}'); {
		switch string(p.Key()) {
		case "socket":
			s.Socket = p.Text(before.Socket)
		case "task":
			s.Task = p.Text(before.Task)
		case "args":
			s.Args = p.Values()
		case "kwargs":
			if s.Kwargs != nil { // encoding/json would merge them
				p.Fail()
			}
			s.Kwargs = p.Named()
		case "argument":
			s.Argument = p.Text(before.Argument)
		case "id":
			s.ID = p.Text("")
		case "priority":
			s.Priority = model.Priority(p.Text(string(before.Priority)))
		case "deadline_ms":
			s.DeadlineMS = int64(p.Number())
		default:
			p.Fail()
		}
	}
	return s
}
