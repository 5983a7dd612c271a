"""Each experiment: its resolved config is the one on file, its twin learns, its page says what it should."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

import jaxdl
from jaxdl.experiment.config import from_config, to_config
from tests.experiments.twins import EXPERIMENTS, FIGURES, TWINS, twin

NAMES = sorted(path.stem for path in EXPERIMENTS.glob("*.py"))
GOLDEN = Path(__file__).resolve().parent / "golden"


def test_every_experiment_has_a_twin() -> None:
    assert sorted(TWINS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_resolved_config_is_the_one_on_file(name: str) -> None:
    """A change of any default shows here; `python -m tests.experiments.write_golden` writes the files anew."""
    experiment = jaxdl.load_experiment(name, EXPERIMENTS)
    golden = json.loads((GOLDEN / f"{name}.json").read_text())
    assert to_config(experiment) == golden
    assert from_config(golden, experiment) == experiment


@pytest.mark.parametrize("name", NAMES)
def test_the_docstring_gives_command_source_and_measured_result(name: str) -> None:
    docstring = ast.get_docstring(ast.parse((EXPERIMENTS / f"{name}.py").read_text()))
    assert docstring is not None
    assert f"python launch.py --experiment={name}" in docstring
    assert "Recipe:" in docstring
    assert "Expected" in docstring
    assert "measured" in docstring
    assert "EXPECT_" not in docstring


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "digits_cnn" else pytest.mark.slow) for name in NAMES]
)
def test_the_twin_learns(name: str, tmp_path: Path) -> None:
    summary = jaxdl.train(twin(name), run_dir=tmp_path / "run", data_dir=tmp_path)
    assert summary["status"] == "completed"
    assert summary["metrics"][f"test/{FIGURES.get(name, 'accuracy')}"] > TWINS[name][1]
    assert summary["experiment"] == name
