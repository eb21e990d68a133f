package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// owned are services that this program started, and may stop.
type owned struct {
	dir                     string
	rabbit, redis, postgres *daemon
	rabbitmqctl             func(ctx context.Context, args ...string) *exec.Cmd
}

// daemon is a service that can be stopped and started.
type daemon struct {
	name, addr string
	path       string
	args, env  []string
	as         *syscall.Credential
	dir        string
	polite     syscall.Signal // ends it in an orderly way
	answers    func(ctx context.Context) error

	cmd  *exec.Cmd
	done chan struct{}
}

// log is the file that it writes to.
func (d *daemon) log() string { return filepath.Join(d.dir, d.name+".log") }

func (d *daemon) start(ctx context.Context) error {
	log, err := os.OpenFile(d.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(d.path, d.args...)
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.Dir = append(os.Environ(), d.env...), log, log, d.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: d.as}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", d.name, err)
	}
	d.cmd, d.done = cmd, make(chan struct{})
	go func(done chan struct{}) {
		defer close(done)
		_ = cmd.Wait()
	}(d.done)
	for end := time.Now().Add(2 * patience); ; {
		if err = d.answers(ctx); err == nil {
			return nil
		}
		select {
		case <-d.done:
			return fmt.Errorf("%s ended by itself: see %s", d.name, log.Name())
		default:
		}
		if time.Now().After(end) || !sleep(ctx, 200*time.Millisecond) {
			return fmt.Errorf("%s does not answer: %w", d.name, err)
		}
	}
}

// end ends the daemon with its process group.
func (d *daemon) end(sig syscall.Signal) {
	if d.cmd == nil {
		return
	}
	target := d.cmd.Process.Pid
	if sig == syscall.SIGKILL {
		target = -target
	}
	_ = syscall.Kill(target, sig)
	select {
	case <-d.done:
	case <-time.After(patience):
		_ = syscall.Kill(-d.cmd.Process.Pid, syscall.SIGKILL)
		<-d.done
	}
	d.cmd = nil
}

// listens tells whether something takes connections at the address.
func listens(addr string) func(context.Context) error {
	return func(ctx context.Context) error {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", addr)
		if err == nil {
			err = c.Close()
		}
		return err
	}
}

// ownServices starts a RabbitMQ, a Redis and a PostgreSQL on free ports, from
// the programs that Debian's packages install.
func ownServices(ctx context.Context) (*services, error) {
	dir, err := os.MkdirTemp("", "flow-chaos-own-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // PostgreSQL runs as another user
		return nil, err
	}
	o := &owned{dir: dir}
	for _, prepare := range []func(context.Context) (*daemon, error){o.makeRedis, o.makePostgres, o.makeRabbit} {
		d, err := prepare(ctx)
		if err == nil {
			err = d.start(ctx)
		}
		if err != nil {
			return nil, errors.Join(err, o.close())
		}
	}
	return &services{
		rabbit: o.rabbit.addr, redis: o.redis.addr, postgres: o.postgres.addr, pgUser: "postgres", pgDatabase: "postgres", own: o,
	}, nil
}

func (o *owned) makeRedis(context.Context) (*daemon, error) {
	addr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(addr)
	o.redis = &daemon{
		name: "redis", addr: addr, path: "redis-server", dir: o.dir, polite: syscall.SIGTERM, answers: listens(addr),
		args: []string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", o.dir},
	}
	return o.redis, nil
}

func (o *owned) makePostgres(ctx context.Context) (*daemon, error) {
	bins, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(bins) == 0 {
		return nil, errors.New("there is no PostgreSQL below /usr/lib/postgresql")
	}
	slices.Sort(bins)
	bin := bins[len(bins)-1]
	addr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(addr)
	data := filepath.Join(o.dir, "postgres")
	if err := os.Mkdir(data, 0o700); err != nil {
		return nil, err
	}
	as, err := unprivileged(data)
	if err != nil {
		return nil, err
	}
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-A", "trust", "-U", "postgres")
	initdb.SysProcAttr, initdb.Dir = &syscall.SysProcAttr{Credential: as}, data
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	o.postgres = &daemon{
		name: "postgres", addr: addr, path: filepath.Join(bin, "postgres"), as: as, dir: o.dir, polite: syscall.SIGINT,
		args: []string{"-D", data, "-p", port, "-k", data, "-c", "listen_addresses=127.0.0.1"},
	}
	s := &services{postgres: addr, pgUser: "postgres", pgDatabase: "postgres"}
	o.postgres.answers = func(ctx context.Context) error { return s.exec(ctx, "SELECT 1") }
	return o.postgres, nil
}

// unprivileged gives the folder to the user postgres, when this program runs as
// root: PostgreSQL refuses to.
func unprivileged(dir string) (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(dir, uid, gid)
}

func (o *owned) makeRabbit(context.Context) (*daemon, error) {
	bin := cmp.Or(os.Getenv("CHAOS_RABBITMQ"), "/usr/lib/rabbitmq/bin")
	addr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	dist, err := freeAddress()
	if err != nil {
		return nil, err
	}
	home := filepath.Join(o.dir, "rabbit")
	if err := os.Mkdir(home, 0o700); err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(addr)
	_, distPort, _ := net.SplitHostPort(dist)
	env := []string{
		"HOME=" + home, fmt.Sprintf("RABBITMQ_NODENAME=flowchaos%d@localhost", os.Getpid()), "RABBITMQ_NODE_IP_ADDRESS=127.0.0.1", "RABBITMQ_NODE_PORT=" + port,
		"RABBITMQ_DIST_PORT=" + distPort, "RABBITMQ_MNESIA_BASE=" + home, "RABBITMQ_LOG_BASE=" + home, "RABBITMQ_LOGS=-",
		"RABBITMQ_CONFIG_FILE=" + filepath.Join(home, "none"), "RABBITMQ_CONF_ENV_FILE=" + filepath.Join(home, "none"),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + filepath.Join(home, "plugins"), "RABBITMQ_PID_FILE=" + filepath.Join(home, "pid"),
	}
	o.rabbit = &daemon{name: "rabbit", addr: addr, path: filepath.Join(bin, "rabbitmq-server"), env: env, dir: o.dir, polite: syscall.SIGTERM, answers: listens(addr)}
	o.rabbitmqctl = func(ctx context.Context, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, filepath.Join(bin, "rabbitmqctl"), args...)
		cmd.Env = append(os.Environ(), env...)
		return cmd
	}
	return o.rabbit, nil
}

// ctl tells RabbitMQ something.
func (o *owned) ctl(ctx context.Context, args ...string) error {
	_, err := o.ask(ctx, args...)
	return err
}

// ask asks RabbitMQ something.
func (o *owned) ask(ctx context.Context, args ...string) (string, error) {
	cmd := o.rabbitmqctl(ctx, args...)
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return "", fmt.Errorf("rabbitmqctl %v: %w: %s%s", args, err, out, exit.Stderr)
	}
	return string(out), err
}

// close ends the services and removes their data.
func (o *owned) close() error {
	for _, d := range []*daemon{o.rabbit, o.redis, o.postgres} {
		if d != nil {
			d.end(syscall.SIGKILL)
		}
	}
	return os.RemoveAll(o.dir)
}
