package jetstream

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Brokers tell each other what they consume and hold, for Inspect. Nothing else
// depends on it.
const (
	presenceEvery = 10 * time.Second       // at least
	presenceSoon  = 200 * time.Millisecond // after a change
	presenceFor   = 25 * time.Second       // then a silent Broker is taken for dead
)

// report is what a Broker says of itself: per queue its consumers and unsettled
// deliveries. A report without an ID asks all for theirs.
type report struct {
	ID     string            `json:"id,omitempty"`
	Gone   bool              `json:"gone,omitempty"`
	Queues map[string][2]int `json:"queues,omitempty"`
}

type presence struct {
	b       *Broker
	sub     *nats.Subscription
	changed chan struct{}

	mu     sync.Mutex // guards others
	others map[string]heardReport
}

type heardReport struct {
	report
	at time.Time
}

func newPresence(b *Broker) *presence {
	return &presence{b: b, changed: make(chan struct{}, 1), others: map[string]heardReport{}}
}

func (p *presence) listen() error {
	var err error
	if p.sub, err = p.b.nc.Subscribe(p.b.names.presence(), p.hear); err != nil {
		return err
	}
	return p.publish(report{})
}

func (p *presence) hear(m *nats.Msg) {
	var r report
	if json.Unmarshal(m.Data, &r) != nil || r.ID == p.b.id {
		return
	}
	if r.ID == "" {
		p.tell()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if delete(p.others, r.ID); !r.Gone {
		p.others[r.ID] = heardReport{r, time.Now()}
	}
}

// tell lets the others know soon.
func (p *presence) tell() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// run reports until ctx ends: soon after changes, and as long as there are
// deliveries, whose number changes all the time.
func (p *presence) run(ctx context.Context) {
	tick := time.NewTicker(presenceEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-p.changed:
			pause(ctx, presenceSoon)
		}
		if r := p.own(); p.publish(r) == nil && holds(r) {
			time.AfterFunc(time.Second, p.tell)
		}
	}
}

func holds(r report) bool {
	for _, n := range r.Queues {
		if n[1] > 0 {
			return true
		}
	}
	return false
}

func (p *presence) own() report {
	r := report{ID: p.b.id, Queues: map[string][2]int{}}
	for _, l := range p.b.ledgers.list() {
		if consumers, held := l.counts(); consumers > 0 || held > 0 {
			r.Queues[l.queue] = [2]int{consumers, held}
		}
	}
	return r
}

func (p *presence) publish(r report) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return p.b.nc.Publish(p.b.names.presence(), data)
}

// counts sums up what this Broker and all others have of a queue.
func (p *presence) counts(queue string) (consumers, held int) {
	consumers, held = p.b.ledgers.of(queue).counts()
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, o := range p.others {
		if time.Since(o.at) > presenceFor {
			delete(p.others, id)
			continue
		}
		consumers += o.Queues[queue][0]
		held += o.Queues[queue][1]
	}
	return consumers, held
}

func (p *presence) close() {
	if p.sub != nil {
		_ = p.publish(report{ID: p.b.id, Gone: true})
		_ = p.sub.Unsubscribe()
	}
}
