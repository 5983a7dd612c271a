"""One framework reads a folder of JPEGs: batches of 32 in a new order in each pass, as uint8 or float32, with labels.

    python -m benchmarks.image_worker FRAMEWORK FOLDER SIZE PASSES

FOLDER may be an ``.npz`` of images in the place of a folder, see `benchmarks.array_passes`. Prints JSON: the seconds
of each pass, the seconds that cores worked for it, and the number of pictures. Importing is not counted, starting
threads or processes and listing the folder is. It runs on all cores that the process may use.

| framework | what it is |
|---|---|
| ``jaxdl`` | `jaxdl.Folder`; batches are gathered on the device, as in a training; its cache folder is new |
| ``torch`` | torchvision's `ImageFolder`, with Pillow's draft (scaled decoding); `DataLoader`, a process a core |
| ``tf.data`` | `decode_jpeg` with its ratio (scaled decoding), `resize`, `cache` in memory, `shuffle` |
| ``keras`` | `image_dataset_from_directory`, `cache` in memory, `shuffle` |
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import array_passes

BATCH = 32
# One pass over all pictures: returns how many there were.
Pass = Callable[[], int]


def jaxdl_passes(folder: Path, size: int) -> Iterator[int]:
    """Yields the number of pictures after each pass."""
    import jax
    import jax.numpy as jnp
    import numpy as np
    from PIL import Image, ImageOps  # noqa: F401  (imported before the clock starts, as by the others)

    import jaxdl
    from jaxdl.data.resident import put_on_device

    jaxdl.configure(compilation_cache=False)
    gather = jax.jit(lambda arrays, rows: {key: array[rows] for key, array in arrays.items()})
    count = len(list(folder.glob("*/*.jpg")))
    shapes = {"inputs": ((count, size, size, 3), jnp.uint8), "targets": ((count,), jnp.int32)}
    empty = {key: jnp.zeros(shape, dtype) for key, (shape, dtype) in shapes.items()}
    for rows in {min(BATCH, count), count % BATCH} - {0}:  # compiled before the clock starts, as part of a train step
        gather(empty, jnp.zeros(rows, jnp.int32))
    yield 0
    os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(dir=folder.parent)
    data = jaxdl.Folder(str(folder), size=size, validation=0.0, test=0.0)
    arrays = put_on_device(data.load(notify=lambda line: None)).arrays
    random = np.random.default_rng(0)
    while True:
        order = random.permutation(count)
        for start in range(0, count, BATCH):
            batch = gather(arrays, order[start : start + BATCH])
        jax.block_until_ready(batch)
        yield count


def torch_passes(folder: Path, size: int) -> Iterator[int]:
    """Yields the number of pictures after each pass."""
    import torch
    from PIL import Image
    from torchvision import datasets, transforms

    def drafted(path: str) -> Any:
        with Image.open(path) as image:
            image.draft("RGB", (size, size))
            return image.convert("RGB")

    yield 0
    transform = transforms.Compose([transforms.Resize((size, size)), transforms.PILToTensor()])
    cores = len(os.sched_getaffinity(0))
    data = datasets.ImageFolder(str(folder), transform, loader=drafted)
    loader = torch.utils.data.DataLoader(data, BATCH, shuffle=True, num_workers=cores, persistent_workers=True)
    while True:
        yield sum(len(labels) for _, labels in loader)


def tf_passes(folder: Path, size: int) -> Iterator[int]:
    """Yields the number of pictures after each pass."""
    import tensorflow as tf
    from PIL import Image

    yield 0
    files = sorted(folder.glob("*/*.jpg"))
    names = sorted(path.name for path in folder.iterdir())
    with Image.open(files[0]) as image:
        most = min(image.size) // size
    ratio = max(each for each in (1, 2, 4, 8) if each <= max(1, most))

    def decode(path: Any, label: Any) -> tuple[Any, Any]:
        image = tf.image.decode_jpeg(tf.io.read_file(path), channels=3, ratio=ratio)
        if most > 1:
            image = tf.cast(tf.image.resize(image, (size, size)), tf.uint8)
        return image, label

    pairs = [str(path) for path in files], [names.index(path.parent.name) for path in files]
    data = tf.data.Dataset.from_tensor_slices(pairs).map(decode, num_parallel_calls=tf.data.AUTOTUNE).cache()
    data = data.shuffle(len(files)).batch(BATCH).prefetch(tf.data.AUTOTUNE)
    while True:
        yield sum(len(labels) for _, labels in data)


def keras_passes(folder: Path, size: int) -> Iterator[int]:
    """Yields the number of pictures after each pass."""
    import keras
    import tensorflow as tf

    yield 0
    count = len(list(folder.glob("*/*.jpg")))
    data = keras.utils.image_dataset_from_directory(
        str(folder), image_size=(size, size), batch_size=None, shuffle=False, verbose=False
    )
    # With its own batches and shuffling before the cache, each pass would give the same batches in the same order.
    data = data.cache().shuffle(count).batch(BATCH).prefetch(tf.data.AUTOTUNE)
    while True:
        yield sum(len(labels) for _, labels in data)


PASSES = {"jaxdl": jaxdl_passes, "torch": torch_passes, "tf.data": tf_passes, "keras": keras_passes}


def core_seconds() -> float:
    """Returns for how long cores have worked for this process and for its living children, such as a loader's."""
    ticks = 0
    children = [path.read_text().split() for path in Path("/proc/self/task").glob("*/children")]
    for process in ("self", *(child for each in children for child in each)):
        fields = Path("/proc", process, "stat").read_text().rpartition(") ")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def main(arguments: list[str]) -> int:
    """Runs the passes and prints their seconds."""
    framework, folder, size, passes = arguments
    passes_of = array_passes.PASSES if Path(folder).is_file() else PASSES
    reading = passes_of[framework](Path(folder), int(size))
    next(reading)  # imports
    seconds, worked, counts = [], [], set[int]()
    for _ in range(int(passes)):
        begin, before = time.perf_counter(), core_seconds()
        counts.add(next(reading))
        seconds.append(time.perf_counter() - begin)
        worked.append(core_seconds() - before)
    (count,) = counts
    print(json.dumps({"seconds": seconds, "core_seconds": worked, "pictures": count}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
