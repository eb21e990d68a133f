package main

import (
	"context"
	"errors"
)

type owned struct{}

func (o *owned) close() error { return nil }

func ownServices(context.Context) (*services, error) { return nil, errors.New("later") }

func onOwnServices(bool) []scenario { return nil }
