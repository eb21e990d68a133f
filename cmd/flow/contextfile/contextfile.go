// Package contextfile keeps which server the flow command speaks to, and as
// whom: named contexts in a file that only its owner may read. "flow up" writes
// one, so that the next flow command just works.
//
// What is said nearer to the command wins: an option, then the environment,
// then the file, then the default (Resolve).
package contextfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// Context is a server to speak to. Empty fields mean the default.
type Context struct {
	Server  string `json:"server"`
	Token   string `json:"token,omitempty"`
	Network string `json:"network,omitempty"`
}

// File is the whole file.
type File struct {
	// Current is the name of the context that is used when none is named.
	Current  string             `json:"current"`
	Contexts map[string]Context `json:"contexts"`
	// Loose says that others than the owner may read the file; it is observed,
	// not stored.
	Loose bool `json:"-"`
}

// Names lists the contexts by name.
func (f File) Names() []string { return slices.Sorted(maps.Keys(f.Contexts)) }

// Path is where the file is: $XDG_CONFIG_HOME/flow/config.json, or
// ~/.config/flow/config.json. env is os.Getenv.
func Path(env func(string) string) (string, error) {
	if dir := env("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "flow", "config.json"), nil
	}
	home := env("HOME")
	if home == "" {
		return "", errors.New("find the context file: neither XDG_CONFIG_HOME nor HOME is set")
	}
	return filepath.Join(home, ".config", "flow", "config.json"), nil
}

// Load reads the file; one that does not exist is an empty one.
func Load(path string) (File, error) {
	out := File{Contexts: map[string]Context{}}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return out, nil
	}
	if err != nil {
		return out, fmt.Errorf("read the context file: %w", err)
	}
	if err := json.Unmarshal(data, &out); err != nil {
		return out, fmt.Errorf("read the context file %s: %w: repair it, or remove it and run 'flow --config'", path, err)
	}
	if out.Contexts == nil {
		out.Contexts = map[string]Context{}
	}
	if info, err := os.Stat(path); err == nil {
		out.Loose = info.Mode().Perm()&0o077 != 0
	}
	return out, nil
}

// Save adds the context under the name, or replaces it, and makes it current.
// An empty path is where Path says.
func Save(path, name string, c Context) error {
	return change(path, func(f *File) error {
		f.Contexts[name] = c
		f.Current = name
		return nil
	})
}

// Use makes the named context current.
func Use(path, name string) error {
	return change(path, func(f *File) error {
		if _, ok := f.Contexts[name]; !ok {
			return &UnknownContext{Name: name, Known: f.Names()}
		}
		f.Current = name
		return nil
	})
}

// UnknownContext is the name of a context that the file does not have.
type UnknownContext struct {
	Name  string
	Known []string
}

func (e *UnknownContext) Error() string {
	return fmt.Sprintf("there is no context %q in the context file", e.Name)
}

func change(path string, fn func(*File) error) error {
	if path == "" {
		var err error
		if path, err = Path(os.Getenv); err != nil {
			return err
		}
	}
	f, err := Load(path)
	if err != nil {
		return err
	}
	if err := fn(&f); err != nil {
		return err
	}
	if err := f.write(path); err != nil {
		return fmt.Errorf("write the context file: %w", err)
	}
	return nil
}

// write replaces the file in one step: a reader sees the old one or the new one,
// and it never had looser permissions than its owner's.
func (f File) write(path string) error {
	data, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".config-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(append(data, '\n'))
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
