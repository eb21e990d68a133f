package socket

import (
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/model"
)

// rest is a socket on a queue whose calls wait for one second at most.
func rest(name string) model.Endpoint {
	return model.Endpoint{
		Socket: model.Socket{Object: model.Object{Name: name, Network: "lab"}, Processor: "p", Queue: "q", Task: name, MaxAttempts: 1, TimeoutMS: 1, Join: model.JoinZip},
		Queue:  model.Queue{Object: model.Object{Name: "q", Network: "lab"}, Type: model.Direct, MessageTTLMS: 1000}, Module: "m",
	}
}

func TestClassAddresses(t *testing.T) {
	t.Parallel()
	s := rest("a").Socket
	if have := Direct(s, ""); have != (Address{Key: "lab/q.p.a"}) || have != Direct(s, model.Normal) {
		t.Errorf("a normal call goes to %+v", have)
	}
	if have := Direct(s, model.High); have != (Address{Key: "lab/p!high", Own: "lab/q.p.a"}) {
		t.Errorf("a high call goes to %+v", have)
	}
	if have := Direct(s, model.Low); have != (Address{Key: "lab/p!low", Own: "lab/q.p.a"}) {
		t.Errorf("a low call goes to %+v", have)
	}
	var declared []string
	for _, q := range Topology(rest("a")).Queues {
		declared = append(declared, q.Name)
	}
	for _, want := range ClassQueues("lab", "p") {
		if !slices.Contains(declared, want) || !InClass(want) {
			t.Errorf("%s is not declared: %v", want, declared)
		}
	}
}

// TestNothingElseIsCalledLikeAClass: no name of an object and no function can
// make a queue with the mark of classes.
func TestNothingElseIsCalledLikeAClass(t *testing.T) {
	t.Parallel()
	if model.CheckName("processor", "p!high") == nil {
		t.Error("a processor may be called p!high")
	}
	s := rest("a").Socket
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	s.Task = "x!high"
	if s.Check() == nil {
		t.Error("a function may be called x!high")
	}
}

func delivery(t *testing.T, c Outgoing) *broker.Delivery {
	t.Helper()
	m, err := Encode(c)
	if err != nil {
		t.Fatal(err)
	}
	return broker.NewDelivery(m, c.To.Key, false, nil)
}

// TestOpenInAClass: calls in the queue of a class are for the socket that they
// name, and what is for nobody says where it belongs.
func TestOpenInAClass(t *testing.T) {
	t.Parallel()
	r := NewReceiver(nil, slog.New(slog.DiscardHandler))
	r.Set([]model.Endpoint{rest("a"), rest("b")})
	env := model.Envelope{ID: "1", Tracking: "r", Network: "lab", Socket: "b", Args: []json.RawMessage{json.RawMessage("1")}, Priority: model.High, Created: time.Now()}
	d := delivery(t, Outgoing{Envelope: env, To: Direct(rest("b").Socket, model.High)})
	got, err := r.Open(d)
	if err != nil || got.Endpoint.Socket.Name != "b" || got.Envelope.ID != "1" || got.Envelope.Priority != model.High || got.Repeat {
		t.Errorf("%+v, %v", got, err)
	}

	Stamp(&d.Message, "lab/q.p.b", time.Now().Add(-2*time.Second))
	if _, err := r.Open(d); !errors.Is(err, ErrOverTime) {
		t.Errorf("after two seconds: %v", err)
	}

	env.Socket = "gone"
	d = delivery(t, Outgoing{Envelope: env, To: Direct(rest("gone").Socket, model.High)})
	if _, err := r.Open(d); !errors.Is(err, ErrNotHere) {
		t.Errorf("for an unknown socket: %v", err)
	}
	home, ok := Home(d.Message)
	if !ok || home.Exchange != "" || home.Key != "lab/q.p.gone" || len(home.Headers) != 0 || len(d.Headers) != 2 {
		t.Errorf("its home is %+v, %v", home, ok)
	}
	d.Queue = "lab/other!high"
	if _, err := r.Open(d); !errors.Is(err, ErrNotForUs) {
		t.Errorf("from a queue of another processor: %v", err)
	}
}
