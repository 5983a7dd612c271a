"""Predictions for a digit at a time, or for `batch` of them, beside a bare jitted call, onnxruntime, PyTorch and Keras.

    python -m benchmarks.single [--python=torch=PATH] [--rounds=5] [--calls=2000] [--batch=1] [--output=FILE]

Each framework runs in a process of its own, one after another, on the same cores, in an order that changes from round
to round; see `single_worker` for how each is set up.

Prints for each model the medians over rounds, in microseconds: of the median and the 99th percentile of the calls, and
of the first call after the framework was warmed. Writes all figures with the machine. A framework that is not installed
in its Python is left out, with the reason.

Exit status: 0; 1 if jaxdl failed; 2 for bad input.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks import process
from benchmarks.serving_worker import MODELS
from benchmarks.single_worker import FRAMEWORKS
from benchmarks.turns import Turns, parser_of

_LIMIT = 300.0
_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}


def measure(framework: str, python: str, calls: int, batch: int) -> dict[str, Any]:
    """Returns the figures of both models; ``problem`` is None where all is well."""
    figures: dict[str, Any] = {"problem": None}
    for model in MODELS:
        command = [python, "-m", "benchmarks.single_worker", framework, model, str(calls), str(batch)]
        done = process.run(command, _QUIET, _LIMIT)
        if done.problem:
            return {"problem": done.problem}
        figures |= {f"{model}/{name}": value for name, value in json.loads(done.output.splitlines()[-1]).items()}
        figures["other_cores"] = done.other_cores
    return figures


def table(rounds: Sequence[Mapping[str, Mapping[str, Any]]]) -> str:
    """Returns the medians over rounds in microseconds, a line for each framework."""
    names = [f"{model}/{name}" for model in MODELS for name in ("median", "p99", "first")]
    lines = [f"{'microseconds':<20}" + "".join(f"{name:>13}" for name in names)]
    for framework in FRAMEWORKS:
        own = [found[framework] for found in rounds if framework in found]
        if own:
            medians = (statistics.median(each[name] for each in own) for name in names)
            lines.append(f"{framework:<20}" + "".join(f"{value:>13,.0f}" for value in medians))
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints."""
    parser = parser_of(__doc__, "single.json")
    parser.set_defaults(rounds=5)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=1, help="digits in a call (1)")
    options = parser.parse_args(arguments)
    turns = Turns(parser, options.python, FRAMEWORKS)
    rounds = [
        turns.round(number, lambda framework, python: measure(framework, python, options.calls, options.batch))
        for number in range(options.rounds)
    ]
    return turns.conclude(options.output, rounds, table(rounds), calls=options.calls, batch=options.batch)


if __name__ == "__main__":
    sys.exit(main())
