"""Evaluation of a split that is brought to the device in parts: the same sums as where all of it is there."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from jaxdl.backend.compiler import traced
from jaxdl.backend.memory import on_host
from jaxdl.data.chunks import InParts, Prefetcher
from jaxdl.steps.functions import Sums, TrainState


def trace_chunk(
    run: Callable[..., Sums],
    data: InParts,
    batch_size: int,
    most_batches: int,
    shapes: TrainState,
    hparams: Mapping[str, Any],
    out_shardings: Any = None,
) -> Any:
    """Returns the traced program that evaluates one chunk.

    Args:
        run: `jaxdl.steps.many.run_eval_steps`, which is still to be given the most batches, and what follows these.
        data: the examples.
        batch_size: examples in one batch.
        most_batches: number of batches of the largest split.
        shapes: of a state.
        hparams: the numbers that enter the step as data, by path.
        out_shardings: where the results lie; None: the compiler's choice.
    """
    batches = data.batches(batch_size, most_batches)
    program = functools.partial(run, batches)
    arguments = (shapes, data.shapes(batches * batch_size), hparams, np.int32(0), np.int32(0))
    return traced(program, *arguments, out_shardings=out_shardings)


def partials_of_chunks(
    program: Callable[..., Any],
    data: InParts,
    split: str,
    batch_size: int,
    most_batches: int,
    state: TrainState,
    hparams: Mapping[str, Any],
) -> Sums:
    """Returns the partial sums of each batch of a split, with one leading axis; batches are cut as on the device.

    Args:
        program: what `trace_chunk` gave, compiled.
        data: the examples.
        split: name of the split.
        batch_size: examples in one batch.
        most_batches: number of batches of the largest split.
        state: what to evaluate.
        hparams: the numbers that enter the step as data, by path.
    """
    size, room = data.size(split), data.batches(batch_size, most_batches) * batch_size
    chunks = -(-size // room)

    def read(chunk: int) -> dict[str, np.ndarray]:
        return data.read(split, np.arange(chunk * room, min(size, (chunk + 1) * room)), room)

    prefetcher = Prefetcher(
        read, lambda chunk: chunk + 1 if chunk + 1 < chunks else None, data.ahead(room), data.sharding
    )
    found: list[Sums] = []
    running: Sums | None = None
    try:
        for chunk in range(chunks):
            arrays = prefetcher.get(chunk)
            count = min(room, size - chunk * room)
            began = program(state, arrays, hparams, np.int32(0), np.int32(count))
            if running is not None:  # one chunk late, so that the device has work while Python waits
                found.append(on_host(running))
            running = began
        found.append(on_host(running))
    finally:
        prefetcher.close()
    joined: Sums = jax.tree.map(lambda *sums: np.concatenate(sums), *found)
    return joined
