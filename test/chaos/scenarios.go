package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/socket"
)

// points are the fault points of a worker's order of effects.
var points = []string{"after receive", "after claim", "before values", "before result", "after result", "after publish", "before ack", "after ack"}

// serverPoints are those of what a server does: it accepts calls, joins
// arguments, and records the history.
var serverPoints = []string{
	"submit before publish", "submit published",
	"join received", "join fired", "join told", "join sent", "join before ack",
	"record received", "record before ack", "values before ack",
}

// What processes say about what they wait for.
const (
	noRabbit   = "cannot reach the broker; trying again"
	noRedis    = "calls wait for the result store"
	noPostgres = "records wait for the database"
	noMemory   = "the broker takes no messages now"
	noDisk     = "stores nothing until the disk takes it"
)

// areGone is what a server says that sends calls again whose messages it misses. Only
// where messages are taken away may it say so: elsewhere it would hide that some got lost.
const areGone = "their messages are gone"

// onServices are the scenarios with RabbitMQ, Redis and PostgreSQL. Those that
// end processes come first: of what is broken later, nothing may remain in
// processes that live on.
func onServices(quick bool) []scenario {
	kills, outage := 12, 15*time.Second
	if quick {
		kills, outage = 2, 3*time.Second
	}
	second := time.Second
	list := []scenario{
		{name: "nothing breaks", quick: 300, long: 10000, over: 2 * second},
		{name: "poison calls", quick: 100, long: 400, over: 2 * second, crashes: 50},
		{name: "duplicate deliveries", quick: 300, long: 5000, over: 2 * second, send: publishTwice},
		{name: "two servers, same submissions", quick: 300, long: 5000, over: 2 * second, send: submitTwice},
		{name: "the model changes", quick: 300, long: 10000, over: 10 * second, fault: remodel(4 * kills), after: asBefore},
		{name: "kill worker child", quick: 300, long: 8000, over: 4 * second, endsProcesses: true, fault: repeatedly(2*kills, second, killChild)},
		{name: "kill agent", quick: 300, long: 8000, over: 4 * second, endsProcesses: true, fault: repeatedly(kills, second, killAgent)},
		{name: "kill server", quick: 300, long: 8000, over: 4 * second, fault: repeatedly(kills, second, killServer)},
		{name: "kill anything", long: 8000, over: 20 * second, endsProcesses: true, fault: repeatedly(3*kills, second, killAny)},
		{name: "agent stands still", long: 6000, over: 20 * second, endsProcesses: true, fault: repeatedly(2, second, standStill(3*outage))},
		{name: "flush Redis and kill agent", long: 5000, over: 4 * second, endsProcesses: true, fault: repeatedly(kills, second, bothOf(flush, killAgent))},
		{name: "agent starts without Redis", quick: 100, long: 2000, over: 2 * second, endsProcesses: true, says: "waiting for the broker and the backend",
			fault: repeatedly(1, second, startsBefore(toRedis, anAgent, outage))},
		{name: "server starts without PostgreSQL", long: 2000, over: 2 * second, says: "waiting for the database",
			fault: repeatedly(1, second, startsBefore(toPostgres, aServer, outage))},
		{name: "server starts without RabbitMQ", long: 2000, over: 2 * second, says: "waiting for the broker and the backend",
			fault: repeatedly(1, second, startsBefore(toRabbit, aServer, outage))},
	}
	list = append(list, atPoints(quick, "after result", "after publish")...)
	list = append(list, atServerPoints(quick, false, "submit published", "join fired", "join sent", "record before ack")...)
	return append(list, []scenario{
		{name: "cut RabbitMQ", quick: 300, long: 6000, over: 4 * second, fault: repeatedly(kills, second, cut(toRabbit))},
		{name: "cut Redis", quick: 300, long: 6000, over: 2 * second, fault: repeatedly(kills, second, cut(toRedis))},
		{name: "cut PostgreSQL", quick: 300, long: 6000, over: 2 * second, fault: repeatedly(kills, second, cut(toPostgres))},
		{name: "RabbitMQ away", quick: 200, long: 3000, over: 4 * second, says: noRabbit, fault: repeatedly(1, second, away(toRabbit, outage))},
		{name: "Redis away", quick: 200, long: 3000, over: 4 * second, says: noRedis, fault: repeatedly(1, second, away(toRedis, outage))},
		{name: "PostgreSQL away", quick: 200, long: 3000, over: 4 * second, says: noPostgres, fault: repeatedly(1, second, away(toPostgres, outage))},
		{name: "stall RabbitMQ", quick: 200, long: 3000, over: 4 * second, fault: repeatedly(1, second, stall(toRabbit, 2*outage))},
		{name: "stall Redis", long: 3000, over: 4 * second, fault: repeatedly(2, second, stall(toRedis, 2*outage))},
		{name: "stall PostgreSQL", long: 3000, over: 4 * second, fault: repeatedly(2, second, stall(toPostgres, 2*outage))},
		{name: "slow RabbitMQ", long: 3000, over: 4 * second, fault: repeatedly(1, second, slow(toRabbit, outage))},
		{name: "slow Redis", quick: 200, long: 3000, over: 4 * second, fault: repeatedly(1, second, slow(toRedis, outage))},
		{name: "slow PostgreSQL", long: 3000, over: 4 * second, fault: repeatedly(1, second, slow(toPostgres, outage))},
		{name: "flush Redis", long: 5000, over: 3 * second, fault: repeatedly(kills, second, flush)},
		{name: "flush Redis and cut RabbitMQ", quick: 300, long: 5000, over: 3 * second, fault: repeatedly(kills, second, bothOf(flush, cut(toRabbit)))},
		{name: "queues are emptied", long: 3000, over: 4 * second, says: areGone, fault: repeatedly(1, second, empty)},
		{name: "clocks step, flush and cut", quick: 300, long: 5000, over: 4 * second, fault: repeatedly(1, second, stepClocks(bothOf(flush, cut(toRabbit))))},
	}...)
}

