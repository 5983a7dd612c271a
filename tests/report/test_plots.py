"""Plots leave the user's own Matplotlib alone."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import jaxdl.errors
from jaxdl.report.plots import learning_curve

ROOT = Path(jaxdl.errors.__file__).parents[1]


def run(text: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_matplotlib_comes_with_the_first_plot_and_without_pyplot() -> None:
    out = run("""
        import sys
        import jaxdl.report
        print("matplotlib" in sys.modules)
        from jaxdl.report.plots import learning_curve
        learning_curve("loss", {"train": ([1, 2], [0.5, 0.25])})
        print("matplotlib" in sys.modules, "matplotlib.pyplot" in sys.modules)
    """)
    assert out.split() == ["False", "True", "False"]


def test_the_users_settings_neither_change_the_plot_nor_are_changed(tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 17\nsvg.fonttype: path\naxes.facecolor: red\n")
    drawn = run(
        """
        import matplotlib
        from jaxdl.report.plots import learning_curve
        before = dict(matplotlib.rcParams)
        svg = learning_curve("loss", {"train": ([1, 2], [0.5, 0.25])})
        assert dict(matplotlib.rcParams) == before
        print(svg, end="")
        """,
        MATPLOTLIBRC=str(tmp_path / "matplotlibrc"),
    )
    assert drawn == learning_curve("loss", {"train": ([1, 2], [0.5, 0.25])})


def test_a_home_that_is_not_writable_is_no_matter(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    text = """
        import sys
        from jaxdl.report.plots import learning_curve
        sys.stdout = sys.stderr
        assert "<svg" in learning_curve("loss", {"train": ([1, 2], [2.0, 1.0])})
    """
    home = {"HOME": str(tmp_path / "file"), "XDG_CONFIG_HOME": "", "XDG_CACHE_HOME": "", "PYTHONPATH": str(ROOT)}
    environment = {name: value for name, value in os.environ.items() if name != "MPLCONFIGDIR"} | home
    command = [sys.executable, "-c", textwrap.dedent(text)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
