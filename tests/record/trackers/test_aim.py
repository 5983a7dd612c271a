"""Aim takes a run: read back with its own library, after it was indexed, as its page does it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
GIVE = "from pathlib import Path; from tests.record.trackers.given import give; assert give('aim', Path('run')) == []"
READ = """
import json, aim
from aim.storage.context import Context
run, = aim.Repo.from_path('.').iter_runs()
losses = run.get_metric('loss', Context({'subset': 'train'})).data.items_list()
print(json.dumps([run.name, run.experiment, run['recipe'], run['status'], losses[0], losses[1][0]]))
nothing = Context({})
shown = [run.get_image_sequence("hooks/picture", nothing), run.get_image_sequence("hooks/colours", nothing)]
shown += [run.get_distribution_sequence("hooks/weights", nothing), run.get_text_sequence("hooks/note", nothing)]
print([each.data.items_list()[0] for each in shown])
"""

pytestmark = pytest.mark.slow


def test_a_run_is_there_with_its_recipe_figures_and_pictures(tmp_path: Path) -> None:
    aim = pytest.importorskip("aim", reason="Aim: extra aim")
    aim.Repo.from_path(str(tmp_path), init=True)
    environment = os.environ | {"AIM_REPO": str(tmp_path), "PYTHONPATH": str(ROOT)}

    def run(*command: str, given: str = "") -> str:
        done = subprocess.run(command, cwd=tmp_path, env=environment, input=given, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run(sys.executable, "-c", GIVE)
    run(str(Path(sys.executable).with_name("aim")), "storage", "--repo", str(tmp_path), "reindex", given="y\n")
    first, second = run(sys.executable, "-c", READ).splitlines()
    name, experiment, recipe, status, steps, values = json.loads(first)
    assert (name, experiment, status) == ("run", "digits", "completed")
    assert recipe["optimizer.learning_rate"] == 0.001 and recipe["model.features"] == [128, 64]
    assert steps == [10, 20, 30] and values == [1.0, 0.5, pytest.approx(1 / 3)]
    assert second == "[[20], [20], [20], [20]]"
