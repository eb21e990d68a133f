package view

import (
	"strconv"
	"strings"

	"github.com/elasticcode/flow/cmd/flow/print"
	"github.com/elasticcode/flow/model"
)

// Processors shows processors.
func Processors() print.View[model.Processor] {
	return print.View[model.Processor]{
		Kind: "processors",
		Name: func(p model.Processor) string { return p.Name },
		Columns: append([]print.Column[model.Processor]{
			{Title: "Name", Text: func(p model.Processor) string { return p.Name }},
			{Title: "Module", Text: func(p model.Processor) string { return p.Module }},
			{Title: "Status", Text: func(p model.Processor) string { return string(p.Status) }, Style: func(p model.Processor) print.Style { return print.StyleOfStatus(p.Status) }},
			{Title: "Wanted", Text: func(p model.Processor) string { return string(p.Wanted) }},
			{Title: "Concurrency", Right: true, Text: func(p model.Processor) string { return strconv.Itoa(p.Concurrency) }},
			{Title: "Limits", Text: func(p model.Processor) string { return p.Limit.Text() }},
			{Title: "Hostname", Text: func(p model.Processor) string { return p.Hostname }},
			{Title: "Commit", Text: func(p model.Processor) string { return short(p.Commit) }},
			{Title: "Branch/Tag", Text: ref},
			{Title: "Runtime", Wide: true, Text: func(p model.Processor) string { return strings.TrimSpace(p.Runtime + " " + p.Interpreter) }},
			{Title: "Module Path", Wide: true, Text: func(p model.Processor) string { return p.ModulePath }},
			{Title: "Git Repo", Wide: true, Text: func(p model.Processor) string { return p.GitRepo }},
			{Title: "Message", Text: func(p model.Processor) string { return p.Message }},
		}, about(func(p model.Processor) model.Object { return p.Object })...),
	}
}

func ref(p model.Processor) string {
	if p.RefKind == "commit" {
		return ""
	}
	return p.Ref
}

// Tasks shows tasks.
func Tasks() print.View[model.Task] {
	return print.View[model.Task]{
		Kind: "tasks",
		Name: func(t model.Task) string { return t.Name },
		Columns: []print.Column[model.Task]{
			{Title: "Name", Text: func(t model.Task) string { return t.Name }},
			{Title: "Module", Text: func(t model.Task) string { return t.Module }},
			{Title: "Processor", Text: func(t model.Task) string { return t.Processor }},
			{Title: "Arguments", Text: Signature},
			{Title: "About", Text: func(t model.Task) string {
				first, _, _ := strings.Cut(strings.TrimSpace(t.Doc), "\n")
				return first
			}},
			{Title: "Commit", Wide: true, Text: func(t model.Task) string { return short(t.Commit) }},
			{Title: "ID", Wide: true, Text: func(t model.Task) string { return t.ID }},
		},
	}
}

// Signature writes a task's arguments as its language would: (a, b=1, *rest).
func Signature(t model.Task) string {
	parts := make([]string, 0, len(t.Arguments))
	star := false
	for _, a := range t.Arguments {
		if a.Kind == model.KeywordOnly && !star {
			parts = append(parts, "*")
			star = true
		}
		text := a.Name
		switch a.Kind {
		case model.VarPositional:
			text, star = "*"+text, true
		case model.VarKeyword:
			text = "**" + text
		}
		switch {
		case a.HasDefault && len(a.Default) > 0:
			text += "=" + string(a.Default)
		case a.HasDefault:
			text += "=…"
		}
		parts = append(parts, text)
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

// Arguments are the columns of a task's arguments.
func Arguments() []print.Column[model.Argument] {
	return []print.Column[model.Argument]{
		{Title: "Name", Text: func(a model.Argument) string { return a.Name }},
		{Title: "Position", Right: true, Text: func(a model.Argument) string { return strconv.Itoa(a.Position) }},
		{Title: "Kind", Text: func(a model.Argument) string { return string(a.Kind) }},
		{Title: "Default", Text: func(a model.Argument) string { return string(a.Default) }},
		{Title: "Schema", Text: func(a model.Argument) string { return string(a.Schema) }},
	}
}
