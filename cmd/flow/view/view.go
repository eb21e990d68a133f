// Package view says how each kind of object is shown: the columns of its table,
// and what programs get.
package view

import (
	"strings"
	"time"

	"github.com/elasticcode/flow/cmd/flow/print"
	"github.com/elasticcode/flow/model"
)

// about returns the columns that every object ends with.
func about[T any](object func(T) model.Object) []print.Column[T] {
	return []print.Column[T]{
		{Title: "Owner", Text: func(v T) string { return object(v).Owner }},
		{Title: "Last Updated", Text: func(v T) string { return print.Time(object(v).Updated) }},
		{Title: "ID", Wide: true, Text: func(v T) string { return object(v).ID }},
		{Title: "Created", Wide: true, Text: func(v T) string { return print.Time(object(v).Created) }},
	}
}

func short(commit string) string { return commit[:min(len(commit), 10)] }

// Networks shows networks.
func Networks() print.View[model.Network] {
	return print.View[model.Network]{
		Kind: "networks",
		Name: func(n model.Network) string { return n.Name },
		Columns: []print.Column[model.Network]{
			{Title: "Name", Text: func(n model.Network) string { return n.Name }},
			{Title: "ID", Text: func(n model.Network) string { return n.ID }},
			{Title: "Owner", Text: func(n model.Network) string { return n.Owner }},
			{Title: "Created", Text: func(n model.Network) string { return print.Time(n.Created) }},
		},
	}
}

// Sockets shows sockets.
func Sockets() print.View[model.Socket] {
	return print.View[model.Socket]{
		Kind: "sockets",
		Name: func(s model.Socket) string { return s.Name },
		Columns: append([]print.Column[model.Socket]{
			{Title: "Name", Text: func(s model.Socket) string { return s.Name }},
			{Title: "Processor", Text: func(s model.Socket) string { return s.Processor }},
			{Title: "Task", Text: func(s model.Socket) string { return s.Task }},
			{Title: "Queue", Text: func(s model.Socket) string { return s.Queue }},
			{Title: "Attempts", Right: true, Text: func(s model.Socket) string { return print.Count(int64(s.MaxAttempts)) }},
			{Title: "Timeout", Right: true, Text: func(s model.Socket) string { return print.Milliseconds(s.TimeoutMS) }},
			{Title: "Backoff", Right: true, Wide: true, Text: func(s model.Socket) string { return print.Milliseconds(s.BackoffMS) }},
			{Title: "Backoff Max", Right: true, Wide: true, Text: func(s model.Socket) string { return print.Milliseconds(s.BackoffMaxMS) }},
			{Title: "Join", Text: func(s model.Socket) string { return string(s.Join) }},
			{Title: "Limits", Text: limits},
		}, about(func(s model.Socket) model.Object { return s.Object })...),
	}
}

// limits writes what bounds the runs of a socket: "10/s (20), 3 running, 5m0s queued".
func limits(s model.Socket) string {
	var parts []string
	if s.Limited() {
		parts = append(parts, s.Limit.Text())
	}
	if s.MaxRunning > 0 {
		parts = append(parts, print.Count(int64(s.MaxRunning))+" running")
	}
	if s.QueueTimeoutMS > 0 {
		parts = append(parts, print.Milliseconds(s.QueueTimeoutMS)+" queued")
	}
	return strings.Join(parts, ", ")
}

// Plugs shows plugs.
func Plugs() print.View[model.Plug] {
	return print.View[model.Plug]{
		Kind: "plugs",
		Name: func(p model.Plug) string { return p.Name },
		Columns: append([]print.Column[model.Plug]{
			{Title: "Name", Text: func(p model.Plug) string { return p.Name }},
			{Title: "Type", Text: func(p model.Plug) string { return string(p.Type) }},
			{Title: "Source", Text: func(p model.Plug) string { return p.Source }},
			{Title: "Target", Text: func(p model.Plug) string { return p.Target }},
			{Title: "Argument", Text: func(p model.Plug) string { return p.Argument }},
			{Title: "Queue", Text: func(p model.Plug) string { return p.Queue }},
		}, about(func(p model.Plug) model.Object { return p.Object })...),
	}
}

// Tokens shows tokens, without their secrets.
func Tokens() print.View[model.Token] {
	return print.View[model.Token]{
		Kind: "tokens",
		Name: func(t model.Token) string { return t.ID },
		Columns: []print.Column[model.Token]{
			{Title: "ID", Text: func(t model.Token) string { return t.ID }},
			{Title: "Name", Text: func(t model.Token) string { return t.Name }},
			{Title: "User", Text: func(t model.Token) string { return t.User }},
			{Title: "Scope", Text: func(t model.Token) string { return string(t.Scope) }},
			{Title: "Created", Text: func(t model.Token) string { return print.Time(t.Created) }},
			{Title: "Expires", Text: func(t model.Token) string { return orNever(t.Expires) }},
			{Title: "Last Used", Text: func(t model.Token) string { return print.TimeOf(t.LastUsed) }},
		},
	}
}

func orNever(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return print.Time(*t)
}
