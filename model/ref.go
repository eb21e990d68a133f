package model

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// MaxInline is the largest value, in bytes of JSON, that travels inside a
// message. A larger one is kept aside under the SHA-256 of its bytes, and the
// message has null in its place and a Ref that says what belongs there. Brokers,
// joins and listings then carry a hundred bytes and not megabytes, again and again.
const MaxInline = 128 << 10

// Ref says which large value belongs to a place in a message. References are a
// list of their own beside the values, so that no value of a user can look like one.
type Ref struct {
	// At is the place, as a JSON pointer (RFC 6901) into the message, for
	// example "/args/0", "/kwargs/name" or "/result". There is null.
	At string `json:"at"`
	// Hash is the SHA-256 of the value's bytes, in hex.
	Hash string `json:"hash"`
	// Size is how many bytes the value has.
	Size int `json:"size"`
}

// Blob is a large value under its hash.
type Blob struct {
	Hash  string
	Value json.RawMessage
}

// NewBlob returns the value under its hash.
func NewBlob(v json.RawMessage) Blob {
	sum := sha256.Sum256(v)
	return Blob{Hash: hex.EncodeToString(sum[:]), Value: v}
}

// partBytes is how large one part of a value is: it fits into a message of every
// broker as it comes out of the box (NATS takes 1 MiB), and the recorder holds
// many of them at a time.
const partBytes = 512 << 10

// BlobPart is a piece of a large value, as it travels and is stored.
type BlobPart struct {
	Hash  string // of the whole value
	Part  int    // from 0
	Parts int
	Data  []byte
}

// Parts cuts the value into pieces, at least one.
func (b Blob) Parts() []BlobPart {
	n := max(1, (len(b.Value)+partBytes-1)/partBytes)
	out := make([]BlobPart, n)
	for i := range out {
		from := i * partBytes
		out[i] = BlobPart{Hash: b.Hash, Part: i, Parts: n, Data: b.Value[from:min(from+partBytes, len(b.Value))]}
	}
	return out
}

// null is what is in the place of a large value.
var null = json.RawMessage("null")

func isNull(v json.RawMessage) bool { return bytes.Equal(bytes.TrimSpace(v), null) }

// Taken collects what is taken out of a message: the references that stay, and
// the values to be kept aside.
type Taken struct {
	Refs  []Ref
	Blobs []Blob
}

// Take returns what is to be at the place: the value, or null instead of a
// large one, which is collected then.
func (t *Taken) Take(at string, v json.RawMessage) json.RawMessage {
	if len(v) <= MaxInline {
		return v
	}
	b := NewBlob(v)
	t.Refs = append(t.Refs, Ref{At: at, Hash: b.Hash, Size: len(v)})
	t.Blobs = append(t.Blobs, b)
	return null
}

// TakeAll does that for values by name, and returns the same map when all of
// them stay.
func (t *Taken) TakeAll(at string, values map[string]json.RawMessage) map[string]json.RawMessage {
	var large []string
	for name, v := range values {
		if len(v) > MaxInline {
			large = append(large, name)
		}
	}
	if len(large) == 0 {
		return values
	}
	out := maps.Clone(values)
	slices.Sort(large)
	for _, name := range large {
		out[name] = t.Take(at+Pointer(name), values[name])
	}
	return out
}

// Pointer is the JSON pointer of the path.
func Pointer(path ...string) string {
	var b strings.Builder
	for _, p := range path {
		b.WriteByte('/')
		b.WriteString(escapePointer.Replace(p))
	}
	return b.String()
}

var (
	escapePointer   = strings.NewReplacer("~", "~0", "/", "~1")
	unescapePointer = strings.NewReplacer("~1", "/", "~0", "~")
)

// path takes a pointer apart; nil for what is none.
func (r Ref) path() []string {
	rest, ok := strings.CutPrefix(r.At, "/")
	if !ok {
		return nil
	}
	parts := strings.Split(rest, "/")
	for i, p := range parts {
		parts[i] = unescapePointer.Replace(p)
	}
	return parts
}

// Rebase returns those references that lie at or below one place, as they are
// when the value there moves to another.
func Rebase(refs []Ref, from, to string) []Ref {
	var out []Ref
	for _, r := range refs {
		rest, ok := strings.CutPrefix(r.At, from)
		if ok && (rest == "" || rest[0] == '/') {
			r.At = to + rest
			out = append(out, r)
		}
	}
	return out
}

// Places is where the values of a message are, so that large ones can be put in.
type Places struct {
	Lists map[string][]json.RawMessage
	Maps  map[string]map[string]json.RawMessage
	Ones  map[string]*json.RawMessage
}

// Fill puts the values, by hash, where the references say, and returns the
// references whose values are not there. A reference counts only where null is:
// a value that is there already is never replaced.
func (p Places) Fill(refs []Ref, values map[string]json.RawMessage) (left []Ref) {
	for _, r := range refs {
		v, ok := values[r.Hash]
		if !ok {
			left = append(left, r)
			continue
		}
		p.put(r.path(), v)
	}
	return left
}

func (p Places) put(path []string, v json.RawMessage) bool {
	if len(path) == 0 {
		return false
	}
	if one, ok := p.Ones[path[0]]; ok {
		return replace(one, path[1:], v)
	}
	if len(path) < 2 {
		return false
	}
	if list, ok := p.Lists[path[0]]; ok {
		i, err := strconv.Atoi(path[1])
		return err == nil && i >= 0 && i < len(list) && replace(&list[i], path[2:], v)
	}
	old, ok := p.Maps[path[0]][path[1]]
	if !ok || !replace(&old, path[2:], v) {
		return false
	}
	p.Maps[path[0]][path[1]] = old
	return true
}

// replace puts v in the place of the null that the path leads to.
func replace(at *json.RawMessage, path []string, v json.RawMessage) bool {
	if len(path) == 0 {
		if !isNull(*at) {
			return false
		}
		*at = v
		return true
	}
	var list []json.RawMessage
	if json.Unmarshal(*at, &list) == nil && list != nil {
		i, err := strconv.Atoi(path[0])
		return err == nil && i >= 0 && i < len(list) && replace(&list[i], path[1:], v) && rewrite(at, list)
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(*at, &object) != nil || object == nil {
		return false
	}
	inner, ok := object[path[0]]
	if !ok || !replace(&inner, path[1:], v) {
		return false
	}
	object[path[0]] = inner
	return rewrite(at, object)
}

// rewrite writes a container again, its values as they are.
func rewrite(at *json.RawMessage, container any) bool {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(container) != nil {
		return false
	}
	*at = bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	return true
}

// Hashes lists the values that the references name, each once.
func Hashes(refs []Ref) []string {
	var out []string
	for _, r := range refs {
		if !slices.Contains(out, r.Hash) {
			out = append(out, r.Hash)
		}
	}
	return out
}

// checkRefs tells what is wrong with references that came from outside.
func checkRefs(refs []Ref, p Places) error {
	for _, r := range refs {
		if sum, err := hex.DecodeString(r.Hash); err != nil || len(sum) != sha256.Size || r.Hash != strings.ToLower(r.Hash) {
			return fmt.Errorf("reference %.80q: %.80q is not a SHA-256 in hex", r.At, r.Hash)
		}
		if r.Size <= 0 {
			return fmt.Errorf("reference %.80q: a value has no %d bytes", r.At, r.Size)
		}
		if !p.put(r.path(), null) {
			return fmt.Errorf("reference %.80q: there is no null in that place", r.At)
		}
	}
	return nil
}
