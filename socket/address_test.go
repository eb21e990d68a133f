package socket

import (
	"testing"

	"github.com/elasticcode/flow/model"
)

// TestWhichCallsShareMessages: where messages are counted, or calls are begun one
// at a time, every call is a message.
func TestWhichCallsShareMessages(t *testing.T) {
	t.Parallel()
	direct := model.Queue{Type: model.Direct}
	for name, c := range map[string]struct {
		queue  model.Queue
		socket model.Socket
		want   bool
	}{
		"direct":       {direct, model.Socket{}, true},
		"message TTL":  {model.Queue{Type: model.Direct, MessageTTLMS: 1000}, model.Socket{}, true},
		"max messages": {model.Queue{Type: model.Direct, MaxMessages: 1}, model.Socket{}, false},
		"max bytes":    {model.Queue{Type: model.Direct, MaxBytes: 1}, model.Socket{}, false},
		"fanout":       {model.Queue{Type: model.Fanout}, model.Socket{}, false},
		"topic":        {model.Queue{Type: model.Topic}, model.Socket{}, false},
		"rate":         {direct, model.Socket{Limit: model.Limit{Rate: "1/s"}}, false},
		"max running":  {direct, model.Socket{MaxRunning: 1}, false},
	} {
		if got := Own(c.queue, c.socket).Together; got != c.want {
			t.Errorf("%s: calls share messages: %t", name, got)
		}
	}
}
