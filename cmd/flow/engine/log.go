package engine

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/lmittmann/tint"
)

// Logger returns the logger of a long-running command: colours and short times
// for a terminal, else text, or JSON when FLOW_LOG_FORMAT=json. FLOW_LOG_LEVEL
// is debug, info (default), warn or error.
func Logger(w io.Writer, tty bool, env func(string) string, debug bool) (*slog.Logger, error) {
	level := slog.LevelInfo
	if name := env("FLOW_LOG_LEVEL"); name != "" {
		if err := level.UnmarshalText([]byte(name)); err != nil {
			return nil, fmt.Errorf("FLOW_LOG_LEVEL=%s is unknown: use debug, info, warn or error", name)
		}
	}
	if debug {
		level = slog.LevelDebug
	}
	opts := &slog.HandlerOptions{Level: level}
	switch format := strings.ToLower(env("FLOW_LOG_FORMAT")); {
	case format == "json":
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	case format != "" && format != "text":
		return nil, fmt.Errorf("FLOW_LOG_FORMAT=%s is unknown: use text or json", format)
	case tty && format == "":
		return slog.New(tint.NewTextHandler(w, &tint.Options{Level: level, TimeFormat: time.TimeOnly})), nil
	}
	return slog.New(slog.NewTextHandler(w, opts)), nil
}
