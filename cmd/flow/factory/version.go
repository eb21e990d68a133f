package factory

import (
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
)

// version is set by the linker for a release: -X …/factory.version=v1.2.3.
var version string

// Build says which program this is.
type Build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Version returns which program this is.
var Version = sync.OnceValue(func() Build {
	out := Build{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				out.Commit = s.Value
			}
		}
		if out.Version == "" {
			out.Version = strings.Trim(info.Main.Version, "()")
		}
	}
	if out.Version == "" {
		out.Version = "devel"
	}
	return out
})
