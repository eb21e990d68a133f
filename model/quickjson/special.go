package quickjson

import (
	"encoding/binary"
	"math/bits"
)

// In a word of eight bytes, the highest bit of each byte, and one in each.
const (
	highest = 0x8080808080808080
	one     = 0x0101010101010101
)

// special is the place of the first byte from i on that does not stand for itself
// in a string: a quote, a backslash or a control character; len(b) when there is
// none. Long values are mostly text: it looks at eight bytes at a time.
func special(b []byte, i int) int {
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		// The lowest bit that is set in each of these is exact: a byte is only
		// taken for what it is not above one that is.
		found := below(x, ' ') | below(x^(one*'"'), 1) | below(x^(one*'\\'), 1)
		if found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c < ' ' || c == '"' || c == '\\' {
			break
		}
	}
	return i
}

// below has the highest bit set of the bytes of x that are less than n.
func below(x, n uint64) uint64 { return (x - one*n) &^ x & highest }
