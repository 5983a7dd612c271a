"""What is imported when: in a process of its own, where nothing is there yet."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import sys

planned, imported = [], []
sys.addaudithook(lambda event, given: planned and event == "import" and imported.append(given[0]))

import jaxdl
from tests.experiments.twins import twin

recipe = jaxdl.replace(twin("digits_mlp"), {"training.epochs": 1})
space = {"learning_rate": [1e-3, 1e-2, 1e-1]}
found = jaxdl.sweep(recipe, space, sweep_dir=sys.argv[1], notify=planned.append)
assert len(planned) == 1 and len(found.trials) == 3
print(" ".join(imported))
"""


@pytest.mark.slow
def test_trials_import_nothing_at_the_same_time(tmp_path: Path) -> None:
    given = [sys.executable, "-c", CODE, str(tmp_path / "s")]
    done = subprocess.run(given, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    imported = {name.partition(".")[0] for name in done.stdout.split()}
    assert "sklearn" in imported, "the hook has seen what the report needs"
    assert not imported & {"optuna", "sqlalchemy", "alembic", "orbax", "tensorstore", "tensorboard"}
