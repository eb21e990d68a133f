package python

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
)

// hostFiles are the Python side of this package.
//
//go:embed host.py describe.py project.py
var hostFiles embed.FS

// installHost writes the embedded files below dir, once for each version of
// them, and returns their folder.
func installHost(dir string) (string, error) {
	entries, err := hostFiles.ReadDir(".")
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	content := map[string][]byte{}
	for _, e := range entries {
		b, err := hostFiles.ReadFile(e.Name())
		if err != nil {
			return "", err
		}
		content[e.Name()] = b
		fmt.Fprintf(hash, "%s %d\n%s", e.Name(), len(b), b)
	}
	target := filepath.Join(dir, "host-"+hex.EncodeToString(hash.Sum(nil))[:16])
	if _, err := os.Stat(target); err == nil {
		return target, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	temp, err := os.MkdirTemp(dir, "host-new-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(temp) }()
	for name, b := range content {
		if err := os.WriteFile(filepath.Join(temp, name), b, 0o444); err != nil {
			return "", err
		}
	}
	if err := os.Chmod(temp, 0o755); err != nil {
		return "", err
	}
	if err := os.Rename(temp, target); err != nil {
		if _, statErr := os.Stat(target); statErr == nil {
			return target, nil // another was faster
		}
		return "", err
	}
	return target, nil
}
