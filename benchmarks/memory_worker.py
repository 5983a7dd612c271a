"""Trains one epoch with all of MNIST in memory as bytes, and measures the accuracy on test.

    python -m benchmarks.memory_worker FRAMEWORK WORKLOAD FOLDER

| framework | what it is |
|---|---|
| ``torch`` | a loop over tensors of bytes; each batch becomes float32 where it is taken |
| ``keras-tensorflow`` | ``fit`` on arrays of bytes, with a `Rescaling` layer in front of the network |
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from benchmarks import data
from benchmarks.workloads import WORKLOADS

_EVAL_BATCH = 500


def torch_epoch(workload: str, folder: Path) -> float:
    """Returns PyTorch's accuracy on test after an epoch."""
    import torch
    from torch import nn

    from benchmarks.frameworks.torch_ import as_network_takes, network_of, optimizer_of
    from benchmarks.workloads import Conv

    recipe = WORKLOADS[workload]
    torch.manual_seed(0)
    (inputs, labels), test = (tuple(map(torch.from_numpy, data.load(folder, split))) for split in ("train", "test"))
    network = network_of(recipe)
    if isinstance(recipe.layers[0], Conv):
        network = network.to(memory_format=torch.channels_last)
    steps = len(labels) // recipe.batch_size
    optimizer, schedule = optimizer_of(network, recipe, steps)
    for batch in torch.randperm(len(labels))[: steps * recipe.batch_size].split(recipe.batch_size):
        outputs = network(as_network_takes(inputs[batch].float() / 255, recipe))
        loss = nn.functional.cross_entropy(outputs, labels[batch].long())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if schedule is not None:
            schedule.step()
    network.eval()
    with torch.inference_mode():
        right = sum(
            int((network(as_network_takes(x.float() / 255, recipe)).argmax(-1) == y).sum())
            for x, y in zip(*(each.split(_EVAL_BATCH) for each in test), strict=True)
        )
    return right / len(test[1])


def keras_epoch(workload: str, folder: Path) -> float:
    """Returns the accuracy of Keras on TensorFlow on test after an epoch."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras

    from benchmarks.frameworks.keras_ import network_of, optimizer_of

    recipe = WORKLOADS[workload]
    keras.utils.set_random_seed(0)
    (inputs, labels), (test_inputs, test_labels) = (data.load(folder, split) for split in ("train", "test"))
    given = keras.Input(recipe.input_shape, dtype="uint8")
    network = keras.Model(given, network_of(keras, recipe)(keras.layers.Rescaling(1 / 255)(given)))
    network.compile(
        optimizer=optimizer_of(keras, recipe, -(-len(labels) // recipe.batch_size)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=16,
    )
    network.fit(inputs, labels, batch_size=recipe.batch_size, epochs=1, verbose=0)
    return float(network.evaluate(test_inputs, test_labels, batch_size=_EVAL_BATCH, verbose=0)[1])


EPOCHS = {"torch": torch_epoch, "keras-tensorflow": keras_epoch}


def main(framework: str, workload: str, folder: str) -> int:
    """Trains; what did not learn is no training, and its memory no figure."""
    accuracy = EPOCHS[framework](workload, Path(folder))
    print(accuracy)
    return 0 if accuracy > 0.9 else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
