package procgroup

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// leaveBehind is the child process of TestEndOrphans: it starts a program with a
// daemon, says their numbers, and waits to be killed.
func leaveBehind() {
	cmd := exec.Command("/bin/sh", "-c", "setsid sleep 300 >/dev/null & sleep 300 >/dev/null & echo ok; wait")
	cmd.Env, cmd.Stdout = Environment(), os.Stdout
	if _, err := Start(cmd); err != nil {
		fmt.Println(err)
	}
	select {}
}

// TestEndOrphans kills a process with -9 that has started others.
func TestEndOrphans(t *testing.T) {
	t.Parallel()
	mine, _ := script(t, daemons+"sleep 300", Start)
	await(t, mine, 6)
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), leaveVariable+"=1")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, 3)
	if _, err := out.Read(said); err != nil || string(said) != "ok\n" {
		t.Fatalf("the child said %q, %v", said, err)
	}
	began, alive := beganAt(child.Process.Pid)
	if !alive {
		t.Fatal("a process that lives is said to be gone")
	}
	made := fmt.Sprintf("%d-%s-%s", child.Process.Pid, began, numbers())
	left := func() (n int) {
		for _, pid := range processes() {
			if value, _ := markOf(pid); strings.HasPrefix(value, made+makerSeparator) {
				n++
			}
		}
		return n
	}
	EndOrphans()
	if n := left(); n < 2 {
		t.Errorf("%d processes of one that lives are left, want the daemon and the sleeper at least", n)
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	if n := left(); n == 0 {
		t.Error("nothing outlived the child: the test shows nothing")
	}
	EndOrphans()
	for limit := time.Now().Add(20 * time.Second); left() > 0 && time.Now().Before(limit); {
	}
	if n := left(); n > 0 {
		t.Errorf("%d processes of one that was killed are left", n)
	}
	if n := len(marked(mine)); n < 6 {
		t.Errorf("%d processes of this one are left of 6", n)
	}
}

func TestOrphaned(t *testing.T) {
	t.Parallel()
	self, began := strconv.Itoa(os.Getpid()), strings.Split(maker(), "-")[1]
	for value, want := range map[string]bool{
		NewMark().value:                   false,
		NewMark().Part().value:            false,
		self + "-1-" + numbers() + "/x":   true, // the number was given again
		"999999999-1-" + numbers() + "/x": true,
		"999999999-1-pid:[1]/x":           false, // another container
		"":                                false,
		"OLDSTYLE.1":                      false,
		self + "-" + began + "-" + numbers() + "/x.1.2": false,
	} {
		if got := orphaned(value); got != want {
			t.Errorf("the mark %q is an orphan's: %t, want %t", value, got, want)
		}
	}
}
