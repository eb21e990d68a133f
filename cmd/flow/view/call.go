package view

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/elasticcode/flow/cmd/flow/print"
	"github.com/elasticcode/flow/model"
)

// call is a model.Call whose result is always there, null while there is none.
type call struct {
	model.Call
	Result json.RawMessage `json:"result"`
}

// CallValue is what programs get of a call.
func CallValue(c model.Call) any {
	if c.Parents == nil {
		c.Parents = []string{}
	}
	c.Priority = c.Priority.Named()
	return call{Call: c, Result: c.Result}
}

// Calls shows calls as a list.
func Calls() print.View[model.Call] {
	return print.View[model.Call]{
		Kind: "calls", Value: CallValue,
		Name: func(c model.Call) string { return c.ID },
		Columns: []print.Column[model.Call]{
			{Title: "ID", Text: func(c model.Call) string { return c.ID }},
			{Title: "Socket", Text: func(c model.Call) string { return c.Socket }},
			{Title: "State", Text: state, Style: stateStyle},
			{Title: "Attempt", Right: true, Text: func(c model.Call) string { return strconv.Itoa(c.Attempt) }},
			{Title: "Owner", Text: func(c model.Call) string { return c.Origin }},
			{Title: "Created", Wide: true, Text: func(c model.Call) string { return print.Time(c.Created) }},
			{Title: "Started", Text: func(c model.Call) string { return print.TimeOf(c.Started) }},
			{Title: "Finished", Text: func(c model.Call) string { return print.TimeOf(c.Finished) }},
			{Title: "Duration", Right: true, Text: func(c model.Call) string { return print.Duration(c.Duration()) }},
			{Title: "Argument", Text: func(c model.Call) string { return c.Argument }},
			{Title: "Priority", Wide: true, Text: priority},
			{Title: "Tracking", Wide: true, Text: func(c model.Call) string { return c.Tracking }},
			{Title: "Function", Wide: true, Text: Function},
			{Title: "Queue", Wide: true, Text: func(c model.Call) string { return c.Queue }},
			{Title: "Plug", Wide: true, Text: func(c model.Call) string { return c.Plug }},
			{Title: "Worker", Wide: true, Text: func(c model.Call) string { return c.Worker }},
			{Title: "Commit", Wide: true, Text: func(c model.Call) string { return short(c.Commit) }},
		},
	}
}

// CallsWith adds columns to the list: the run of each call, and its function.
func CallsWith(tracking, function bool) print.View[model.Call] {
	v := Calls()
	for i, c := range v.Columns {
		if tracking && c.Title == "Tracking" || function && c.Title == "Function" {
			v.Columns[i].Wide = false
		}
	}
	return v
}

// Call shows one call.
func Call() print.View[model.Call] {
	return print.View[model.Call]{
		Kind: "calls", Value: CallValue,
		Name: func(c model.Call) string { return c.ID },
		Columns: []print.Column[model.Call]{
			{Title: "Name", Text: Function},
			{Title: "ID", Text: func(c model.Call) string { return c.ID }},
			{Title: "Owner", Text: func(c model.Call) string { return c.Origin }},
			{Title: "Created", Text: func(c model.Call) string { return print.Time(c.Created) }},
			{Title: "Socket", Text: func(c model.Call) string { return c.Socket }},
			{Title: "Started", Text: func(c model.Call) string { return print.TimeOf(c.Started) }},
			{Title: "Finished", Text: func(c model.Call) string { return print.TimeOf(c.Finished) }},
			{Title: "Attempt", Right: true, Text: func(c model.Call) string { return strconv.Itoa(c.Attempt) }},
			{Title: "State", Text: state, Style: stateStyle},
		},
	}
}

// Provenance are the columns that say where a call came from and went.
func Provenance() []print.Column[model.Call] {
	return []print.Column[model.Call]{
		{Title: "Run", Text: func(c model.Call) string { return c.Tracking }},
		{Title: "Parents", Text: func(c model.Call) string { return orNone(strings.Join(c.Parents, " ")) }},
		{Title: "Plug", Text: func(c model.Call) string { return orNone(c.Plug) }},
		{Title: "Argument", Text: func(c model.Call) string { return orNone(c.Argument) }},
		{Title: "Priority", Text: priority},
		{Title: "Joined Into", Text: func(c model.Call) string { return orNone(c.Joined) }},
		{Title: "Worker", Text: func(c model.Call) string { return orNone(c.Worker) }},
		{Title: "Commit", Text: func(c model.Call) string { return orNone(short(c.Commit)) }},
	}
}

func orNone(s string) string {
	if s == "" {
		return "None"
	}
	return s
}

// Events are the columns of a call's timeline.
func Events() []print.Column[model.Event] {
	return []print.Column[model.Event]{
		{Title: "Name", Text: func(e model.Event) string { return e.Name }},
		{Title: "Time", Text: func(e model.Event) string { return print.Time(e.Time) }},
		{Title: "Note", Text: func(e model.Event) string { return e.Note }},
	}
}

// Function is the code that a call ran, or will.
func Function(c model.Call) string {
	switch {
	case c.Task == "":
		return c.Socket
	case c.Module == "":
		return c.Task
	}
	return c.Module + "." + c.Task
}

func priority(c model.Call) string        { return string(c.Priority.Named()) }
func state(c model.Call) string           { return string(c.State) }
func stateStyle(c model.Call) print.Style { return print.StyleOfState(c.State) }
