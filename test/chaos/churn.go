package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
)

// other is the queue object that sockets move to and back from.
const other = "chaos2"

// movers are the sockets that move. Calls of left wait for other attempts too often,
// and values for both come through the queue of a plug.
var movers = []string{"start", "right", "sink", "failed"}

// remodel changes the model so many times while calls flow, as people do who work on
// a graph that is in use; at the end it is as it was.
func remodel(times int) fault {
	return func(ctx context.Context, w *world) (mended []time.Time, err error) {
		if _, err := w.any().Queues().Create(ctx, model.Queue{Object: model.Object{Name: other}, Type: model.Direct}); err != nil {
			return nil, err
		}
		changes := []func(context.Context, *world) error{move, move, move, pause, limitFailed, scale}
		for range times {
			if err := changes[rand.N(len(changes))](ctx, w); err != nil {
				return mended, err
			}
			mended = append(mended, time.Now())
			if !sleep(ctx, 100*time.Millisecond+rand.N(200*time.Millisecond)) {
				return mended, ctx.Err()
			}
		}
		for _, name := range movers {
			err := w.await(ctx, patience, name+" to be back", func() bool { return moveTo(ctx, w, name, queueName) == nil })
			if err != nil {
				return mended, err
			}
		}
		return append(mended, time.Now()), w.any().Queues().Delete(ctx, other)
	}
}

// any is a client of one of the servers.
func (w *world) any() *client.Client { return w.clients[rand.N(len(w.clients))] }

// move has a socket go to the other queue, if it can.
func move(ctx context.Context, w *world) error {
	err := moveTo(ctx, w, movers[rand.N(len(movers))], []string{queueName, other}[rand.N(2)])
	if refused, ok := errors.AsType[*client.Error](err); ok && refused.Code == client.CodeConflict {
		return nil // calls wait there
	}
	return err
}

func moveTo(ctx context.Context, w *world, name, queue string) error {
	if _, err := w.any().Sockets().Update(ctx, name, client.SocketPatch{Queue: &queue}); err != nil {
		return fmt.Errorf("move %s to %s: %w", name, queue, err)
	}
	return nil
}

// pause stops the processor for a moment.
func pause(ctx context.Context, w *world) error {
	if _, err := w.any().StopProcessor(ctx, processorName); err != nil {
		return err
	}
	sleep(ctx, rand.N(time.Second))
	_, err := w.any().StartProcessor(context.WithoutCancel(ctx), processorName)
	return err
}

// limitFailed changes how many calls of failed run at a time.
func limitFailed(ctx context.Context, w *world) error {
	most := rand.N(4) // none is no limit
	_, err := w.any().Sockets().Update(ctx, "failed", client.SocketPatch{MaxRunning: &most})
	return err
}

// scale changes how many workers there are.
func scale(ctx context.Context, w *world) error {
	workers := 1 + rand.N(w.workers)
	_, err := w.any().Processors().Update(ctx, processorName, client.ProcessorPatch{Concurrency: &workers})
	return err
}

// asBefore gives the graph the workers and limits that it had.
func asBefore(ctx context.Context, w *world) error {
	_, err := w.any().Processors().Update(ctx, processorName, client.ProcessorPatch{Concurrency: &w.workers})
	if err == nil {
		_, err = w.any().Sockets().Update(ctx, "failed", client.SocketPatch{MaxRunning: &w.workers})
	}
	if err != nil {
		return err
	}
	return w.await(ctx, patience, "all workers to run", func() bool { return len(w.children(ctx)) >= w.workers })
}
