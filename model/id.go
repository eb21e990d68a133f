package model

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// NewID returns a new unique id in UUID form (version 7: it sorts by time of
// creation, which keeps database indexes compact).
func NewID() string {
	var b [16]byte
	_, _ = rand.Read(b[6:]) // crypto/rand never fails: it aborts the program instead
	ms := uint64(time.Now().UnixMilli())
	for i := range 6 {
		b[i] = byte(ms >> (8 * (5 - i)))
	}
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	return formatID(b)
}

// DeriveID returns the id that follows from the parts: the same parts give the
// same id on every machine and in every attempt, so that a repeat of something
// already done can be recognised. It has UUID form (version 8, SHA-256).
func DeriveID(parts ...string) string {
	var room [hashRoom]byte
	return formatID(derive(room[:0], parts))
}

// hashRoom is enough for most of what ids are derived from.
const hashRoom = 256

// derive hashes the parts, behind those that text has already.
func derive(text []byte, parts []string) (b [16]byte) {
	for _, p := range parts {
		text = appendPart(text, p)
	}
	sum := sha256.Sum256(text)
	copy(b[:], sum[:])
	b[6] = b[6]&0x0f | 0x80
	b[8] = b[8]&0x3f | 0x80
	return b
}

// appendPart ends a part with a separator: ("a","bc") and ("ab","c") differ.
func appendPart(text []byte, part string) []byte { return append(append(text, part...), 0) }

// DescendID is DeriveID for what comes from a call: it begins with the time in
// the call's id, so that calls of one time are in one place of an index, however
// far they descend. An id that is no UUID has no time to pass on.
func DescendID(call string, parts ...string) string {
	var room [hashRoom]byte
	b := derive(appendPart(room[:0], call), parts)
	if len(call) == 36 && call[8] == '-' && call[13] == '-' {
		var digits [12]byte
		var time [6]byte
		copy(digits[copy(digits[:], call[:8]):], call[9:13])
		if _, err := hex.Decode(time[:], digits[:]); err == nil {
			copy(b[:], time[:])
		}
	}
	return formatID(b)
}

// RunOf is the tracking id of the run that a submitted call begins.
func RunOf(call string) string { return DescendID(call, "run") }

func formatID(b [16]byte) string {
	var out [36]byte
	hex.Encode(out[0:8], b[0:4])
	hex.Encode(out[9:13], b[4:6])
	hex.Encode(out[14:18], b[6:8])
	hex.Encode(out[19:23], b[8:10])
	hex.Encode(out[24:36], b[10:16])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return string(out[:])
}
