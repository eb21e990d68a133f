package nats

import (
	"testing"

	"pgregory.net/rapid"
)

// TestSubjects checks that every id has a subject of its own, of one token.
func TestSubjects(t *testing.T) {
	t.Parallel()
	s := &Store{subject: "p."}
	bySubject := map[string]string{}
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.OneOf(rapid.StringMatching(`[=A-F0-9.*> ]{0,6}`), rapid.String()).Draw(t, "id")
		subject := s.subjectOf(id)
		if other, ok := bySubject[subject]; ok && other != id {
			t.Fatalf("%q and %q have the subject %q", id, other, subject)
		}
		bySubject[subject] = id
		if len(subject) <= 2 {
			t.Fatalf("the subject of %q is %q", id, subject)
		}
		for _, c := range subject[2:] {
			if c != '=' && (c > 127 || !plain(byte(c))) {
				t.Fatalf("the subject of %q is %q", id, subject)
			}
		}
	})
}
