"""The data of the workloads: MNIST as jaxdl prepares it, and generated sets; stored as ``.npy`` files for all peers.

    python -m benchmarks.data --workload=cnn_64 --folder=DIR [--data_dir=DIR]

A set is one folder with ``{train,test}-{inputs,targets}.npy``. For MNIST, ``train`` has the 55,000 images that jaxdl's
recipes train on, and ``validation`` the other 5,000 of the train split.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np

from benchmarks.workloads import WORKLOADS, Workload

Split = tuple[np.ndarray, np.ndarray]
_SEEDS = {"train": 1, "test": 2}


def folder_of(workload: Workload, work: Path) -> Path:
    """Returns the folder of a workload's set in the work folder; workloads with the same set share it."""
    sizes = "x".join(map(str, (workload.train_examples, workload.test_examples, *workload.input_shape)))
    return work / "data" / f"{workload.data}-{sizes}"


def load(folder: Path, split: str, count: int | None = None) -> Split:
    """Loads inputs (examples, *input_shape) and targets (examples,) int32, or the first `count` of them."""
    inputs, targets = (np.load(folder / f"{split}-{part}.npy") for part in ("inputs", "targets"))
    return inputs[:count], targets[:count]


def as_float(inputs: np.ndarray) -> np.ndarray:
    """Returns the inputs of a network, float32: images in [0, 1], sequences unchanged."""
    return inputs.astype(np.float32) / 255 if inputs.dtype == np.uint8 else inputs


def gratings(count: int, shape: tuple[int, ...], classes: int, seed: int) -> Split:
    """Makes images of stripes in noise; the class is the stripes' direction, evenly spaced over half a turn.

    The phase is random, a light and a dark stripe together are 6 pixels wide, and the noise has a standard deviation of
    a quarter of the stripes' amplitude.

    Returns:
        Images (count, height, width, channels) uint8 and classes (count,) int32.
    """
    random = np.random.RandomState(seed)  # its stream is the same in all versions of NumPy
    targets = random.randint(classes, size=count).astype(np.int32)
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    inputs = np.empty((count, *shape), np.uint8)
    for i, target in enumerate(targets):  # one at a time: all at once in float32 would need gigabytes
        angle = np.pi * target / classes
        along = np.cos(angle) * columns + np.sin(angle) * rows
        stripes = np.sin(2 * np.pi * along / 6 + random.uniform(0, 2 * np.pi))
        noise = random.normal(0, 16, shape)
        inputs[i] = np.clip(128 + 64 * stripes[..., None] + noise, 0, 255)
    return inputs, targets


def waves(count: int, shape: tuple[int, ...], classes: int, seed: int) -> Split:
    """Makes noisy waves; the class is their frequency, from 16 cycles per sequence in steps of 16.

    Each feature is the same wave with a different fixed delay; the phase of a sequence is random, and the noise has a
    standard deviation of 0.25 for waves of amplitude 1.

    Returns:
        Sequences (count, time, features) float32 and classes (count,) int32.
    """
    random = np.random.RandomState(seed)
    time, features = shape
    targets = random.randint(classes, size=count).astype(np.int32)
    turns = 16 * (targets[:, None] + 1) * np.arange(time) / time + random.uniform(size=(count, 1))
    delays = np.arange(features) / features
    inputs = np.sin(2 * np.pi * (turns[:, :, None] + delays)) + random.normal(0, 0.25, (count, time, features))
    return inputs.astype(np.float32), targets


def make(workload: Workload, data_dir: Path | None) -> dict[str, Split]:
    """Generates or loads the splits of a workload.

    Args:
        workload: the workload.
        data_dir: where MNIST is prepared; None: TFDS's own folder.

    Raises:
        jaxdl.UserError: MNIST is not available; no stand-in is used here.
    """
    if workload.data == "mnist":
        import jaxdl

        source = jaxdl.Tfds("mnist", validation=1 / 12, fallback="none")
        splits = source.load(data_dir or jaxdl.default_data_dir(), print).splits
        return {name: (arrays["inputs"], arrays["targets"]) for name, arrays in splits.items()}
    generate = {"gratings": gratings, "waves": waves}[workload.data]
    sizes = {"train": workload.train_examples, "test": workload.test_examples}
    return {n: generate(size, workload.input_shape, workload.classes, _SEEDS[n]) for n, size in sizes.items()}


def write(workload: Workload, folder: Path, data_dir: Path | None) -> None:
    """Writes the set of a workload, whole or not at all; does nothing if it exists."""
    if folder.exists():
        return
    draft = folder.with_name(f"{folder.name}.{os.getpid()}")
    draft.mkdir(parents=True)
    for split, (inputs, targets) in make(workload, data_dir).items():
        np.save(draft / f"{split}-inputs.npy", inputs)
        np.save(draft / f"{split}-targets.npy", targets)
    draft.rename(folder)


def main() -> int:
    """Writes one set, in a separate process, so that the measuring one stays small and imports no framework."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workload", required=True, choices=WORKLOADS)
    parser.add_argument("--folder", required=True, type=Path)
    parser.add_argument("--data_dir", type=Path)
    options = parser.parse_args()
    workload = WORKLOADS[options.workload]
    if workload.data != "mnist":
        write(workload, options.folder, None)
        return 0
    import jaxdl

    try:
        write(workload, options.folder, options.data_dir)
    except jaxdl.UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
