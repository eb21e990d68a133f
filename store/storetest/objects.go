package storetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
)

// objects: each kind is made, read, changed, listed and deleted; names are
// unique within a network and a kind.
func objects(t *testing.T, b *bundle) {
	q := got(b.CreateQueue(b.ctx, model.Queue{
		Object: object("pyfi.queue1"), Type: model.Fanout, MessageTTLMS: 1, MaxMessages: 2, MaxBytes: 3, ExpiresMS: 4,
	}))(t)
	if q.ID == "" || q.Network != model.DefaultNetwork || q.Created.IsZero() || !q.Created.Equal(q.Updated) {
		t.Fatalf("the queue was made as %+v", q)
	}
	equal(t, "queue", got(b.Queue(b.ctx, "default", "pyfi.queue1"))(t), q)

	_, err := b.CreateQueue(b.ctx, model.Queue{Object: object("pyfi.queue1"), Type: model.Direct})
	refused(t, err, store.ErrExists, `queue "pyfi.queue1" exists already`)

	change := q
	change.Type, change.MaxBytes, change.Owner = model.Topic, 0, "mallory"
	changed := got(b.UpdateQueue(b.ctx, change))(t)
	if changed.Type != model.Topic || changed.MaxBytes != 0 || changed.Owner != "ann" || changed.ID != q.ID || changed.Updated.Before(q.Updated) {
		t.Fatalf("the queue became %+v", changed)
	}

	got(b.CreateNetwork(b.ctx, model.Network{Name: "other"}))(t)
	other := got(b.CreateQueue(b.ctx, model.Queue{Object: model.Object{Network: "other", Name: "pyfi.queue1"}, Type: model.Direct}))(t)
	equal(t, "queue of the other network", got(b.Queue(b.ctx, "other", "pyfi.queue1"))(t), other)
	equal(t, "queues of one network", got(b.Queues(b.ctx, "other", firstPage))(t).Items, []model.Queue{other})
	equal(t, "queues of all networks", got(b.Queues(b.ctx, "", firstPage))(t).Total, 2)

	must(t, b.DeleteQueue(b.ctx, "default", "pyfi.queue1"))
	_, err = b.Queue(b.ctx, "default", "pyfi.queue1")
	refused(t, err, store.ErrNotFound, `there is no queue "pyfi.queue1"`)
	refused(t, b.DeleteQueue(b.ctx, "default", "pyfi.queue1"), store.ErrNotFound, `there is no queue "pyfi.queue1"`)
	_, err = b.UpdateQueue(b.ctx, q)
	refused(t, err, store.ErrNotFound, `there is no queue "pyfi.queue1"`)

	otherKinds(t, b)
}

func otherKinds(t *testing.T, b *bundle) {
	b.queue(t, "q")
	b.queue(t, "edge")
	p := b.processor(t, "p")
	equal(t, "processor", got(b.Processor(b.ctx, "default", "p"))(t), p)
	s := b.socket(t, "s", "p", "q", "f")
	equal(t, "socket", got(b.Socket(b.ctx, "default", "s"))(t), s)
	s.MaxAttempts, s.Join, s.Task = 7, model.JoinLatest, "g"
	s.Limit, s.MaxRunning, s.QueueTimeoutMS = model.Limit{Rate: "10/s", Burst: 3}, 2, 1000
	changed := got(b.UpdateSocket(b.ctx, s))(t)
	s.Updated = changed.Updated
	equal(t, "changed socket", changed, s)
	limited := model.Socket{Object: object("limited"), Processor: "p", Queue: "q", Task: "h", Limit: model.Limit{Rate: "5/h", Burst: 1}, MaxRunning: 4, QueueTimeoutMS: 5}
	made := got(b.CreateSocket(b.ctx, limited.WithDefaults()))(t)
	equal(t, "limits of a new socket", []any{made.Limit, made.MaxRunning, made.QueueTimeoutMS}, []any{limited.Limit, 4, int64(5)})
	must(t, b.DeleteSocket(b.ctx, "default", "limited"))
	g := b.plug(t, "g", "s", "s", "edge")
	equal(t, "plug", got(b.Plug(b.ctx, "default", "g"))(t), g)
	g.Type, g.Queue, g.Argument = model.PlugError, "", "one"
	g = got(b.UpdatePlug(b.ctx, g))(t)
	if g.Type != model.PlugError || g.Queue != "" || g.Argument != "one" {
		t.Fatalf("the plug became %+v", g)
	}
	d := got(b.CreateDeployment(b.ctx, model.Deployment{Object: object("d"), Processor: "p", Node: "n", CPUs: 3, Manual: true}))(t)
	equal(t, "deployment", got(b.Deployment(b.ctx, "default", "d"))(t), d)
	d.CPUs = 1
	equal(t, "changed deployment", got(b.UpdateDeployment(b.ctx, d))(t).CPUs, 1)
	must(t, b.DeleteDeployment(b.ctx, "default", "d"))
	must(t, b.DeletePlug(b.ctx, "default", "g"))
	must(t, b.DeleteSocket(b.ctx, "default", "s"))
	must(t, b.DeleteProcessor(b.ctx, "default", "p"))

	n := got(b.Network(b.ctx, "default"))(t)
	n.Owner = "root"
	equal(t, "network's owner", got(b.UpdateNetwork(b.ctx, n))(t).Owner, "root")
}

