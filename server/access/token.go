package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"hash/crc32"
	"math/big"
	"strings"
)

// Prefix begins every token, so that people and scanners recognise one.
const Prefix = "flow_"

const (
	secretBytes  = 32
	secretLength = 43 // base62 digits of 32 bytes
	checkLength  = 6  // base62 digits of a CRC-32
	base62       = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	tokenLength  = len(Prefix) + secretLength + checkLength
)

// NewToken returns a new secret and the hash of it that may be stored.
func NewToken() (secret string, hash []byte) {
	var b [secretBytes]byte
	_, _ = rand.Read(b[:]) // crypto/rand never fails: it aborts the program instead
	body := encode(new(big.Int).SetBytes(b[:]), secretLength)
	secret = Prefix + body + checksum(body)
	return secret, Hash(secret)
}

// Hash returns what is stored of a token: its SHA-256. The secret is as random
// as a key, so a slow password hash would only cost time.
func Hash(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// WellFormed tells whether the text can be a token: it has the form and its
// checksum is right. It keeps typing errors away from the database.
func WellFormed(secret string) bool {
	if len(secret) != tokenLength || !strings.HasPrefix(secret, Prefix) {
		return false
	}
	body := secret[len(Prefix) : len(Prefix)+secretLength]
	return subtle.ConstantTimeCompare([]byte(secret[len(Prefix)+secretLength:]), []byte(checksum(body))) == 1
}

func checksum(body string) string {
	return encode(big.NewInt(int64(crc32.ChecksumIEEE([]byte(body)))), checkLength)
}

// encode writes n in base62 with exactly length digits.
func encode(n *big.Int, length int) string {
	out := make([]byte, length)
	base, digit := big.NewInt(int64(len(base62))), new(big.Int)
	for i := length - 1; i >= 0; i-- {
		n.DivMod(n, base, digit)
		out[i] = base62[digit.Int64()]
	}
	return string(out)
}
