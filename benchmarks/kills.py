"""Stops and resumes small trainings many times, and compares the bits of each with those of an uninterrupted one.

    python -m benchmarks.kills [--kills=200] [--output=DIR]

The recipes are those of ``tests/trained.py``: twins of mnist_cnn and mnist_rnn, and a residual network with batch
statistics, early stopping and the best state at the end. Writes kills.json. Exit status: 0; 1 if any bit differs; 2 for
bad input.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import jaxdl
from benchmarks import machine, process
from jaxdl.record import new_run_dir
from jaxdl.record.provenance import versions
from tests.trained import RECIPES


def main(arguments: list[str]) -> int:
    """Runs all recipes; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="number of stops of each recipe (200)")
    parser.add_argument("--output", type=Path, help="folder of the runs and kills.json (a new one)")
    options = parser.parse_args(arguments)
    folder = options.output or new_run_dir(Path("runs"), "kills")
    proofs: list[dict[str, Any]] = []
    for name in RECIPES:
        command = [sys.executable, "-m", "tests.trained", name]
        try:
            proof = jaxdl.verify_resume(command, folder / name, options.kills, notify=_overwrite)
        except jaxdl.UserError as error:
            print(f"benchmarks.kills: {error}", file=sys.stderr)
            return 2
        print(f"\n{name}: {proof.text()}", flush=True)
        figures = dataclasses.asdict(proof)
        del figures["folder"]
        proofs.append({"recipe": name, **figures})
        _write(folder, proofs)
    return 1 if any(proof["different"] for proof in proofs) else 0


def _write(folder: Path, proofs: list[dict[str, Any]]) -> None:
    results = {
        "commit": machine.commit(process.ROOT),
        "machine": machine.describe(),
        "versions": dict(versions()),
        "recipes": proofs,
    }
    (folder / "kills.json").write_text(json.dumps(results, indent=2) + "\n")


def _overwrite(line: str) -> None:
    print(f"\r{line:<40}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
