package natsd

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"syscall"
)

// logAdapter passes on what the server logs. Its notices are for people who run
// a NATS server on purpose; here they are details.
type logAdapter struct {
	logger *slog.Logger
	hurt   chan<- error // hears of writes that failed

	mu  sync.Mutex // guards why
	why string     // the first fatal error
}

func (l *logAdapter) Noticef(format string, v ...any) {
	l.logger.Debug("nats server", "message", fmt.Sprintf(format, v...))
}

func (l *logAdapter) Warnf(format string, v ...any) {
	if strings.HasPrefix(format, "Maximum payloads over") {
		return // MaxPayload is what calls need
	}
	message := fmt.Sprintf(format, v...)
	l.logger.Warn("nats server warns", "message", message)
	l.look(message)
}

func (l *logAdapter) Errorf(format string, v ...any) {
	message := fmt.Sprintf(format, v...)
	l.logger.Error("nats server reports an error", "message", message)
	l.look(message)
}

// failures are the system's words for a disk that does not take what is written.
// NATS tells of it in its log alone.
var failures = []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.EROFS, syscall.EACCES, syscall.EPERM}

// look tells of a write that failed.
func (l *logAdapter) look(message string) {
	for _, f := range failures {
		if strings.Contains(message, f.Error()) {
			select {
			case l.hurt <- f:
			default: // it is known
			}
			return
		}
	}
}

// Fatalf keeps the reason for Start; the server stops itself.
func (l *logAdapter) Fatalf(format string, v ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why == "" {
		l.why = fmt.Sprintf(format, v...)
	}
	l.logger.Error("nats server cannot go on", "message", fmt.Sprintf(format, v...))
}

func (l *logAdapter) Debugf(string, ...any) {}

func (l *logAdapter) Tracef(string, ...any) {}

func (l *logAdapter) fatal() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.why
}
