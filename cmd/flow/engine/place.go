package engine

import (
	"fmt"
	"os"
	"path/filepath"
)

// DataDir is where everything is kept when nothing else is said:
// $XDG_DATA_HOME/flow, or ~/.local/share/flow. The directory is made.
func DataDir(said string, env func(string) string) (string, error) {
	dir := said
	if dir == "" {
		switch home := env("HOME"); {
		case filepath.IsAbs(env("XDG_DATA_HOME")):
			dir = filepath.Join(env("XDG_DATA_HOME"), "flow")
		case home != "":
			dir = filepath.Join(home, ".local", "share", "flow")
		default:
			return "", fmt.Errorf("no place to keep data: give --data-dir, or set HOME")
		}
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("data directory: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the data directory: %w", err)
	}
	return dir, nil
}
