package natsd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// probeEvery is how often the disk is asked again whether it takes something.
	probeEvery = time.Second
	// probeBytes is how much it must take: a little more than messages that wait
	// to be sent again, so that the server is not started for one of them.
	probeBytes = 8 << 20
)

// watch starts the server again after a write has failed, as soon as the disk
// takes something.
func (s *Server) watch(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case why := <-s.hurt:
			s.fail(fmt.Errorf("%w in %s: make it writable or make room; nothing has to be started again", why, s.cfg.Dir))
		}
		for !s.recover(ctx) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(probeEvery):
			}
		}
	}
}

func (s *Server) fail(ill error) {
	s.cfg.Logger.Error("the embedded NATS server stores nothing until the disk takes it", "err", ill)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ill = ill
}

// recover starts the server again when the disk takes something, and tells
// whether it is well then.
func (s *Server) recover(ctx context.Context) bool {
	if err := s.probe(); err != nil {
		s.cfg.Logger.Debug("the disk takes nothing yet", "err", err)
		return false
	}
	s.mu.Lock()
	old := s.srv
	s.srv = nil
	s.mu.Unlock()
	if old != nil {
		stop(old)
	}
	for len(s.hurt) > 0 {
		<-s.hurt //nolint:errcheck // it is of the old one
	}
	srv, err := s.run(ctx)
	if err != nil {
		s.cfg.Logger.Error("the embedded NATS server does not start again, and is tried once more", "err", err)
		return false
	}
	s.mu.Lock()
	s.srv, s.ill = srv, nil
	s.mu.Unlock()
	s.cfg.Logger.Warn("the disk takes messages again: the embedded NATS server was started again", "dir", s.cfg.Dir)
	return true
}

// probe writes something to the disk, and removes it.
func (s *Server) probe() error {
	f, err := os.CreateTemp(s.cfg.Dir, "probe-*")
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, probeBytes))
	return errors.Join(err, f.Sync(), f.Close(), os.Remove(f.Name()))
}

// room is how many bytes may be in the directory: as many as its disk has. NATS by
// itself takes three quarters of what is free when it starts, and refuses everything
// after a start with a larger backlog, also when there is room again; a full disk
// is noticed here.
func room(dir string) (int64, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, err
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err != nil {
		return 0, err
	}
	return int64(disk.Blocks) * int64(disk.Bsize), nil //nolint:unconvert // it has another type elsewhere
}
