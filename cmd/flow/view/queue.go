package view

import (
	"strconv"

	"github.com/elasticcode/flow/cmd/flow/print"
	"github.com/elasticcode/flow/model"
)

// Queue is a queue object with what the broker says of it. The counts are null
// where the broker did not answer.
type Queue struct {
	model.Queue
	Messages  *int64             `json:"messages"`
	Unacked   *int64             `json:"unacked"`
	Consumers *int64             `json:"consumers"`
	Broker    []model.QueueDepth `json:"broker_queues"`
}

// WithDepth adds up what the broker said; nil depths mean that it did not.
func WithDepth(q model.Queue, depths []model.QueueDepth) Queue {
	out := Queue{Queue: q, Broker: depths}
	if depths == nil {
		return out
	}
	var messages, unacked, consumers int64
	for _, d := range depths {
		messages += d.Messages
		consumers += d.Consumers
		if d.Unacked > 0 { // -1: the broker does not tell
			unacked += d.Unacked
		}
	}
	out.Messages, out.Unacked, out.Consumers = &messages, &unacked, &consumers
	return out
}

// Queues shows queues.
func Queues() print.View[Queue] {
	return print.View[Queue]{
		Kind: "queues",
		Name: func(q Queue) string { return q.Name },
		Columns: append([]print.Column[Queue]{
			{Title: "Name", Text: func(q Queue) string { return q.Name }},
			{Title: "Type", Text: func(q Queue) string { return string(q.Type) }},
			{Title: "Messages", Right: true, Text: func(q Queue) string { return orUnknown(q.Messages) }},
			{Title: "Unacked", Right: true, Text: func(q Queue) string { return orUnknown(q.Unacked) }},
			{Title: "Consumers", Right: true, Text: func(q Queue) string { return orUnknown(q.Consumers) }},
			{Title: "Message TTL", Right: true, Text: func(q Queue) string { return print.Milliseconds(q.MessageTTLMS) }},
			{Title: "Expires", Right: true, Text: func(q Queue) string { return print.Milliseconds(q.ExpiresMS) }},
			{Title: "Max Messages", Right: true, Wide: true, Text: func(q Queue) string { return print.Count(q.MaxMessages) }},
			{Title: "Max Bytes", Right: true, Wide: true, Text: func(q Queue) string { return print.Bytes(q.MaxBytes) }},
		}, about(func(q Queue) model.Object { return q.Object })...),
	}
}

func orUnknown(n *int64) string {
	if n == nil {
		return "?"
	}
	return strconv.FormatInt(*n, 10)
}

// Depths are the columns of the broker queues of a queue object.
func Depths() []print.Column[model.QueueDepth] {
	return []print.Column[model.QueueDepth]{
		{Title: "Name", Text: func(d model.QueueDepth) string { return d.Name }},
		{Title: "Messages", Right: true, Text: func(d model.QueueDepth) string { return strconv.FormatInt(d.Messages, 10) }},
		{Title: "Unacked", Right: true, Text: func(d model.QueueDepth) string {
			if d.Unacked < 0 {
				return "?"
			}
			return strconv.FormatInt(d.Unacked, 10)
		}},
		{Title: "Consumers", Right: true, Text: func(d model.QueueDepth) string { return strconv.FormatInt(d.Consumers, 10) }},
	}
}
