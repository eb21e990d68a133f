package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// patience is how long a process may take to be ready.
const patience = 60 * time.Second

// process is a flow process that can be started and ended many times.
type process struct {
	name  string
	args  []string
	ready string // what it says on stdout when it is
	log   string // file that stderr is appended to
	env   []string
	pprof string // HOST:PORT of its profiles
	clock string // file that says by how many seconds its clock is wrong

	mu     sync.Mutex // guards the fields below
	extra  []string   // environment of the next start
	cmd    *exec.Cmd
	done   chan struct{}
	deaths int
}

// start starts the process and waits until it is ready.
func (p *process) start(program string) error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	p.mu.Lock()
	cmd := exec.Command(program, p.args...)
	cmd.Env, cmd.Stderr = append(append([]string{}, p.env...), p.extra...), log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a signal from the terminal is for chaos alone
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		p.mu.Unlock()
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	done := make(chan struct{})
	p.cmd, p.done = cmd, done
	p.mu.Unlock()
	ready := make(chan string, 1)
	go func() {
		defer close(done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if strings.Contains(lines.Text(), p.ready) {
				ready <- lines.Text()
				break
			}
		}
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
		p.mu.Lock()
		p.deaths++
		p.mu.Unlock()
	}()
	select {
	case <-ready:
		return nil
	case <-done:
		return fmt.Errorf("%s ended before it was ready; the last of %s:\n%s", p.name, p.log, p.tail())
	case <-time.After(patience):
		return fmt.Errorf("%s is not ready after %s; the last of %s:\n%s", p.name, patience, p.log, p.tail())
	}
}

// running tells whether the process lives.
func (p *process) running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// pid is the process id of the last start.
func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd.Process.Pid
}

// died is closed when the process that was started last has ended.
func (p *process) died() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done
}

// kill ends the process at once.
func (p *process) kill() { p.end(syscall.SIGKILL) }

// stop lets the process finish what it does; it is killed when it does not end.
func (p *process) stop() bool { return p.end(syscall.SIGTERM) }

// end sends a signal and waits; false when only SIGKILL helped.
func (p *process) end(sig syscall.Signal) bool {
	p.mu.Lock()
	cmd, done := p.cmd, p.done
	p.mu.Unlock()
	if cmd == nil {
		return true
	}
	_ = cmd.Process.Signal(sig)
	select {
	case <-done:
		return true
	case <-time.After(patience / 2):
		_ = cmd.Process.Kill()
		<-done
		return false
	}
}

// with sets the environment that is added at the next start.
func (p *process) with(env ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.extra = env
}

// setClock makes the clock of the process wrong, now and when it starts again.
func (p *process) setClock(seconds int) error {
	return os.WriteFile(p.clock, fmt.Appendf(nil, "%d", seconds), 0o600)
}

func (p *process) tail() string {
	data, _ := os.ReadFile(p.log)
	return string(data[max(0, len(data)-2000):])
}

// descendants are the processes whose command line names the directory.
func descendants(dir string) []string {
	var out []string
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil || !strings.Contains(string(data), dir) || strings.Contains(f, fmt.Sprintf("/%d/", os.Getpid())) {
			continue
		}
		out = append(out, fmt.Sprintf("%s %s", filepath.Base(filepath.Dir(f)), strings.ReplaceAll(string(data), "\x00", " ")))
	}
	return out
}
