package amqp

import (
	"fmt"
	"slices"
	"time"

	"github.com/elasticcode/flow/broker"
)

const (
	delayStep  = 50 * time.Millisecond
	delayMost  = 40 * 24 * time.Hour // RabbitMQ takes no TTL above 49 days
	delayExact = 10 * delayStep      // up to here the steps are equal, then they grow
)

// ladder are the delays there are queues for: steps of 50 ms, and from 500 ms on
// of a tenth, so that rounding up adds at most 50 ms or a tenth. The queues are
// declared when they are first used.
var ladder = func() []time.Duration {
	var out []time.Duration
	for d := delayStep; d < delayMost; {
		out = append(out, d)
		if d < delayExact {
			d += delayStep
		} else {
			d = (d + d/10).Truncate(10 * time.Millisecond)
		}
	}
	return append(out, delayMost)
}()

// rung returns the smallest delay of the ladder that is not shorter.
func rung(d time.Duration) (time.Duration, error) {
	i, _ := slices.BinarySearch(ladder, d)
	if i == len(ladder) {
		return 0, fmt.Errorf("a delay of %s is too long: at most %s are possible", d, delayMost)
	}
	return ladder[i], nil
}

// delayName is the name of the exchange and the queue of a rung.
func delayName(d time.Duration) string {
	return fmt.Sprintf("%s%d", delayPrefix, d.Milliseconds())
}

// Own lists what the driver may have declared for itself, by name: Remove takes
// it, when a system is taken down for good.
func Own() broker.Topology {
	out := broker.Topology{
		Exchanges: []broker.Exchange{{Name: returnExchange}, {Name: lostExchange}},
		Queues:    []broker.Queue{{Name: broker.DeadLetters}},
	}
	for _, d := range ladder {
		out.Exchanges = append(out.Exchanges, broker.Exchange{Name: delayName(d)})
		out.Queues = append(out.Queues, broker.Queue{Name: delayName(d)})
	}
	return out
}
