package model_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/elasticcode/flow/model"
)

// TestSealAndOpen: whatever the values are, sealing leaves none that is large
// inside, and opening brings back every byte; what only looks like a reference,
// or is null, stays as it is.
func TestSealAndOpen(t *testing.T) {
	t.Parallel()
	value := rapid.Custom(func(t *rapid.T) json.RawMessage {
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 0:
			return json.RawMessage("null")
		case 1:
			return json.RawMessage(`{"at":"/args/0","hash":"x","size":1}`)
		case 2:
			return json.RawMessage(`"` + strings.Repeat("x", model.MaxInline-2) + `"`) // just not large
		}
		n := rapid.IntRange(model.MaxInline-1, model.MaxInline+10).Draw(t, "size")
		return json.RawMessage(`"` + strings.Repeat(rapid.StringMatching("[a-z]").Draw(t, "letter"), n) + `"`)
	})
	rapid.Check(t, func(t *rapid.T) {
		e := model.Envelope{
			ID: "a", Tracking: "r", Args: rapid.SliceOfN(value, 0, 4).Draw(t, "args"),
			Kwargs: rapid.MapOfN(rapid.SampledFrom([]string{"k", "a/b", "~", "0", ""}), value, 0, 3).Draw(t, "kwargs"),
		}
		was := fmt.Sprintf("%s %s", e.Args, e.Kwargs)
		sealed, blobs := e.Seal()
		if fmt.Sprintf("%s %s", e.Args, e.Kwargs) != was {
			t.Fatal("sealing changed the original")
		}
		wire, err := json.Marshal(sealed)
		if err != nil {
			t.Fatal(err)
		}
		var came model.Envelope
		if err := json.Unmarshal(wire, &came); err != nil {
			t.Fatal(err)
		}
		if err := came.Check(); err != nil {
			t.Fatal(err)
		}
		values := map[string]json.RawMessage{}
		for _, b := range blobs {
			var whole []byte
			for i, p := range b.Parts() {
				if p.Part != i || p.Hash != b.Hash {
					t.Fatalf("part %d is %+v", i, p)
				}
				whole = append(whole, p.Data...)
			}
			if model.NewBlob(whole).Hash != b.Hash {
				t.Fatal("the parts are not the value")
			}
			values[b.Hash] = whole
		}
		for _, v := range came.Args {
			if len(v) > model.MaxInline {
				t.Fatalf("a value of %d bytes is inside", len(v))
			}
		}
		opened := came.Open(values)
		if len(opened.Refs) > 0 || opened.Size() < e.Size() || fmt.Sprintf("%s %s", opened.Args, opened.Kwargs) != was {
			t.Fatalf("what was opened differs; references left: %v", opened.Refs)
		}
		if len(blobs) > 0 && len(came.Open(nil).Refs) != len(came.Refs) {
			t.Fatal("a reference without its value did not stay one")
		}
	})
}

// TestRefsInside: a reference may lie deep inside a value, and follows it when
// that moves. It never replaces anything but null.
func TestRefsInside(t *testing.T) {
	t.Parallel()
	blob := model.NewBlob(json.RawMessage(`"<&>"`))
	e := model.Envelope{
		ID: "a", Tracking: "r", Args: []json.RawMessage{[]byte("1"), []byte(`{"args":[2,null],"kwargs":{"a/b":null,"c":3}}`)},
		Refs: []model.Ref{{At: "/args/1/args/1", Hash: blob.Hash, Size: 5}, {At: "/args/1/kwargs/a~1b", Hash: blob.Hash, Size: 5}},
	}
	if err := e.Check(); err != nil {
		t.Fatal(err)
	}
	opened := e.Open(map[string]json.RawMessage{blob.Hash: blob.Value})
	if got, want := string(opened.Args[1]), `{"args":[2,"<&>"],"kwargs":{"a/b":"<&>","c":3}}`; got != want {
		t.Errorf("opened %s, want %s", got, want)
	}
	if moved := model.Rebase(e.Refs, "/args/1", "/kwargs/x"); moved[1].At != "/kwargs/x/kwargs/a~1b" {
		t.Errorf("moved to %v", moved)
	}
	for _, at := range []string{"", "/", "args/0", "/args", "/args/0", "/args/2", "/args/-1", "/args/x", "/args/1/args/0", "/args/1/args/9", "/args/1/none", "/kwargs/k", "/result"} {
		bad := e
		bad.Refs = []model.Ref{{At: at, Hash: blob.Hash, Size: 5}}
		if bad.Check() == nil {
			t.Errorf("a reference to %q was taken", at)
		}
		if opened := bad.Open(map[string]json.RawMessage{blob.Hash: blob.Value}); !bytes.Equal(opened.Args[0], e.Args[0]) {
			t.Errorf("a reference to %q replaced a value", at)
		}
	}
	for _, r := range []model.Ref{{At: "/args/1/args/1", Hash: "x", Size: 5}, {At: "/args/1/args/1", Hash: strings.ToUpper(blob.Hash), Size: 5}, {At: "/args/1/args/1", Hash: blob.Hash}} {
		bad := e
		bad.Refs = []model.Ref{r}
		if bad.Check() == nil {
			t.Errorf("the reference %+v was taken", r)
		}
	}
}
