"""Measures how fast a CSV of numbers is read: jaxdl, pandas with two engines, and tf.data, in turns.

    python -m benchmarks.tables [--rows=1000000] [--rounds=5] [--tensorflow=PYTHON] [--note=TEXT]

The file has 10 columns of normally distributed numbers with all their digits, about 196 bytes a row. Every measurement
is a process of its own, from the file (in the system's cache after the first round, which is not counted) to inputs
(rows, 9) float32 and targets (rows,) float32; imports are not measured. The order turns from round to round. All must
read the same numbers. ``PYTHON`` is an interpreter with TensorFlow; without one, tf.data is left out.

Prints median [smallest, largest] of the wall and the CPU time, and the median of the ratios of wall times within a
round (above 1: jaxdl is faster); writes tables.json.

Exit status: 0; 1 if a reader failed or read other numbers; 2 for bad input.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine
from benchmarks.process import ROOT
from benchmarks.summary import OURS, ratios, spread
from benchmarks.table_readers import READERS, TARGET
from jaxdl.record.provenance import versions

COLUMNS = 10


def write(path: Path, rows: int) -> None:
    """Writes the table."""
    import pyarrow as pa
    from pyarrow import csv

    random = np.random.default_rng(0)
    columns = {f"x{index}": random.normal(size=rows) for index in range(COLUMNS - 1)}
    columns[TARGET] = sum(columns.values()) + random.normal(size=rows)
    csv.write_csv(pa.table(columns), str(path))


def measure(python: str, name: str, path: Path) -> dict[str, Any]:
    """Reads the table in a new process and returns its figures.

    Raises:
        RuntimeError: it failed.
    """
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    command = [python, "-m", "benchmarks.table_readers", name, str(path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{name}: {(done.stderr.strip().splitlines() or [f'status {done.returncode}'])[-1]}")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def check_alike(figures: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises `RuntimeError` unless all have read the same numbers, up to the rounding of a parser."""
    ours = figures[OURS]
    for name, other in figures.items():
        if other["shape"] != ours["shape"] or not np.allclose(other["sums"], ours["sums"], rtol=1e-5, atol=1e-2):
            raise RuntimeError(f"{name} read {other['shape']} with sums {other['sums']}, not {ours}.")


def summarise(rounds: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Returns for each reader the spreads of its times, and of its wall time over jaxdl's in the same round."""
    summary: dict[str, dict[str, Any]] = {}
    for name in rounds[0]:
        walls, ours = ({number: one[of]["wall"] for number, one in enumerate(rounds)} for of in (name, OURS))
        summary[name] = {
            "wall": spread(walls.values()),
            "cpu": spread(one[name]["cpu"] for one in rounds),
            "over_ours": ratios(walls, ours),
        }
    return summary


def table(summary: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns a line for each reader."""
    lines = [f"{'':<18}{'wall, s':>24}{'CPU, s':>24}{'wall over jaxdl':>24}"]
    for name, found in summary.items():
        words = (f"{f['median']:.2f} [{f['min']:.2f}, {f['max']:.2f}]" for f in found.values())
        lines.append(f"{name:<18}" + "".join(f"{each:>24}" for each in words))
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Measures, prints the table and writes tables.json; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tensorflow", default="", help="an interpreter with TensorFlow")
    parser.add_argument("--note", default="", help="said in tables.json, such as that the machine was shared")
    parser.add_argument("--output", type=Path, default=Path("runs/benchmarks"), help="folder of tables.json")
    options = parser.parse_args(arguments)
    if options.rows < 1 or options.rounds < 1:
        parser.error("--rows and --rounds must be at least 1")
    pythons = {name: options.tensorflow if name == "tf.data" else sys.executable for name in READERS}
    names = [name for name, python in pythons.items() if python]
    rounds: list[dict[str, dict[str, Any]]] = []
    with tempfile.TemporaryDirectory(prefix="jaxdl-tables-") as folder:
        path = Path(folder) / "rows.csv"
        write(path, options.rows)
        size = path.stat().st_size
        try:
            for number in range(options.rounds + 1):
                turned = names[number % len(names) :] + names[: number % len(names)]
                figures = {name: measure(pythons[name], name, path) for name in turned}
                check_alike(figures)
                print(f"[{number}/{options.rounds}]", end=" ", flush=True)
                if number:  # the first one brings the file into the cache
                    rounds.append({name: figures[name] for name in names})
        except (OSError, RuntimeError) as error:
            print(f"\nbenchmarks.tables: {error}", file=sys.stderr)
            return 1
    summary = summarise(rounds)
    print("\n" + table(summary))
    results = {
        "commit": machine.commit(ROOT),
        "machine": machine.describe(),
        "note": options.note,
        "versions": dict(versions()) | {k: v for figures in rounds[0].values() for k, v in figures["versions"].items()},
        "rows": options.rows,
        "bytes": size,
        "summary": summary,
        "rounds": rounds,
    }
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "tables.json").write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
