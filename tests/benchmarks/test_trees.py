"""What is made of the figures, and that jaxdl's side runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import jaxdl
from benchmarks.process import ROOT
from benchmarks.tree_worker import nested, words
from benchmarks.trees import recipe, table, write_trees
from jaxdl.data.trees.parsing import parse


def test_ratios_are_those_of_each_round() -> None:
    def figures(speed: float, core: float) -> dict[str, float]:
        return {"speed": speed, "of_a_core": core}

    rounds = [
        {"jaxdl": figures(1000, 600), "torch": figures(50, 30)},
        {"jaxdl": figures(3000, 800), "torch": figures(200, 20)},
        {"jaxdl": figures(2000, 700)},
    ]
    assert table(rounds).splitlines()[2:] == ["| jaxdl | 2,000 | 700 |", "| torch | 125 (17.5) | 25 (30.0) |"]


def test_the_worker_reads_trees_as_jaxdl_does() -> None:
    line = "(3 (2 It) (4 (2 is\xa0) (4 GOOD)))"
    tree = nested(line)
    assert tree == ("3", ("2", "It"), ("4", ("2", "is\xa0"), ("4", "GOOD")))
    assert list(words(tree)) == [word.lower() for word in parse(line).words if word is not None]


@pytest.mark.slow
@pytest.mark.nightly
def test_the_recipe_is_that_of_the_experiment_and_jaxdl_trains_it(tmp_path: Path) -> None:
    write_trees(tmp_path / "trees.txt")
    experiment = jaxdl.load_experiment("sst_tree", ROOT / "experiments")
    given = recipe(experiment, jaxdl.Trees(str(tmp_path / "trees.txt")).load().spec)
    assert given["batch_size"] == experiment.training.batch_size
    assert given["outputs"] == 5
    command = [
        sys.executable,
        "-m",
        "benchmarks.tree_worker",
        "jaxdl",
        str(tmp_path / "trees.txt"),
        json.dumps(given),
        "4",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["trees"] == 4 * given["batch_size"]
    assert min(told["seconds"], told["core_seconds"]) > 0
