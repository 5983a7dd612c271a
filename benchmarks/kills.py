"""Stops small trainings again and again, and compares each with one that was not stopped, to the bit.

    python -m benchmarks.kills [--kills=200] [--output=DIR]

The recipes are those of ``tests/trained.py``: twins of mnist_cnn and mnist_rnn, and a residual network with batch
statistics, early stopping and the best state at the end. Exit status: 0; 1 if any bit differs; 2 for bad input.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import jaxdl
from tests.trained import RECIPES


def main(arguments: list[str]) -> int:
    """Runs all recipes; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="how often each recipe is stopped (200)")
    parser.add_argument("--output", type=Path, default=Path("runs/kills"), help="folder of the runs and proofs")
    options = parser.parse_args(arguments)
    identical = True
    for name in RECIPES:
        command = [sys.executable, "-m", "tests.trained", name]
        try:
            proof = jaxdl.verify_resume(command, options.output / name, options.kills, notify=_overwrite)
        except jaxdl.UserError as error:
            print(f"benchmarks.kills: {error}", file=sys.stderr)
            return 2
        print(f"\n{name}: {proof.text()}", flush=True)
        identical &= proof.identical
    return 0 if identical else 1


def _overwrite(line: str) -> None:
    print(f"\r{line:<40}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
