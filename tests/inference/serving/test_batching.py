"""Requests that come together are predicted together, and each gets its own predictions."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy as np
import pytest

from jaxdl.inference.serving.batching import Batcher
from jaxdl.inference.serving.limits import Refused


class Device:
    """Doubles numbers, one call after another; keeps how many each call had, and waits where it is told to."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.observed: list[int] = []
        self.free = threading.Event()
        self.free.set()

    def run(self, batch: Any) -> Any:
        self.free.wait(20)
        self.sizes.append(len(batch["inputs"]))
        if (batch["inputs"] < 0).any():
            raise ValueError("negative")
        return {"twice": 2 * batch["inputs"]}

    def batcher(self, largest: int = 4, waiting: int = 100) -> Batcher:
        return Batcher(self.run, largest, waiting, lambda examples, seconds: self.observed.append(examples))


def numbers(*values: int) -> dict[str, np.ndarray]:
    return {"inputs": np.array(values)}


def test_each_request_gets_its_own_rows_of_a_common_batch() -> None:
    device = Device()
    batcher = device.batcher()

    async def together() -> list[Any]:
        return await asyncio.gather(*(batcher.predict(numbers(*range(n, 2 * n))) for n in (1, 2, 1, 3)))

    found = asyncio.run(together())
    assert [each["twice"].tolist() for each in found] == [[2], [4, 6], [2], [6, 8, 10]]
    assert device.sizes == device.observed == [4, 3]
    assert batcher.count == 0
    batcher.close()


def test_more_than_fit_into_one_call_are_cut_and_joined() -> None:
    device = Device()
    found = asyncio.run(device.batcher().predict(numbers(*range(10))))
    assert found["twice"].tolist() == list(range(0, 20, 2))
    assert device.sizes == [4, 4, 2]


def test_requests_that_come_while_a_batch_is_computed_are_the_next_one() -> None:
    device = Device()
    batcher = device.batcher(largest=8)

    async def follow() -> None:
        device.free.clear()
        first = asyncio.ensure_future(batcher.predict(numbers(1)))
        await asyncio.sleep(0.05)
        others = [asyncio.ensure_future(batcher.predict(numbers(n))) for n in range(5)]
        await asyncio.sleep(0.05)
        assert batcher.count == 5
        others[2].cancel()  # its client is gone
        device.free.set()
        await asyncio.gather(first, *others, return_exceptions=True)

    asyncio.run(follow())
    assert device.sizes == [1, 4]


def test_too_many_examples_are_refused_and_the_others_are_answered() -> None:
    device = Device()
    batcher = device.batcher(waiting=5)

    async def crowd() -> list[Any]:
        requests = [batcher.predict(numbers(*range(size))) for size in (3, 2, 1, 6)]
        return await asyncio.gather(*requests, return_exceptions=True)

    first, second, third, fourth = asyncio.run(crowd())
    assert len(first["twice"]) == 3 and len(second["twice"]) == 2
    assert isinstance(third, Refused) and (third.status, third.message[:38]) == (
        503,
        "the server is busy: 5 examples wait; t",
    )
    assert isinstance(fourth, Refused) and fourth.status == 413


def test_a_batch_that_fails_is_an_error_of_its_requests_alone() -> None:
    device = Device()
    batcher = device.batcher(largest=1)

    async def both() -> tuple[Any, Any]:
        return await asyncio.gather(batcher.predict(numbers(-1)), batcher.predict(numbers(2)), return_exceptions=True)

    failed, fine = asyncio.run(both())
    assert isinstance(failed, ValueError)
    assert fine["twice"].tolist() == [4]


def test_a_request_without_an_example_is_answered_too() -> None:
    assert len(asyncio.run(Device().batcher().predict(numbers()))["twice"]) == 0


@pytest.mark.parametrize("largest", [1, 3])
def test_nothing_is_lost_among_many(largest: int) -> None:
    device = Device()
    batcher = device.batcher(largest, 1000)

    async def many() -> list[Any]:
        async def late(number: int) -> Any:
            await asyncio.sleep(number % 7 / 1000)
            return await batcher.predict(numbers(number, number + 1))

        return await asyncio.gather(*map(late, range(100)))

    for number, found in enumerate(asyncio.run(many())):
        assert found["twice"].tolist() == [2 * number, 2 * number + 2]
