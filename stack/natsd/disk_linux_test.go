package natsd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/elasticcode/flow/internal/testenv"
)

// TestFullDisk fills the disk under a server, in a process that sees a small disk
// of its own, and makes room again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	ctx := testenv.Context(t, 2*time.Minute)
	child := exec.CommandContext(ctx, os.Args[0])
	child.Env = append(os.Environ(), "NATSD_TEST_FULL="+t.TempDir())
	child.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWUSER, Pdeathsig: syscall.SIGKILL,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}, GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}}
	out, err := child.CombinedOutput()
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOSYS) || strings.HasPrefix(string(out), noMount) {
		t.Skipf("this system gives processes no disks of their own: %v %s", err, out)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

const noMount = "cannot mount"

// fillUp is the child process of TestFullDisk.
func fillUp(dir string) error {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64m"); err != nil {
		return fmt.Errorf(noMount+": %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := Start(ctx, Config{Dir: filepath.Join(dir, "nats"), Logger: slog.New(slog.NewTextHandler(os.Stdout, nil))})
	if err != nil {
		return err
	}
	defer s.Shutdown()
	conn, err := s.Connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "kept", Subjects: []string{"kept"}})
	if err != nil {
		return err
	}
	filler := filepath.Join(dir, "filler")
	if err := fill(filler); !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("fill the disk: %w", err)
	}
	stored, err := publish(ctx, js, func(err error) bool { return err != nil })
	if err != nil {
		return err
	}
	if err := await(ctx, "the server to be ill", func() bool { return s.Health() != nil }); err != nil {
		return err
	}
	if err := os.Remove(filler); err != nil {
		return err
	}
	more, err := publish(ctx, js, func(err error) bool { return err == nil })
	if err != nil {
		return err
	}
	if err := s.Health(); err != nil {
		return fmt.Errorf("it stores messages and says that it is ill: %w", err)
	}
	info, err := stream.Info(ctx)
	if err != nil {
		return err
	}
	if got := int(info.State.Msgs); got < stored+more {
		return fmt.Errorf("%d messages are there of %d that were acknowledged", got, stored+more)
	}
	return nil
}

// publish sends messages until one ends as it should, and tells how many were
// acknowledged.
func publish(ctx context.Context, js jetstream.JetStream, enough func(error) bool) (acknowledged int, err error) {
	for ctx.Err() == nil {
		one, cancel := context.WithTimeout(ctx, time.Second)
		_, err := js.Publish(one, "kept", make([]byte, 64<<10))
		cancel()
		if err == nil {
			acknowledged++
		}
		if enough(err) {
			return acknowledged, nil
		}
	}
	return acknowledged, ctx.Err()
}

func fill(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 64<<10))
	}
	return err
}

func await(ctx context.Context, what string, ok func() bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited for %s: %w", what, ctx.Err())
		case <-tick.C:
		}
	}
	return nil
}

// TestRoom: what is free when the server starts bounds nothing.
func TestRoom(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new")
	got, err := room(dir)
	var disk syscall.Statfs_t
	if err := syscall.Statfs(dir, &disk); err != nil {
		t.Fatal(err)
	}
	if free := int64(disk.Bfree) * disk.Bsize; err != nil || got <= free {
		t.Errorf("there is room for %d bytes, %v; %d are free", got, err, free)
	}
}
