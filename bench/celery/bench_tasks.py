"""The Celery side of the benchmark: a task that does nothing, and the program
that sends it. The settings are Celery's defaults, but for what would leave traces
behind. Tuned, it has what its guide advises for many short tasks: a higher prefetch,
and a sender that keeps one producer and does not subscribe to each result."""

import os
import sys

from celery import Celery

QUEUE = os.environ["BENCH_QUEUE"]
TUNED = os.environ.get("BENCH_TUNED") == "1"


def make(backend):
    app = Celery("bench", broker=os.environ["BENCH_BROKER"], backend=backend)
    app.conf.update(
        task_default_queue=QUEUE,
        result_expires=3600,
        worker_enable_remote_control=False,
        broker_connection_retry_on_startup=True,
    )
    if TUNED:
        app.conf.worker_prefetch_multiplier = 64
    return app


def work(x):
    pass


app = make(os.environ["BENCH_BACKEND"])
noop = app.task(name="bench.noop")(work)


def send():
    """Sends the tasks whose ids follow on the first number of each line read."""
    if not TUNED:
        serve(lambda i, payload: noop.apply_async((payload,), task_id="%s-%d" % (QUEUE, i)))
        return
    sender = make(None)
    task = sender.task(name="bench.noop")(work)
    with sender.connection_for_write() as connection, connection.Producer() as producer:
        serve(lambda i, payload: task.apply_async((payload,), task_id="%s-%d" % (QUEUE, i), producer=producer))


def serve(send_one):
    payload = os.environ["BENCH_PAYLOAD"]
    for line in sys.stdin:
        first, count = map(int, line.split())
        for i in range(first, first + count):
            send_one(i, payload)
        print("sent", flush=True)


if __name__ == "__main__":
    send()
