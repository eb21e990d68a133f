//go:build !linux

package main

import (
	"context"
	"errors"
	"time"
)

var errNoDisk = errors.New("a disk to fill is made on Linux only")

func smallDisk(string, int) (remove func() error, err error) { return nil, errNoDisk }

func fillDisk(time.Duration) func(context.Context, *world) error {
	return func(context.Context, *world) error { return errNoDisk }
}
