"""Reads one table in one way, in a process of its own: ``python -m benchmarks.table_readers NAME FILE``.

Prints a JSON object: seconds of wall and of CPU time after the imports, and the sums of what was read.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

TARGET = "y"
_PACKAGES = ("pandas", "pyarrow", "tensorflow")
# (rows, columns) float32 inputs and (rows,) float32 targets.
Arrays = tuple[np.ndarray, np.ndarray]
Read = Callable[[str], Arrays]


def jaxdl_reader() -> Read:
    """jaxdl's reader: the file to checked inputs and targets."""
    from jaxdl.data.columns import encode
    from jaxdl.data.spec import Column
    from jaxdl.data.tables import read_table
    from jaxdl.data.targets import targets_of

    def read(path: str) -> Arrays:
        frame = read_table(Path(path))
        columns = [Column(name) for name in frame.arrays if name != TARGET]
        return encode(frame, columns, fill=False).inputs, targets_of(frame, TARGET, ())

    return read


def jaxdl_load() -> Read:
    """All of ``Table.load``: also kinds of columns, fingerprint, means and deviations."""
    from jaxdl.data import Table

    def read(path: str) -> Arrays:
        train = Table(path, validation=0, test=0).load(None, lambda line: None).splits["train"]
        return train["inputs"], train["targets"]

    return read


def pandas_reader(engine: str) -> Read:
    """``pandas.read_csv`` with an engine, and its numbers in 32 bits."""
    import pandas

    def read(path: str) -> Arrays:
        frame: Any = pandas.read_csv(path, engine=engine)
        return frame.drop(columns=TARGET).to_numpy(np.float32), frame[TARGET].to_numpy(np.float32)

    return read


def tensorflow_reader() -> Read:
    """``tf.data.experimental.make_csv_dataset`` with the types of the columns, in batches of 10,000 rows."""
    import tensorflow as tf

    def read(path: str) -> Arrays:
        with open(path, encoding="utf-8") as file:
            columns = len(file.readline().split(","))
        batches = tf.data.experimental.make_csv_dataset(
            path, 10_000, label_name=TARGET, column_defaults=[0.0] * columns, num_epochs=1, shuffle=False
        )
        parts = [(np.stack([x.numpy() for x in row.values()], 1), target.numpy()) for row, target in batches]
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])

    return read


READERS: dict[str, Callable[[], Read]] = {
    "jaxdl": jaxdl_reader,
    "jaxdl.Table.load": jaxdl_load,
    "pandas pyarrow": lambda: pandas_reader("pyarrow"),
    "pandas c": lambda: pandas_reader("c"),
    "tf.data": tensorflow_reader,
}


def main(name: str, path: str) -> None:
    """Reads the file and prints the figures."""
    for module in ("pyarrow.compute", "pyarrow.csv") if name != "tf.data" else ():
        importlib.import_module(module)  # which the readers do at their first use
    read = READERS[name]()
    wall, cpu = time.perf_counter(), time.process_time()
    inputs, targets = read(path)
    seconds = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    sums = [float(inputs.sum(dtype=np.float64)), float(targets.sum(dtype=np.float64))]
    packages = {package: importlib.metadata.version(package) for package in _PACKAGES if package in sys.modules}
    print(json.dumps({**seconds, "sums": sums, "shape": list(inputs.shape), "versions": packages}))


if __name__ == "__main__":
    main(*sys.argv[1:])
