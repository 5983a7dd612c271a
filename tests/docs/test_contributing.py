"""The ways through the code that CONTRIBUTING.md tells are those that the code takes."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import jax
import pytest

import jaxdl
from jaxdl.cli.flags import parse_command_line
from jaxdl.experiment.load import load_data
from tests.test_rooms import ROOMS, ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
EXPERIMENTS = ROOT / "experiments"


def way(title: str) -> list[str]:
    """Returns the files that a section lists, in its order."""
    (section,) = re.findall(rf"^## {title}.*?\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE)
    return re.findall(r"^\d+\. `(jaxdl/[\w/]+\.py)`: ", section, re.MULTILINE)


EXAMPLE, FLAG = way("One example's way"), way("One flag's way")


def entered_by(function: Callable[[], Any]) -> set[str]:
    """Returns the files of the package in which a function is called while another runs."""
    files: set[str] = set()

    def note(frame: FrameType, event: str, argument: object) -> None:
        files.add(frame.f_code.co_filename)

    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
    return {str(Path(file).relative_to(ROOT)) for file in files if file.startswith(str(ROOT / "jaxdl"))}


@pytest.mark.parametrize(("files", "most"), [(EXAMPLE, 15), (FLAG, 8)], ids=["example", "flag"])
def test_a_way_is_short_and_told_in_the_order_of_the_rooms(files: list[str], most: int) -> None:
    assert 5 < len(files) <= most
    assert len(set(files)) == len(files)
    rooms = [ROOMS.index(Path(file).parts[1]) for file in files]
    assert rooms == sorted(rooms)


@pytest.mark.slow
def test_a_flag_takes_its_way() -> None:
    recipe = jaxdl.load_experiment("digits_mlp", EXPERIMENTS)

    def run() -> None:
        _, experiment = parse_command_line(["--learning_rate=3e-3"], recipe)
        assert experiment is not None and experiment.optimizer.learning_rate == 3e-3
        trainer = jaxdl.Trainer(experiment, experiment.data.load(Path(), print))
        assert trainer.hparams()["optimizer.learning_rate"] == pytest.approx(3e-3)
        trainer.advance(trainer.init_state(), 1)

    assert set(FLAG) <= entered_by(run)


@pytest.mark.slow
@pytest.mark.nightly
def test_an_example_takes_its_way(real_data: Path, tmp_path: Path) -> None:
    (tmp_path / "downloads" / "manual").mkdir(parents=True)
    for archive in (real_data / "mnist").glob("*.gz"):
        (tmp_path / "downloads" / "manual" / archive.name).symlink_to(archive)
    recipe = jaxdl.replace(jaxdl.load_experiment("mnist_cnn", EXPERIMENTS), {"augmentation.shift": 1})

    def run() -> None:
        dataset = load_data(recipe, tmp_path, lambda line: None)
        assert dataset.used == "mnist"
        trainer = jaxdl.Trainer(recipe, dataset)
        trainer.feed.order(0)
        jax.block_until_ready(trainer.advance(trainer.init_state(), 1))

    assert set(EXAMPLE) <= entered_by(run)
