"""What ``--help`` prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jaxdl.cli.commands import COMMANDS
from jaxdl.cli.help import help_text
from jaxdl.cli.options import option_fields
from tests.cli.launched import launch
from tests.cli.test_flags import recipe


def test_help_lists_the_fields_of_an_experiment(tmp_path: Path) -> None:
    done = launch(tmp_path, "--experiment=mnist_cnn", "--help")
    assert done.returncode == 0
    for flag in ("--optimizer.learning_rate=float", "--model.features=int,...", "--platform=", "--mode=train|eval"):
        assert flag in done.stdout


def test_help_names_every_field_with_type_default_and_meaning() -> None:
    text = " ".join(help_text(recipe(), "launch.py", 60).split())
    assert "--optimizer.learning_rate=float (--learning_rate)" in text
    assert "size of a step, before the schedule's factor [0.001, traced]" in text
    assert "--model.features=int,..." in text
    assert "--optimizer=sgd|" in text
    assert "--data.fallback=embedded|none" in text


def test_without_an_experiment_it_lists_every_option_and_mode_and_says_how_to_see_fields() -> None:
    text = help_text(None, "launch.py", 80)
    assert text.startswith("usage: python launch.py --experiment=NAME")
    assert re.findall(r"^  --(\w+)=", text, re.MULTILINE) == list(option_fields())
    assert re.findall(r"^        (\w+): ", text, re.MULTILINE) == list(COMMANDS)
    assert text.endswith("--experiment=NAME --help lists that experiment's fields; --list prints the experiments.")


@pytest.mark.parametrize("width", [60, 100])
def test_text_is_wrapped_at_the_width(width: int) -> None:
    meanings = [line for line in help_text(recipe(), "launch.py", width).splitlines() if line.startswith(" " * 6)]
    assert max(len(line) for line in meanings if len(line.split()) > 1) <= width
    assert max(map(len, meanings)) > width - 10


def test_only_a_last_name_that_one_field_has_is_offered_for_its_path() -> None:
    text = help_text(recipe(), "launch.py", 80)
    assert "(--epochs)" in text and "--training.final=" in text and "(--final)" not in text
