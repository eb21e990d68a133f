package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/internal/faultproxy"
)

// world is one system of flow processes, and what is behind it.
type world struct {
	stack   string // "embedded", "services" or "own services"
	program string
	dir     string
	disk    string // where processes keep their data; of embedded a disk of its own, if it could be made
	diskMB  int    // how large that one is
	prefix  string
	behind  *services // nil for embedded

	removeDisk func() error // nil unless there is a disk of its own

	// Between flow and the services; nil for embedded.
	rabbit, redis, postgres *faultproxy.Proxy

	servers []*process // empty for embedded
	agents  []*process // of embedded: the one "flow up"
	workers int        // of the graph, on all agents together
	clients []*client.Client
	http    *http.Client // of all clients
	ledger  *ledger
	next    atomic.Int64 // the last number that was given
	long    longCalls    // of the scenario that is played
}

// secret is the sealing key that the servers share.
const secret = "FLOW_SECRET_KEY=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

// How many megabytes the disk of an embedded stack has: more than twice what the
// scenarios of each form leave there.
const quickDisk, longDisk = 512, 4096

// newWorld starts a system with a graph that is ready to be called. Without
// services it is the embedded one.
func newWorld(ctx context.Context, o options, stack string, behind *services) (*world, error) {
	dir, err := os.MkdirTemp("", "flow-chaos-")
	if err != nil {
		return nil, err
	}
	w := &world{
		stack: stack, program: o.program, dir: dir, disk: dir, diskMB: longDisk, behind: behind,
		prefix: "chaos" + strings.ToLower(filepath.Base(dir)[len("flow-chaos-"):]), ledger: newLedger(filepath.Join(dir, "ledger")),
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}},
	}
	if o.quick {
		w.diskMB = quickDisk
	}
	if err := w.open(ctx); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *world) open(ctx context.Context) error {
	repo := filepath.Join(w.dir, "code")
	if err := repository(repo, w.ledger.path); err != nil {
		return err
	}
	begin := w.beginServices
	w.workers = 4
	if w.behind == nil {
		begin, w.workers = w.beginEmbedded, 2
	}
	if err := begin(ctx); err != nil {
		return err
	}
	if err := declare(ctx, w.clients[0], repo, w.workers); err != nil {
		return fmt.Errorf("declare the graph: %w", err)
	}
	return w.await(ctx, patience, "the workers to run", func() bool { return len(w.children(ctx)) >= w.workers })
}

// base is the environment of every flow process of the world.
func (w *world) base() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir, "XDG_CONFIG_HOME=" + filepath.Join(w.dir, "config"), "NO_COLOR=1", secret,
		"FLOW_LOG_LEVEL=" + level(),
	}
}

func level() string {
	if l := os.Getenv("FLOW_LOG_LEVEL"); l != "" {
		return l
	}
	return "info"
}

func (w *world) process(name, ready string, env []string, args ...string) (*process, error) {
	pprof, err := freeAddress()
	if err != nil {
		return nil, err
	}
	p := &process{
		name: name, ready: ready, log: filepath.Join(w.dir, name+".log"), pprof: pprof, clock: filepath.Join(w.dir, name+".clock"),
		args: append(args, "--data-dir", filepath.Join(w.disk, name)),
	}
	p.env = append(append(w.base(), "FLOW_PPROF="+p.pprof, "FLOW_FAULT_CLOCK="+p.clock), env...)
	return p, nil
}

// all are the processes of the world, those first that are to end first.
func (w *world) all() []*process { return append(append([]*process{}, w.agents...), w.servers...) }

func (w *world) beginEmbedded(context.Context) error {
	disk := filepath.Join(w.dir, "disk")
	remove, err := smallDisk(disk, w.diskMB)
	if err != nil {
		fmt.Println("embedded: no disk is filled:", err)
	} else {
		w.disk, w.removeDisk = disk, remove
	}
	addr, err := freeAddress()
	if err != nil {
		return err
	}
	up, err := w.process("up", "flow is ready", nil, "up", "--cpus", "2", "--listen", addr)
	if err != nil {
		return err
	}
	w.agents = []*process{up}
	if err := up.start(w.program); err != nil {
		return err
	}
	token, err := os.ReadFile(filepath.Join(w.disk, "up", "admin.token"))
	if err != nil {
		return err
	}
	w.clients = []*client.Client{client.New(client.Config{Server: "http://" + addr, Token: strings.TrimSpace(string(token)), HTTP: w.http})}
	return nil
}