// onEmbedded are the scenarios with everything in one process.
func onEmbedded(quick bool) []scenario {
	kills, outage := 10, 15*time.Second
	if quick {
		kills, outage = 2, 3*time.Second
	}
	second := time.Second
	list := []scenario{
		{name: "nothing breaks", quick: 300, long: 10000, over: 2 * second},
		{name: "poison calls", quick: 100, long: 400, over: 2 * second, crashes: 50},
		{name: "same submissions", quick: 300, long: 5000, over: 2 * second, send: submitTwice},
		{name: "the model changes", quick: 300, long: 10000, over: 10 * second, fault: remodel(4 * kills), after: asBefore},
		{name: "kill worker child", quick: 300, long: 8000, over: 4 * second, endsProcesses: true, fault: repeatedly(kills, second, killChild)},
		{name: "kill everything", quick: 300, long: 8000, over: 4 * second, endsProcesses: true, fault: repeatedly(kills, second, killAgent)},
	}
	list = append(list, atPoints(quick, "after receive", "before result", "after publish", "before ack", "after ack")...)
	if !quick { // there the servers with services have them
		list = append(list, atServerPoints(quick, true)...)
	}
	return append(list,
		scenario{name: "clock steps", quick: 200, long: 3000, over: 3 * second, fault: repeatedly(2, second, stepClocks(nothingElse))},
		scenario{name: "disk is full", quick: 300, long: 5000, over: 3 * second, needsDisk: true, says: noDisk, fault: repeatedly(1, second, fillDisk(outage))},
	)
}

// atPoints are crashes of an agent at the fault points; the short form has only some.
func atPoints(quick bool, some ...string) []scenario {
	return crashes(anAgent, points, 5, quick, true, some)
}

// atServerPoints are crashes of a server; with an embedded one, its workers die, too.
func atServerPoints(quick, embedded bool, some ...string) []scenario {
	rate := 3 // its steps are fewer: it takes more together
	if quick {
		rate = 1
	}
	return crashes(aServer, serverPoints, rate, quick, embedded, some)
}

func crashes(of func(*world) *process, at []string, rate int, quick, endsProcesses bool, some []string) []scenario {
	times, over := 5, 5*time.Second // it takes its time to die five times, and calls are to flow meanwhile
	if quick {
		times, over = 1, 2*time.Second
	}
	var list []scenario
	for _, p := range at {
		if quick && !slices.Contains(some, p) {
			continue
		}
		rate := rate
		if strings.HasPrefix(p, "values") {
			rate = 1 // one call in 150 has large ones
		}
		list = append(list, scenario{
			name: "crash " + p, quick: 100, long: 1500, over: over, endsProcesses: endsProcesses, fault: crashAt(of, p, rate, times),
		})
	}
	return list
}

// publishTwice puts each call on the broker three times, as any AMQP client
// could that lost the answer.
func publishTwice(l *load, numbers []number) send {
	return func(ctx context.Context, _ []number) error {
		w := l.w
		b, err := w.behind.brokerFor(ctx, w.prefix)
		if err != nil {
			return err
		}
		defer b.Close()
		var calls []socket.Outgoing
		for i := range numbers {
			if numbers[i].call == "" {
				numbers[i].call = model.NewID()
			}
			calls = append(calls, socket.Outgoing{
				To: socket.Own(model.Queue{Object: model.Object{Name: queueName}}, model.Socket{Queue: queueName, Processor: processorName, Task: "start"}),
				Envelope: model.Envelope{
					ID: numbers[i].call, Tracking: model.RunOf(numbers[i].call), Socket: "start", Args: []json.RawMessage{numbers[i].value()}, Created: time.Now().UTC(),
				},
			})
		}
		sender := socket.NewSender(b)
		for range 3 {
			if err := sender.Send(ctx, calls, nil); err != nil {
				return err
			}
		}
		return nil
	}
}

// submitTwice submits the same calls through all servers at once, twice.
func submitTwice(l *load, numbers []number) send {
	return func(ctx context.Context, _ []number) error {
		tries := 2 * len(l.w.clients)
		done := make(chan error, tries)
		answers := make([][]number, tries)
		for i := range tries {
			answers[i] = append([]number{}, numbers...)
			go func() { done <- l.through(l.w.clients[i%len(l.w.clients)], true)(ctx, answers[i]) }()
		}
		var err error
		for range tries {
			err = errors.Join(err, <-done)
		}
		if err != nil {
			return err
		}
		for i := range numbers {
			for _, a := range answers {
				if a[i].call != answers[0][i].call {
					return fmt.Errorf("one submission became the calls %s and %s", answers[0][i].call, a[i].call)
				}
			}
			numbers[i].call = answers[0][i].call
		}
		return nil
	}
}
