"""Training speed of the Tree-LSTM of `sst_tree`, beside PyTorch's recursion one tree at a time.

    python -m benchmarks.trees TRAIN_FILE [--python=torch=PATH] [--rounds=3] [--output=FILE]

Each framework trains the same model with the same sizes, optimizer and batch size in a process of its own, in turns, on
the same cores, in an order that changes from round to round; see `tree_worker` for how each is set up. TRAIN_FILE holds
trees in brackets, one a line, such as ``train.txt`` of the Stanford Sentiment Treebank; without it, generated trees of
digits are taken.

Prints the median of trees per second, and of trees per second that a core worked, which other processes on the machine
change little, each with the median over rounds of jaxdl's speed divided by the other's. Writes all figures with the
machine. A framework that is not installed in its Python is left out, with the reason.

Exit status: 0; 1 if jaxdl failed; 2 for bad input.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jaxdl
from benchmarks.process import ROOT, run
from benchmarks.tree_worker import FRAMEWORKS
from benchmarks.turns import Figures, Turns, parser_of
from jaxdl.data.trees.encoding import brackets
from jaxdl.experiment.config import to_config

# Batches that are timed: jaxdl's take a small part of the time of the others'.
_BATCHES = {"jaxdl": 150, "torch": 10}
_LIMIT = 600.0


def recipe(experiment: jaxdl.Experiment, spec: jaxdl.Spec) -> dict[str, Any]:
    """Returns what both frameworks need of an experiment with a Tree-LSTM and Adam, for JSON."""
    model: Any = experiment.model
    optimizer: Any = experiment.optimizer
    return {
        "config": to_config(experiment),
        "features": model.features,
        "embed": model.embed,
        "dropout": model.dropout,
        "learning_rate": optimizer.learning_rate,
        "batch_size": experiment.training.batch_size,
        "vocabulary": spec.vocabulary,
        "outputs": spec.outputs,
    }


def write_trees(file: Path) -> None:
    """Writes generated trees."""
    data = jaxdl.Subtraction(leaves=30, train_examples=2000, validation=0.0).load()
    split, form = data.splits["train"], data.spec.trees
    assert form is not None
    rows = zip(split["inputs"], split["targets"], split["lengths"], strict=True)
    file.write_text("\n".join(brackets(nodes[:n], form, list(map(str, labels[:n]))) for nodes, labels, n in rows))


def measure(framework: str, python: str, file: Path, given: Mapping[str, Any]) -> Figures:
    """Runs one framework once; returns trees per second, or a problem."""
    arguments = [framework, str(file), json.dumps(given), str(_BATCHES[framework])]
    done = run([python, "-m", "benchmarks.tree_worker", *arguments], {"JAX_PLATFORMS": "cpu"}, _LIMIT)
    if done.problem:
        return {"problem": done.problem}
    told = json.loads(done.output.splitlines()[-1])
    return {
        "problem": None,
        "speed": told["trees"] / told["seconds"],
        "of_a_core": told["trees"] / told["core_seconds"],
        "other_cores": done.other_cores,
    }


def table(rounds: Sequence[Mapping[str, Figures]]) -> str:
    """Returns the figures of all rounds by framework, as a table in Markdown."""
    lines = ["| framework | trees a second | trees a second of a core |", "|---|---|---|"]
    for framework in FRAMEWORKS:
        both = [each for each in rounds if {"jaxdl", framework} <= each.keys()]
        cells = []
        for which in ("speed", "of_a_core") if both else ():
            ratio = statistics.median(each["jaxdl"][which] / each[framework][which] for each in both)
            median = statistics.median(each[framework][which] for each in both)
            cells.append(f"{median:,.0f}" + ("" if framework == "jaxdl" else f" ({ratio:.1f})"))
        if cells:
            lines.append(f"| {framework} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints."""
    parser = parser_of(__doc__, "trees.json")
    parser.add_argument("file", type=Path, nargs="?", metavar="TRAIN_FILE")
    options = parser.parse_args(arguments)
    turns, rounds = Turns(parser, options.python, FRAMEWORKS), []
    with tempfile.TemporaryDirectory() as work:
        file = options.file or Path(work) / "trees.txt"
        if options.file is None:
            write_trees(file)
        experiment = jaxdl.load_experiment("sst_tree", ROOT / "experiments")
        spec = jaxdl.Trees(str(file.resolve()), validation=0.0, test=0.0).load(notify=lambda line: None).spec
        given = recipe(experiment, spec)
        for number in range(options.rounds):
            rounds.append(turns.round(number, lambda name, python: measure(name, python, file.resolve(), given)))
            print(f"round {number + 1}: {', '.join(rounds[-1])}", file=sys.stderr)
    return turns.conclude(options.output, rounds, table(rounds), recipe=given)


if __name__ == "__main__":
    sys.exit(main())
