//go:build !linux

package natsd

import "errors"

// fillUp is for systems that give processes disks of their own.
func fillUp(string) error { return errors.New("there is no disk to fill") }
