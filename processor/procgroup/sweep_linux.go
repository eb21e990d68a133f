package procgroup

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// How processes with a mark are looked for. One that was just made may be missed:
// nothing is left when nothing was found twice. One that is just becoming another
// program has an empty environment for a moment, and may have any mark; but so have
// programs that were started with none, hence the number of rounds that do not count.
const (
	cleanRounds = 2
	doubtRounds = 5
	firstPause  = 3 * time.Millisecond
	maxPause    = 50 * time.Millisecond
	sweepLimit  = 5 * time.Second // a program that multiplies faster than it is killed is left to a person
)

// sweeper looks through all processes for those who end at the same time
// together: an agent that stops ends all its workers at once.
type sweeper struct {
	mu      sync.Mutex // guards the fields below
	waiting []*sweep
	busy    bool
}

// sweep is the wish to end what has certain marks.
type sweep struct {
	has   func(value string) bool
	limit time.Time
	clean int // rounds in which nothing was found
	doubt int // rounds that did not count because of who had no environment
	done  chan struct{}
}

var sweeps sweeper

func endAll(has func(value string) bool) {
	s := &sweep{has: has, limit: time.Now().Add(sweepLimit), done: make(chan struct{})}
	sweeps.mu.Lock()
	sweeps.waiting = append(sweeps.waiting, s)
	if !sweeps.busy {
		sweeps.busy = true
		go sweeps.run()
	}
	sweeps.mu.Unlock()
	<-s.done
}

// run goes on as long as anybody waits.
func (w *sweeper) run() {
	var wishes []*sweep
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		w.mu.Lock()
		if len(w.waiting) > 0 {
			pause = firstPause
		}
		wishes = append(wishes, w.waiting...)
		w.waiting = nil
		if w.busy = len(wishes) > 0; !w.busy {
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		round(wishes)
		wishes = slices.DeleteFunc(wishes, func(s *sweep) bool {
			over := s.clean >= cleanRounds || time.Now().After(s.limit)
			if over {
				close(s.done)
			}
			return over
		})
		if len(wishes) > 0 {
			time.Sleep(pause)
		}
	}
}

// round kills what it finds with one of the marks.
func round(wishes []*sweep) {
	found, doubt := map[*sweep]bool{}, false
	for _, pid := range processes() {
		value, empty := markOf(pid)
		doubt = doubt || empty
		for _, s := range wishes {
			if value != "" && s.has(value) {
				found[s] = true
				killMarked(pid, value)
			}
		}
	}
	for _, s := range wishes {
		switch {
		case found[s]:
			s.clean = 0
		case doubt && s.doubt < doubtRounds:
			s.doubt++
		default:
			s.clean++
		}
	}
}

// processes lists the ids of all processes of this user.
func processes() (pids []int) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer func() { _ = dir.Close() }()
	names, _ := dir.Readdirnames(-1)
	self, user := os.Getpid(), uint32(os.Geteuid())
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid <= 1 || pid == self {
			continue
		}
		var stat syscall.Stat_t
		if err := syscall.Stat("/proc/"+name, &stat); err == nil && stat.Uid == user {
			pids = append(pids, pid)
		}
	}
	return pids
}

// markOf returns the mark of a process; none when it has none or has ended. empty
// says that it has no environment, or is just becoming another program.
func markOf(pid int) (value string, empty bool) {
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return "", false
	}
	for kv := range bytes.SplitSeq(env, []byte{0}) {
		if value, ok := bytes.CutPrefix(kv, []byte(markVariable+"=")); ok {
			return string(value), false
		}
	}
	return "", len(env) == 0
}

// killMarked kills a process, and never another one that was given its id
// meanwhile: from FindProcess on, p is that one process, and it has the mark.
func killMarked(pid int, value string) {
	p, err := os.FindProcess(pid)
	if err != nil {
		return
	}
	defer func() { _ = p.Release() }()
	if now, _ := markOf(pid); now == value {
		_ = p.Kill() // it may have ended, or be another user's by now
	}
}
