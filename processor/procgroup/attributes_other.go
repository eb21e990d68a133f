//go:build !linux

package procgroup

import "syscall"

// attributes puts the program into a group of its own. These systems have no
// signal for orphans: a child has to notice by itself that its pipes closed.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
