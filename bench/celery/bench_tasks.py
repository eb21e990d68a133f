"""The Celery side of the benchmark: a task that does nothing, and the program
that sends it. The settings are Celery's defaults, but for what its guide advises
for many short tasks (a higher prefetch) and what would leave traces behind."""

import os
import sys

from celery import Celery

QUEUE = os.environ["BENCH_QUEUE"]


def make(backend):
    app = Celery("bench", broker=os.environ["BENCH_BROKER"], backend=backend)
    app.conf.update(
        task_default_queue=QUEUE,
        result_expires=3600,
        worker_prefetch_multiplier=64,
        worker_enable_remote_control=False,
        broker_connection_retry_on_startup=True,
    )
    return app


def work(x):
    pass


app = make(os.environ["BENCH_BACKEND"])
noop = app.task(name="bench.noop")(work)


def send():
    """Sends the tasks whose ids follow on the first number of each line read."""
    sender = make(None)  # a client with a backend subscribes for every task, which costs more
    task = sender.task(name="bench.noop")(work)
    payload = os.environ["BENCH_PAYLOAD"]
    with sender.connection_for_write() as connection, connection.Producer() as producer:
        for line in sys.stdin:
            first, count = map(int, line.split())
            for i in range(first, first + count):
                task.apply_async((payload,), task_id="%s-%d" % (QUEUE, i), producer=producer)
            print("sent", flush=True)


if __name__ == "__main__":
    send()
