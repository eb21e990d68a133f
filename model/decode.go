package model

import (
	"encoding/json"

	"github.com/elasticcode/flow/model/quickjson"
)

// DecodeEnvelope reads a call from the wire, as encoding/json does. The values
// share the memory of data.
func DecodeEnvelope(data []byte) (Envelope, error) {
	p := quickjson.NewParser(data)
	e := envelope(&p)
	if p.End() {
		return e, nil
	}
	e = Envelope{}
	err := json.Unmarshal(data, &e)
	return e, err
}

func envelope(p *quickjson.Parser) (e Envelope) {
	p.Need('{')
	for first := true; p.More(&first, '}'); {
		switch string(p.Key()) {
		case "id":
			e.ID = p.Text("")
		case "tracking":
			e.Tracking = p.Text(e.ID)
		case "parents":
			e.Parents = p.Texts()
		case "network":
			e.Network = p.Text(DefaultNetwork)
		case "socket":
			e.Socket = p.Text("")
		case "args":
			e.Args = p.Values()
		case "kwargs":
			e.Kwargs = p.Named()
		case "refs":
			p.Rare(&e.Refs)
		case "argument":
			e.Argument = p.Text("")
		case "priority":
			e.Priority = Priority(p.Text(""))
		case "plug":
			e.Plug = p.Text("")
		case "attempt":
			e.Attempt = p.Number()
		case "crashes":
			e.Crashes = p.Number()
		case "before":
			e.Before = p.Number()
		case "deadline":
			e.Deadline = p.Time()
		case "due":
			e.Due = p.Time()
		case "origin":
			e.Origin = p.Text("")
		case "created":
			e.Created = p.Moment()
		default:
			p.Fail()
		}
	}
	return e
}
