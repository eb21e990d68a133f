package main

import (
	"context"
	"database/sql"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// outage ends a service, waits, and starts it again.
func outage(of func(o *owned) *daemon, how func(d *daemon) syscall.Signal, d time.Duration) func(context.Context, *world) error {
	return func(ctx context.Context, w *world) error {
		one := of(w.behind.own)
		one.end(how(one))
		sleep(ctx, d)
		return one.start(ctx)
	}
}

func theRabbit(o *owned) *daemon   { return o.rabbit }
func theRedis(o *owned) *daemon    { return o.redis }
func thePostgres(o *owned) *daemon { return o.postgres }

func politely(d *daemon) syscall.Signal { return d.polite }
func killed(*daemon) syscall.Signal     { return syscall.SIGKILL }

// memoryAlarm raises RabbitMQ's memory alarm for a while.
func memoryAlarm(d time.Duration) func(context.Context, *world) error {
	return func(ctx context.Context, w *world) error {
		if err := w.behind.own.ctl(ctx, "set_vm_memory_high_watermark", "0.00001"); err != nil {
			return err
		}
		sleep(ctx, d)
		return w.behind.own.ctl(ctx, "set_vm_memory_high_watermark", "0.4")
	}
}

// fullRedis has Redis refuse what takes memory for a while, as one does whose maxmemory
// is reached.
func fullRedis(d time.Duration) func(context.Context, *world) error {
	return func(ctx context.Context, w *world) error {
		c := redis.NewClient(&redis.Options{Addr: w.behind.own.redis.addr})
		defer c.Close()
		if err := c.ConfigSet(ctx, "maxmemory", "1").Err(); err != nil {
			return err
		}
		sleep(ctx, d)
		return c.ConfigSet(context.WithoutCancel(ctx), "maxmemory", "0").Err()
	}
}

// readOnly has PostgreSQL refuse what writes for a while, as one does that is made a
// standby of another.
func readOnly(d time.Duration) func(context.Context, *world) error {
	return func(ctx context.Context, w *world) error {
		db, err := sql.Open("pgx", w.behind.database(w.behind.postgres, "")+"&default_transaction_read_only=off")
		if err != nil {
			return err
		}
		defer db.Close()
		set := func(ctx context.Context, on string) error {
			_, err := db.ExecContext(ctx, "ALTER SYSTEM SET default_transaction_read_only = "+on)
			if err == nil {
				_, err = db.ExecContext(ctx, "SELECT pg_reload_conf()")
			}
			return err
		}
		if err := set(ctx, "on"); err != nil {
			return err
		}
		sleep(ctx, d)
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		return set(ending, "off")
	}
}

// ofLongCalls is how many of the scenarios on services of its own, the first ones,
// are about long calls: in the short form no others are played there, unless it is
// told to play this stack.
const ofLongCalls = 4

// onOwnServices are the scenarios with long calls, and those that change or stop
// services.
func onOwnServices(quick bool) []scenario {
	away, times := 60*time.Second, 1
	if quick {
		away = 5 * time.Second
	}
	second := time.Second
	return []scenario{
		{name: "consumer timeout", quick: 300, long: 1000, over: 12 * second, lasts: 5 * brokerWaits, before: impatient, after: patientAgain, check: outlasted},
		{name: "node dies during a long call", quick: 200, long: 2000, over: 10 * second, lasts: 3 * second, endsProcesses: true, fault: repeatedly(1, second, nodeEnds(withChildren))},
		{name: "agent dies during a long call", long: 2000, over: 10 * second, lasts: 3 * second, endsProcesses: true, fault: repeatedly(1, second, nodeEnds(alone))},
		{name: "node is frozen during a long call", long: 2000, over: 10 * second, lasts: 3 * second, endsProcesses: true, fault: repeatedly(1, second, nodeEnds(frozen))},
		{name: "nothing breaks", quick: 300, long: 1000, over: 2 * second},
		{name: "Redis and agent killed", quick: 300, long: 3000, over: 10 * second, endsProcesses: true, fault: repeatedly(times, second, bothOf(outage(theRedis, killed, second), killAgent))},
		{name: "memory alarm", quick: 300, long: 3000, over: 5 * second, says: noMemory, fault: repeatedly(times, second, memoryAlarm(away))},
		{name: "RabbitMQ restarted", quick: 300, long: 3000, over: 10 * second, says: noRabbit, fault: repeatedly(times, second, outage(theRabbit, politely, away))},
		{name: "RabbitMQ killed", quick: 300, long: 3000, over: 10 * second, fault: repeatedly(times, second, outage(theRabbit, killed, second))},
		{name: "PostgreSQL restarted", quick: 300, long: 3000, over: 10 * second, says: noPostgres, fault: repeatedly(times, second, outage(thePostgres, politely, away))},
		{name: "PostgreSQL killed", quick: 300, long: 3000, over: 10 * second, fault: repeatedly(times, second, outage(thePostgres, killed, second))},
		{name: "PostgreSQL read only", quick: 300, long: 3000, over: 10 * second, says: noPostgres, fault: repeatedly(times, second, readOnly(away))},
		{name: "Redis full", quick: 300, long: 3000, over: 10 * second, says: noRedis, fault: repeatedly(times, second, fullRedis(away))},
		{name: "Redis restarted, empty", quick: 300, long: 3000, over: 10 * second, says: noRedis, fault: repeatedly(times, second, outage(theRedis, politely, away))},
		{name: "everything restarted at once", quick: 300, long: 3000, over: 10 * second, fault: repeatedly(times, second,
			bothOf(outage(theRedis, killed, away), bothOf(outage(thePostgres, politely, away), outage(theRabbit, politely, away))))},
	}
}
