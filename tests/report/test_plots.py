"""Plots leave the user's own Matplotlib alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import jaxdl.errors

ROOT = Path(jaxdl.errors.__file__).parents[1]
DRAW = """
from jaxdl.report.plots import drawing, svg
with drawing() as Figure:
    figure = Figure()
    figure.add_subplot().plot([1, 2], [0.5, 0.25])
    drawn = svg(figure, "loss")
"""


def run(text: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", text],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_matplotlib_comes_with_the_first_plot_and_without_pyplot() -> None:
    loaded = 'print("matplotlib" in sys.modules, "matplotlib.pyplot" in sys.modules)'
    out = run(f"import sys\nimport jaxdl.report\n{loaded}\n{DRAW}{loaded}")
    assert out.split() == ["False", "False", "True", "False"]


def test_the_users_settings_neither_change_the_plot_nor_are_changed(tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 17\nsvg.fonttype: path\naxes.facecolor: red\n")
    text = (
        "import matplotlib\nbefore = dict(matplotlib.rcParams)\n"
        f'{DRAW}assert dict(matplotlib.rcParams) == before\nprint(drawn, end="")'
    )
    assert run(text, MATPLOTLIBRC=str(tmp_path / "matplotlibrc")) == run(f'{DRAW}print(drawn, end="")')


def test_colours_are_the_pages_and_names_are_the_drawings_own() -> None:
    drawn = run(f'{DRAW}print(drawn, end="")'.replace("0.25]", "0.25], color='#010203'"))
    assert 'aria-label="loss"' in drawn and "var(--ink)" in drawn and "#010203" not in drawn
    assert all(name.startswith("p") for name in re.findall(r'id="([^"]*)"', drawn))


def test_a_home_that_is_not_writable_is_no_matter(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    text = f'import sys\n{DRAW}sys.stdout = sys.stderr\nassert "<svg" in drawn'
    home = {"HOME": str(tmp_path / "file"), "XDG_CONFIG_HOME": "", "XDG_CACHE_HOME": "", "PYTHONPATH": str(ROOT)}
    environment = {name: value for name, value in os.environ.items() if name != "MPLCONFIGDIR"} | home
    command = [sys.executable, "-c", text]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