func (w *world) beginServices(ctx context.Context) error {
	var err error
	for _, p := range []struct {
		proxy  **faultproxy.Proxy
		target string
	}{{&w.rabbit, w.behind.rabbit}, {&w.redis, w.behind.redis}, {&w.postgres, w.behind.postgres}} {
		if *p.proxy, err = faultproxy.Start(p.target); err != nil {
			return err
		}
	}
	if err := w.behind.makeSchema(ctx, w.prefix); err != nil {
		return err
	}
	env := []string{
		fmt.Sprintf("FLOW_BROKER=amqp://guest:guest@%s/?prefix=%s.", w.rabbit.Addr(), w.prefix),
		fmt.Sprintf("FLOW_BACKEND=redis://%s/0?prefix=%s.", w.redis.Addr(), w.prefix),
		fmt.Sprintf("FLOW_DB=%s", w.behind.database(w.postgres.Addr(), w.prefix)),
	}
	token, err := w.token(ctx, env)
	if err != nil {
		return err
	}
	for i := range 2 {
		addr, err := freeAddress()
		if err != nil {
			return err
		}
		s, err := w.process(fmt.Sprintf("server%d", i+1), "listens on", env, "server", "start", "--listen", addr)
		if err != nil {
			return err
		}
		w.servers = append(w.servers, s)
		if err := s.start(w.program); err != nil {
			return err
		}
		w.clients = append(w.clients, client.New(client.Config{Server: "http://" + addr, Token: token, HTTP: w.http}))
	}
	for i := range 2 {
		name := fmt.Sprintf("node%d", i+1)
		own := append([]string{"FLOW_SERVER=" + w.clients[i].Server(), "FLOW_TOKEN=" + token}, env...)
		a, err := w.process(name, "CPUs", own, "agent", "start", "--name", name, "--cpus", "2")
		if err != nil {
			return err
		}
		w.agents = append(w.agents, a)
		if err := a.start(w.program); err != nil {
			return err
		}
	}
	return nil
}

var tokens = regexp.MustCompile(`flow_[A-Za-z0-9_-]+`)

// token makes the tables and returns a token of the admin.
func (w *world) token(ctx context.Context, env []string) (string, error) {
	cmd := exec.CommandContext(ctx, w.program, "db", "init")
	cmd.Env = append(w.base(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("flow db init: %w: %s", err, out)
	}
	var token string
	err := filepath.WalkDir(filepath.Join(w.dir, "config"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if found := tokens.FindString(string(data)); found != "" {
			token = found
		}
		return err
	})
	if err == nil && token == "" {
		err = errors.New("flow db init left no token")
	}
	return token, err
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// children are the process ids of the workers' children.
func (w *world) children(ctx context.Context) []int {
	for _, c := range w.clients {
		workers, err := c.Workers().All(ctx)
		if err != nil {
			continue
		}
		var pids []int
		for _, one := range workers {
			if one.PID > 0 && one.Status == "running" {
				pids = append(pids, one.PID)
			}
		}
		return pids
	}
	return nil
}

// await waits until something is so.
func (w *world) await(ctx context.Context, limit time.Duration, what string, so func() bool) error {
	for end := time.Now().Add(limit); !so(); {
		if time.Now().After(end) {
			return fmt.Errorf("%s: waited %s for %s", w.stack, limit, what)
		}
		if !sleep(ctx, 100*time.Millisecond) {
			return ctx.Err()
		}
	}
	return nil
}

// sleep waits; false when ctx has ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// stop ends all flow processes in order; it tells those that had to be killed.
func (w *world) stop() (stuck []string) {
	for _, p := range w.all() {
		if !p.stop() {
			stuck = append(stuck, p.name+" did not end when it was told to")
		}
	}
	return stuck
}

// close ends and removes everything.
func (w *world) close() error {
	for _, p := range w.all() {
		p.kill()
	}
	var err error
	if w.behind != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		err = w.behind.clean(ctx, w.prefix)
	}
	for _, p := range []*faultproxy.Proxy{w.rabbit, w.redis, w.postgres} {
		if p != nil {
			p.Close()
		}
	}
	if w.removeDisk != nil {
		err = errors.Join(err, w.removeDisk())
	}
	if os.Getenv("CHAOS_KEEP") == "" {
		err = errors.Join(err, os.RemoveAll(w.dir))
	}
	return err
}