// references: what is referred to must exist, and cannot be deleted.
func references(t *testing.T, b *bundle) {
	b.queue(t, "queue")
	b.queue(t, "edge")
	b.processor(t, "proc")
	b.socket(t, "a", "proc", "queue", "f")
	b.socket(t, "b", "proc", "queue", "g")
	b.plug(t, "p", "a", "b", "edge")

	base := model.Socket{Object: object("c"), Processor: "proc", Queue: "queue", Task: "h"}.WithDefaults()
	try := func(change func(*model.Socket), want error, text string) {
		t.Helper()
		m := base
		change(&m)
		_, err := b.CreateSocket(b.ctx, m)
		refused(t, err, want, text)
	}
	try(func(m *model.Socket) { m.Queue = "quue" }, store.ErrNotFound, `there is no queue "quue": did you mean "queue"?`)
	try(func(m *model.Socket) { m.Processor = "none" }, store.ErrNotFound, `there is no processor "none"`)
	try(func(m *model.Socket) { m.Network = "defalt" }, store.ErrNotFound, `there is no network "defalt": did you mean "default"?`)
	try(func(m *model.Socket) { m.Task = "f" }, store.ErrExists, `socket "a" exists already: it binds task f of processor proc to queue queue`)
	try(func(m *model.Socket) { m.Name = "a" }, store.ErrExists, `socket "a" exists already`)
	at := func(name, task string) string {
		t.Helper()
		m := base
		m.Name, m.Task = name, task
		return got(b.SocketAt(b.ctx, m))(t)
	}
	equal(t, "sockets at the address of a: for c, for a itself, and at that of none", []string{at("c", "f"), at("a", "f"), at("c", "h")}, []string{"a", "", ""})
	_, err := b.CreatePlug(b.ctx, model.Plug{Object: object("q"), Type: model.PlugResult, Source: "a", Target: "bb"})
	refused(t, err, store.ErrNotFound, `there is no socket "bb": did you mean "b"?`)
	g := got(b.Plug(b.ctx, "default", "p"))(t)
	g.Queue = "edgy"
	_, err = b.UpdatePlug(b.ctx, g)
	refused(t, err, store.ErrNotFound, `there is no queue "edgy": did you mean "edge"?`)
	moved := got(b.Socket(b.ctx, "default", "b"))(t)
	moved.Task = "f"
	_, err = b.UpdateSocket(b.ctx, moved)
	refused(t, err, store.ErrExists, `socket "a" exists already: it binds task f of processor proc to queue queue`)

	refused(t, b.DeleteQueue(b.ctx, "default", "queue"), store.ErrInUse, `queue "queue" is in use by socket a, socket b`)
	refused(t, b.DeleteQueue(b.ctx, "default", "edge"), store.ErrInUse, `queue "edge" is in use by plug p`)
	refused(t, b.DeleteProcessor(b.ctx, "default", "proc"), store.ErrInUse, `processor "proc" is in use by socket a, socket b`)
	refused(t, b.DeleteSocket(b.ctx, "default", "b"), store.ErrInUse, `socket "b" is in use by plug p`)
	refused(t, b.DeleteNetwork(b.ctx, "default"), store.ErrInUse, `network "default" is in use by every object that names no network`)
	got(b.CreateNetwork(b.ctx, model.Network{Name: "net"}))(t)
	for i := range 12 {
		got(b.CreateQueue(b.ctx, model.Queue{Object: model.Object{Network: "net", Name: fmt.Sprintf("q%02d", i)}, Type: model.Direct}))(t)
	}
	refused(t, b.DeleteNetwork(b.ctx, "net"), store.ErrInUse, `network "net" is in use by queue q00, queue q01, queue q02, `+
		`queue q03, queue q04, queue q05, queue q06, queue q07, queue q08, queue q09, 2 more`)
	got(b.CreateNetwork(b.ctx, model.Network{Name: "empty"}))(t)
	must(t, b.DeleteNetwork(b.ctx, "empty"))
}

// suggestions: a name that is not there is answered with the closest ones.
func suggestions(t *testing.T, b *bundle) {
	for _, name := range []string{"pyfi.queue1", "pyfi.queue2", "pyfi.queue3", "pyfi.queue4", "orders", "pkg.mod.do_this"} {
		b.queue(t, name)
	}
	for asked, want := range map[string]string{
		"pyfi.quue1":  `there is no queue "pyfi.quue1": did you mean "pyfi.queue1" or "pyfi.queue2" or "pyfi.queue3"?`,
		"odrers":      `there is no queue "odrers": did you mean "orders"?`,
		"ORDERS":      `there is no queue "ORDERS": did you mean "orders"?`,
		"do_this":     `there is no queue "do_this": did you mean "pkg.mod.do_this"?`,
		"nothinglike": `there is no queue "nothinglike"`,
	} {
		_, err := b.Queue(b.ctx, "default", asked)
		refused(t, err, store.ErrNotFound, want)
	}
}

// paging: every item comes once, in the order of names by bytes.
func paging(t *testing.T, b *bundle) {
	want := []string{"A", "Z", "_", "a", "a-b", "a.b", "b"}
	for _, i := range []int{3, 0, 6, 2, 5, 1, 4} {
		b.queue(t, want[i])
	}
	want = sorted(want)
	var have []string
	for l := (store.List{Limit: 3}); ; {
		page := got(b.Queues(b.ctx, "default", l))(t)
		equal(t, "total", page.Total, int64(len(want)))
		have = append(have, names(page.Items, func(q model.Queue) string { return q.Name })...)
		if page.Next == "" {
			break
		}
		l.Cursor = page.Next
	}
	equal(t, "names", have, want)
	for _, cursor := range []string{"?", "AAAA", "WyJhIl0"} {
		if _, err := b.Queues(b.ctx, "default", store.List{Cursor: cursor}); !errors.Is(err, store.ErrCursor) {
			t.Fatalf("cursor %q: have error %v, want ErrCursor", cursor, err)
		}
	}
}
