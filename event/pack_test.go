package event_test

import (
	"bytes"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/elasticcode/flow/event"
)

func TestPackAndUnpack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) event.Message {
			return event.Message{
				Channel: rapid.StringN(1, 10, 40).Draw(t, "channel"),
				Data:    []byte(rapid.SampledFrom([]string{"{}", `{"a":1}`, "", string(bytes.Repeat([]byte("x"), 40<<10))}).Draw(t, "data")),
			}
		}), 0, 60).Draw(t, "messages")
		entries, err := event.Pack(in)
		if err != nil {
			t.Fatal(err)
		}
		var out []event.Message
		for _, e := range entries {
			if rapid.Bool().Draw(t, "squeezed") {
				e = event.Squeeze(e)
			}
			n := 0
			if err := event.Unpack(e, func(i int, channel string, data []byte) bool {
				if i != n {
					t.Fatalf("message number %d, want %d", i, n)
				}
				n++
				out = append(out, event.Message{Channel: channel, Data: data})
				return true
			}); err != nil {
				t.Fatal(err)
			}
		}
		if len(in) != len(out) {
			t.Fatalf("%d messages out of %d", len(out), len(in))
		}
		for i := range in {
			if in[i].Channel != out[i].Channel || !bytes.Equal(in[i].Data, out[i].Data) {
				t.Fatalf("message %d is not what it was", i)
			}
		}
	})
}

func TestPackStoresDataOnce(t *testing.T) {
	t.Parallel()
	data := bytes.Repeat([]byte("x"), 1000)
	entries, err := event.Pack([]event.Message{
		{Channel: "q.p.task", Data: data}, {Channel: "p.task", Data: data}, {Channel: "global", Data: bytes.Clone(data)},
	})
	if err != nil || len(entries) != 1 || len(entries[0]) > 1100 {
		t.Fatalf("%d entries, %v: want one of about the size of the data", len(entries), err)
	}
}

func TestPackRefusesNoChannel(t *testing.T) {
	t.Parallel()
	if _, err := event.Pack([]event.Message{{Data: []byte("{}")}}); err == nil {
		t.Fatal("a message without a channel was packed")
	}
}

func FuzzUnpack(f *testing.F) {
	entries, _ := event.Pack([]event.Message{{Channel: "c", Data: []byte("{}")}, {Channel: "d", Data: []byte("{}")}})
	f.Add(entries[0])
	f.Add([]byte{255, 255, 255, 255})
	f.Add(event.Squeeze(bytes.Repeat(entries[0], 100)))
	f.Fuzz(func(t *testing.T, entry []byte) {
		_ = event.Unpack(entry, func(int, string, []byte) bool { return true })
	})
}

func BenchmarkPack(b *testing.B) {
	var msgs []event.Message
	for i := range 100 {
		data := fmt.Appendf(nil, `{"channel":"task","state":"running","n":%d,"pad":"%0200d"}`, i, 0)
		for _, c := range []string{"pyfi.queue1.proc1.task", "proc1.task", "global"} {
			msgs = append(msgs, event.Message{Channel: c, Data: data})
		}
	}
	for b.Loop() {
		if _, err := event.Pack(msgs); err != nil {
			b.Fatal(err)
		}
	}
}
