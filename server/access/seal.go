package access

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// KeySize is the length of a Sealer's key in bytes.
const KeySize = 32

// sealVersion begins every sealed value, so that the way of sealing can change.
const sealVersion = 1

// ErrSealed says that a sealed value cannot be opened: it was changed, belongs
// to something else, or was sealed with another key.
var ErrSealed = errors.New("the sealed value does not open with this key")

// Sealer encrypts secrets that must be read again.
type Sealer struct{ aead cipher.AEAD }

// NewSealer returns a sealer with a key of KeySize bytes.
func NewSealer(key []byte) (*Sealer, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("the sealing key has %d bytes: %d are needed", len(key), KeySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	return &Sealer{aead: aead}, nil
}

// Seal encrypts a secret. about names what it belongs to (the id of an object):
// the value opens only for the same.
func (s *Sealer) Seal(secret []byte, about string) []byte {
	out := make([]byte, 1+s.aead.NonceSize(), 1+s.aead.NonceSize()+len(secret)+s.aead.Overhead())
	out[0] = sealVersion
	nonce := out[1:]
	_, _ = rand.Read(nonce) // crypto/rand never fails: it aborts the program instead
	return s.aead.Seal(out, nonce, secret, []byte(about))
}

// Open decrypts what Seal made.
func (s *Sealer) Open(sealed []byte, about string) ([]byte, error) {
	n := s.aead.NonceSize()
	if len(sealed) < 1+n || sealed[0] != sealVersion {
		return nil, ErrSealed
	}
	out, err := s.aead.Open(nil, sealed[1:1+n], sealed[1+n:], []byte(about))
	if err != nil {
		return nil, ErrSealed
	}
	return out, nil
}

// LoadOrCreateKey reads the key in the file (hexadecimal), and makes a new one
// when there is no file. The file is readable by its owner only; one that
// others can read is refused.
func LoadOrCreateKey(path string) ([]byte, error) {
	key, err := loadKey(path)
	if !errors.Is(err, os.ErrNotExist) {
		return key, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make folder of the sealing key: %w", err)
	}
	if err := createKey(path); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("write sealing key: %w", err)
	}
	return loadKey(path) // what is there now: another process may have been first
}

func loadKey(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read sealing key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("sealing key %s can be read by others: take that away with 'chmod 600 %s'", path, path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read sealing key: %w", err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != KeySize {
		return nil, fmt.Errorf("sealing key %s is damaged: it must be %d hexadecimal digits; restore it from a backup", path, 2*KeySize)
	}
	return key, nil
}

// createKey writes the whole file under another name and links it into place: a
// crash leaves no half a key, and of two processes one wins.
func createKey(path string) error {
	var key [KeySize]byte
	_, _ = rand.Read(key[:])
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(hex.EncodeToString(key[:]) + "\n")
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Link(f.Name(), path)
}
