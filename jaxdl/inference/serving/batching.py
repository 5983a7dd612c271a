"""Examples of requests that come at the same time are predicted together.

While one batch is computed, requests wait; those that wait when it is done are the next batch. So a single request
waits for no one, and the busier the server is, the larger are its batches. Nothing is timed.
"""

from __future__ import annotations

import asyncio
import collections
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxdl.data.spec import examples as count_examples
from jaxdl.inference.serving.limits import Refused, overloaded

Batch = Mapping[str, np.ndarray]


class _Part(NamedTuple):
    """Examples that are predicted in one call, and who waits for them."""

    batch: Batch
    examples: int
    answer: asyncio.Future[Any]


class Batcher:
    """Predicts for requests, many of them in one call.

    All but `run` happens on the thread of the event loop.

    Args:
        run: batches, (examples, ...) by name, to predictions, (examples, ...); called on a thread of its own.
        largest: examples in one call.
        waiting: examples that wait at one time.
        observe: called with the examples and the seconds of each call.

    Attributes:
        count: examples that wait now.
    """

    def __init__(
        self, run: Callable[[Batch], Any], largest: int, waiting: int, observe: Callable[[int, float], None]
    ) -> None:
        self._run, self._largest, self._most, self._observe = run, largest, waiting, observe
        self._parts: collections.deque[_Part] = collections.deque()
        self._pool = ThreadPoolExecutor(1, "jaxdl-predict")
        self._busy = False
        self.count = 0

    async def predict(self, batch: Batch) -> Any:
        """Returns the predictions for the examples of a request.

        Raises:
            Refused: too many examples wait, or the request has more than may wait.
        """
        count = count_examples(batch)
        if count > self._most:
            raise Refused(413, f"the request has {count:,} examples; send at most {self._most:,} in one.")
        if self.count + count > self._most:
            raise overloaded(f"{self.count:,} examples wait")
        if count <= self._largest:
            return await self._asked(batch, count)
        starts = range(0, count, self._largest)
        cut = [{key: array[start : start + self._largest] for key, array in batch.items()} for start in starts]
        found = await asyncio.gather(*(self._asked(part, count_examples(part)) for part in cut))
        return jax.tree.map(lambda *each: np.concatenate(each), *found)

    def close(self) -> None:
        """Ends the thread."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _asked(self, batch: Batch, count: int) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        self._parts.append(_Part(batch, count, answer))
        self.count += count
        if not self._busy:
            self._busy = True
            loop.call_soon(self._next, loop)  # not yet: requests that arrived together are one batch
        return answer

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        """Starts on the requests that have waited longest, as many as fit into one call."""
        taken: list[_Part] = []
        room = self._largest
        while self._parts and (self._parts[0].answer.done() or self._parts[0].examples <= room):
            part = self._parts.popleft()
            self.count -= part.examples
            if not part.answer.done():  # otherwise its request was given up
                taken.append(part)
                room -= part.examples
        if not taken:
            self._busy = False
            return
        done = self._pool.submit(self._compute, taken)
        done.add_done_callback(lambda found: loop.call_soon_threadsafe(self._answer, loop, taken, found))

    def _compute(self, taken: Sequence[_Part]) -> Any:
        begin = time.perf_counter()
        if len(taken) == 1:
            found = self._run(taken[0].batch)
        else:
            keys = taken[0].batch
            found = self._run({key: np.concatenate([part.batch[key] for part in taken]) for key in keys})
        return found, time.perf_counter() - begin

    def _answer(self, loop: asyncio.AbstractEventLoop, taken: Sequence[_Part], done: Any) -> None:
        """Gives each request its predictions, and starts on the next ones."""
        self._next(loop)  # first, so that the device has work while answers are written
        error = done.exception()
        if error is not None:
            for part in taken:
                if not part.answer.done():
                    part.answer.set_exception(error)
            return
        found, seconds = done.result()
        self._observe(sum(part.examples for part in taken), seconds)
        start = 0
        for part in taken:
            if not part.answer.done():
                part.answer.set_result(_rows(found, start, part.examples))
            start += part.examples


def _rows(found: Any, start: int, count: int) -> Any:
    if isinstance(found, np.ndarray):
        return found[start : start + count]
    return jax.tree.map(lambda array: array[start : start + count], found)
