package event_test

import (
	"bytes"
	"fmt"
	"slices"
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
		var out []event.Message
		for e, err := range event.Pack(in) {
			if err != nil {
				t.Fatal(err)
			}
			e = bytes.Clone(e)
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
	entries := pack(t, []event.Message{
		{Channel: "q.p.task", Data: data}, {Channel: "p.task", Data: data}, {Channel: "global", Data: bytes.Clone(data)},
	})
	if len(entries) != 1 || len(entries[0]) > 1100 {
		t.Fatalf("%d entries: want one of about the size of the data", len(entries))
	}
}

func TestPackRefusesNoChannel(t *testing.T) {
	t.Parallel()
	for e, err := range event.Pack([]event.Message{{Channel: "c"}, {Data: []byte("{}")}}) {
		if err == nil {
			t.Fatalf("a message without a channel was packed as %q", e)
		}
	}
}

// pack returns copies of the entries.
func pack(t testing.TB, msgs []event.Message) (entries [][]byte) {
	t.Helper()
	for e, err := range event.Pack(msgs) {
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, bytes.Clone(e))
	}
	return entries
}

func TestPackBoundsEntries(t *testing.T) {
	t.Parallel()
	small := slices.Repeat([]event.Message{{Channel: "a", Data: []byte("1")}, {Channel: "a", Data: []byte("2")}}, event.MaxEntryItems)
	if n := len(pack(t, small)); n != 2 {
		t.Errorf("%d small messages became %d entries", len(small), n)
	}
	large := []event.Message{{Channel: "a", Data: make([]byte, event.MaxEntryBytes)}, {Channel: "a", Data: []byte("2")}}
	if n := len(pack(t, slices.Repeat(large, 3))); n != 4 { // the large one ends its entry, and a small one begins the next
		t.Errorf("3 large messages and 3 small ones became %d entries", n)
	}
}

func FuzzUnpack(f *testing.F) {
	entries := pack(f, []event.Message{{Channel: "c", Data: []byte("{}")}, {Channel: "d", Data: []byte("{}")}})
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
		for _, err := range event.Pack(msgs) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
