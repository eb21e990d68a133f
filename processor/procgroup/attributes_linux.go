package procgroup

import "syscall"

// attributes puts the program into a group of its own and has the system kill
// it when the thread that started it ends.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
