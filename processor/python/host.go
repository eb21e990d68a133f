package python

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// hostFiles are the Python side of this package.
//
//go:embed host.py project.py flow_runtime/*.py
var hostFiles embed.FS

// hostNew begins the name of a folder that is being written.
const hostNew = "host-new-"

// installHost writes the embedded files below dir, once for each version of
// them, and returns their folder.
func installHost(dir string) (string, error) {
	hash := sha256.New()
	content := map[string][]byte{}
	err := fs.WalkDir(hostFiles, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := hostFiles.ReadFile(name)
		content[name] = b
		fmt.Fprintf(hash, "%s %d\n%s", name, len(b), b)
		return err
	})
	if err != nil {
		return "", err
	}
	target := filepath.Join(dir, "host-"+hex.EncodeToString(hash.Sum(nil))[:16])
	if _, err := os.Stat(target); err == nil {
		return target, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	temp, err := os.MkdirTemp(dir, hostNew)
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(temp) }()
	for name, b := range content {
		file := filepath.Join(temp, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(file, b, 0o444); err != nil {
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
