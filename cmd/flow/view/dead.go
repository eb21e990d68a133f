package view

import (
	"strconv"

	"github.com/elasticcode/flow/cmd/flow/print"
	"github.com/elasticcode/flow/model"
)

// DeadLetters shows calls that ended without success, with why.
func DeadLetters() print.View[model.Call] {
	return print.View[model.Call]{
		Kind: "dead letters", Value: CallValue,
		Name: func(c model.Call) string { return c.ID },
		Columns: []print.Column[model.Call]{
			{Title: "ID", Text: func(c model.Call) string { return c.ID }},
			{Title: "Socket", Text: func(c model.Call) string { return c.Socket }},
			{Title: "State", Text: state, Style: stateStyle},
			{Title: "Attempt", Right: true, Text: func(c model.Call) string { return strconv.Itoa(c.Attempt) }},
			{Title: "Finished", Text: func(c model.Call) string { return print.TimeOf(c.Finished) }},
			{Title: "Error", Text: func(c model.Call) string { return failure(c).Error }},
			{Title: "Message", Text: func(c model.Call) string { return failure(c).Message }},
			{Title: "Run", Wide: true, Text: func(c model.Call) string { return c.Tracking }},
			{Title: "Worker", Wide: true, Text: func(c model.Call) string { return c.Worker }},
			{Title: "Commit", Wide: true, Text: func(c model.Call) string { return short(c.Commit) }},
		},
	}
}

func failure(c model.Call) model.Failure {
	if c.Failure == nil {
		return model.Failure{}
	}
	return *c.Failure
}
