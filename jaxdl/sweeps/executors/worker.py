"""A worker process of a sweep, started by `jaxdl.sweeps.executors.processes`.

``python -m jaxdl.sweeps.executors.worker DESCRIPTOR``

It reads jobs from the given connection and writes their outcomes to it. When the connection closes, because the sweep
is finished or its process died, it ends at once.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import traceback
from multiprocessing.connection import Connection
from typing import Any

import cloudpickle

from jaxdl.backend.signals import StopSignals, stopping_signals


def main(arguments: list[str]) -> None:
    """Runs jobs until the connection closes."""
    connection = Connection(int(arguments[0]))
    # Signals go to all processes of a terminal or a job; only the sweep's own process tells the workers to stop.
    for number in stopping_signals():
        signal.signal(number, signal.SIG_IGN)
    _, (cores, settings) = cloudpickle.loads(connection.recv_bytes())
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)  # before JAX starts its threads

    from jaxdl.backend.settings import configure
    from jaxdl.sweeps.results.display import TrialDisplay
    from jaxdl.sweeps.trials.runner import run_trial
    from jaxdl.training.cache import Cache

    configure(**settings)
    signals = StopSignals()
    jobs: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def listen() -> None:
        while True:
            try:
                kind, content = cloudpickle.loads(connection.recv_bytes())
            except (EOFError, OSError):
                os._exit(1)  # nothing waits for this process, and its checkpoints are saved
            except BaseException:  # a job that cannot be read here
                traceback.print_exc()
                os._exit(1)
            if kind == "stop":
                signals.received = signal.SIGTERM
                jobs.put(None)
            else:
                jobs.put(content)

    def send(kind: str, content: Any = None) -> None:
        connection.send_bytes(cloudpickle.dumps((kind, content)))

    threading.Thread(target=listen, daemon=True).start()
    cache = None
    while True:
        job = jobs.get()
        if job is None:
            continue
        if cache is None:
            cache = Cache(job.data_dir, lambda text: send("say", text))
        display = TrialDisplay(job.experiment.training.epochs, lambda text, done: send("show", (text, done)))
        try:
            outcome = run_trial(job, cache, signals=signals, display=display, notify=lambda text: send("say", text))
        except KeyboardInterrupt:
            send("stopped")
        else:
            send("over", outcome)


if __name__ == "__main__":
    main(sys.argv[1:])
