"""Batches of images that are in memory, such as MNIST's, as each framework gives them to a training.

A worker of `benchmarks.images`, see `benchmarks.image_worker`. The first pass includes what a framework does with the
arrays before it: jaxdl's checks, digest, splits and copy to the device. Keras has no reader of its own for arrays that
can be run without a training; its ``fit`` is measured by `benchmarks.compare`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

BATCH = 128


def _arrays(file: Path) -> tuple[Any, Any]:
    import numpy as np

    with np.load(file, allow_pickle=False) as arrays:
        return arrays["inputs"], arrays["targets"]


def jaxdl_passes(file: Path, size: int) -> Iterator[int]:
    """Yields the number of images after each pass; batches are gathered on the device, as part of a program."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    import jaxdl
    from jaxdl.data.resident import put_on_device
    from jaxdl.steps.many import batch_of_step

    inputs, targets = _arrays(file)
    count = len(inputs)

    def read(arrays: Any, order: Any) -> Any:
        # All of each batch is used, as in a training: otherwise XLA would not make it.
        def add(number: Any, total: Any) -> Any:
            batch = batch_of_step(arrays, order, number, BATCH)
            return total + batch["inputs"].astype(jnp.int32).sum() + batch["targets"].sum()

        return jax.lax.fori_loop(0, -(-count // BATCH), add, jnp.int32(0))

    empty = {"inputs": jnp.zeros(inputs.shape, jnp.uint8), "targets": jnp.zeros(count, jnp.int32)}
    program = jax.jit(read).lower(empty, jnp.zeros(count, jnp.int32)).compile()  # as part of a train program
    yield 0
    data = jaxdl.Arrays(train=(inputs, targets), test=(inputs[:1], targets[:1]), validation=0)
    dataset = data.load(notify=lambda line: None)
    arrays = put_on_device(type(dataset)(**{**vars(dataset), "splits": {"train": dataset.splits["train"]}})).arrays
    random = np.random.default_rng(0)
    while True:
        order = random.permutation(count).astype(np.int32)
        jax.block_until_ready(program(arrays, order))
        yield count


def torch_passes(file: Path, size: int) -> Iterator[int]:
    """Yields the number of images after each pass."""
    import torch

    inputs, targets = _arrays(file)
    yield 0
    data = torch.utils.data.TensorDataset(torch.from_numpy(inputs), torch.from_numpy(targets))
    loader = torch.utils.data.DataLoader(data, BATCH, shuffle=True)
    while True:
        yield sum(len(labels) for _, labels in loader)


def tf_passes(file: Path, size: int) -> Iterator[int]:
    """Yields the number of images after each pass."""
    import tensorflow as tf

    inputs, targets = _arrays(file)
    yield 0
    data = tf.data.Dataset.from_tensor_slices((inputs, targets)).shuffle(len(inputs)).batch(BATCH)
    data = data.prefetch(tf.data.AUTOTUNE)
    while True:
        yield sum(len(labels) for _, labels in data)


PASSES = {"jaxdl": jaxdl_passes, "torch": torch_passes, "tf.data": tf_passes}
