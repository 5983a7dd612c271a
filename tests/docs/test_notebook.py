"""The notebook in docs/ runs from its first cell to its last, and shows what its text says."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import ROOT

nbformat = pytest.importorskip("nbformat", reason="needs Jupyter: pip install -c constraints.txt -e '.[test]'")


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[list[Any]]:
    """What each cell of the tutorial shows, run in an empty folder."""
    from nbclient import NotebookClient

    folder = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.read(ROOT / "docs" / "tutorial.ipynb", as_version=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("JAX_PLATFORMS", "cpu")
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
        resources = {"metadata": {"path": str(folder)}}
        NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources).execute()
    return [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]


def shown(outputs: list[Any], kind: str) -> str:
    return "\n".join(each["data"][kind] for each in outputs if kind in each.get("data", {}))


def said(outputs: list[Any], stream: str) -> str:
    return "".join(each["text"] for each in outputs if each.get("name") == stream)


@pytest.mark.slow
def test_the_tutorial_runs_and_shows_what_it_says(outputs: list[list[Any]]) -> None:
    data, fitted, history, curves, mistakes, finished, diverged, sweep, fields, kept = outputs
    assert shown(data, "text/plain") == "((1400, 8, 8), (1400,))"
    assert 'value="700" max="700"' in shown(fitted, "text/html") and "Learning curves" in shown(fitted, "text/html")
    assert all(float(each) > 0.9 for each in re.findall(r"\d\.\d+", shown(history, "text/plain")))
    for each in (curves, mistakes, fields):
        assert len(shown(each, "image/png")) > 5000
    (row,) = re.findall(r"<td>top_two</td>(.*?)</tr>", shown(finished, "text/html"))
    assert all(float(each) > 0.97 for each in re.findall(r">([\d.]+)<", row))
    assert "diverged at step" in said(diverged, "stdout")
    assert "sweep of digits" in shown(sweep, "text/html") and "6 completed" in shown(sweep, "text/html")
    predicted, true = re.findall(r"\[[\d, ]+\]", shown(kept, "text/plain"))
    assert len(predicted) == len(true)
    assert [said(each, "stderr") for each in outputs] == [""] * len(outputs)


def test_it_is_kept_without_outputs() -> None:
    notebook = nbformat.read(ROOT / "docs" / "tutorial.ipynb", as_version=4)
    assert all(not cell.outputs and cell.execution_count is None for cell in notebook.cells if cell.cell_type == "code")
