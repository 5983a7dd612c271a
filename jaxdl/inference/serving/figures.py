"""What a server counts and measures, in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CONTENT_TYPE = CONTENT_TYPE_LATEST


class Figures:
    """The figures of one server.

    Args:
        waiting: returns how many examples wait now.
        held: returns how many bytes of requests are in memory now.
        largest: examples in one batch.
    """

    def __init__(self, waiting: Callable[[], float], held: Callable[[], float], largest: int):
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        about = "Requests for predictions, by the status of the answer"
        self._requests = Counter("jaxdl_requests", about, ["status"], registry=self._registry)
        self._seconds = Histogram(
            "jaxdl_request_seconds",
            "From the head of a request for predictions to its answer",
            buckets=_SECONDS,
            registry=self._registry,
        )
        sizes = tuple(float(2**power) for power in range(largest.bit_length()))
        self._examples = Histogram(
            "jaxdl_batch_examples", "Examples that were predicted together", buckets=sizes, registry=self._registry
        )
        self._batches = Histogram(
            "jaxdl_batch_seconds", "Time to predict one batch", buckets=_SECONDS, registry=self._registry
        )
        Gauge("jaxdl_waiting_examples", "Examples that wait to be predicted", registry=self._registry).set_function(
            waiting
        )
        Gauge("jaxdl_held_bytes", "Bodies of requests that are in memory", registry=self._registry).set_function(held)
        self._by_status: dict[int, Counter] = {}

    def request(self, status: int, seconds: float) -> None:
        """Counts a request that was answered."""
        counter = self._by_status.get(status)
        if counter is None:
            counter = self._by_status[status] = self._requests.labels(str(status))
        counter.inc()
        self._seconds.observe(seconds)

    def batch(self, examples: int, seconds: float) -> None:
        """Counts a batch that was predicted."""
        self._examples.observe(examples)
        self._batches.observe(seconds)

    def text(self) -> bytes:
        """Returns all of them."""
        found: bytes = generate_latest(self._registry)
        return found
