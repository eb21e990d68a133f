package jetstream

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestEncodeIsReversible(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringN(0, 30, 60).Draw(t, "name")
		enc := encode(name)
		if got, ok := decode(enc); !ok || got != name {
			t.Fatalf("%q became %q became %q", name, enc, got)
		}
		if strings.ContainsAny(enc, " \t\r\n\f.*>/\\") || enc != strings.ToLower(enc) {
			t.Fatalf("%q became %q", name, enc)
		}
		key := queueKey(name)
		if about, got := parseKey(key); about != 'q' || got != name {
			t.Fatalf("key %q is about %c %q", key, about, got)
		}
	})
}

func TestEncodeLongNames(t *testing.T) {
	t.Parallel()
	one, two := encode(strings.Repeat("A", 300)+"1"), encode(strings.Repeat("A", 300)+"2")
	if one == two || len(one) > maxEncoded {
		t.Errorf("long names became %q and %q", one, two)
	}
	if _, ok := decode(one); ok {
		t.Error("a shortened name was decoded")
	}
}

func TestDecodeRefusesNonsense(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"=", "=4", "=zz", "=61", "A", "a.b"} {
		if got, ok := decode(s); ok {
			t.Errorf("%q was decoded to %q", s, got)
		}
	}
}
