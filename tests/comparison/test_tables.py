"""A comparison as text, by the ending of its file."""

from __future__ import annotations

import csv
import shutil
import subprocess
from pathlib import Path

import pytest

import jaxdl
from jaxdl.comparison.tables import cells, latex_text, markdown_text, write
from tests.comparison.made import made


@pytest.fixture
def found(tmp_path: Path) -> jaxdl.Comparison:
    for seed, (one, other) in enumerate([(0.90, 0.95), (0.92, 0.94)]):
        made(tmp_path / f"a{seed}", accuracy=one, seed=seed)
        made(tmp_path / f"b{seed}", accuracy=other, seed=seed, changes={"data": {"path_": "50%_&_{x}"}})
    return jaxdl.compare(tmp_path, metrics=["test/accuracy"])


def test_a_row_has_mean_interval_difference_and_p_value(found: jaxdl.Comparison) -> None:
    assert cells(found, found.groups[0]) == ["digits", "2", "0.9100 ± 0.1271"]
    assert cells(found, found.groups[1]) == ["path_=50%_&_{x}", "2", "0.9450 ± 0.06353 (+0.035, p = 0.26)"]


def test_markdown_and_latex_have_the_same_cells_with_their_signs_escaped(found: jaxdl.Comparison) -> None:
    assert "| digits | 2 | 0.9100 ± 0.1271 |\n" in markdown_text(found)
    latex = latex_text(found)
    assert r"path\_=50\%\_\&\_\{x\} & 2 & 0.9450 $\pm$ 0.06353 (+0.035, p = 0.26) \\" in latex
    rows = [line for line in latex.splitlines() if line.endswith(r"\\")]
    assert {line.replace(r"\&", "").count("&") for line in rows} == {2}
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 1


def test_the_kind_of_a_file_follows_from_its_ending(found: jaxdl.Comparison, tmp_path: Path) -> None:
    for ending in ("html", "csv", "md", "tex"):
        write(found, tmp_path / f"out.{ending}")
    with (tmp_path / "out.csv").open() as file:
        first, second = csv.DictReader(file)
    assert float(second["test/accuracy"]) == pytest.approx(0.945) and first["test/accuracy p"] == ""
    assert (tmp_path / "out.html").read_text().startswith("<!DOCTYPE html>")
    with pytest.raises(jaxdl.UserError, match=r"the ending must be one of \.html, \.csv, \.md, \.tex"):
        write(found, tmp_path / "out.xls")


def test_further_figures_are_in_the_csv_and_pairs_are_counted(tmp_path: Path) -> None:
    for seed in range(3):
        made(tmp_path / f"a{seed}", seed=seed)
        made(tmp_path / f"b{seed}", seed=seed + 1, accuracy=0.95, changes={"model": {"dropout": 0.5}})
    found = jaxdl.compare(tmp_path)
    write(found, tmp_path / "out.csv")
    with (tmp_path / "out.csv").open() as file:
        _, second = csv.DictReader(file)
    assert float(second["validation/accuracy"]) == pytest.approx(0.85) and second["test/accuracy pairs"] == "2"
    assert ", 2 in common)" in cells(found, found.groups[1])[2]


@pytest.mark.slow
def test_latex_compiles_by_itself_and_as_a_part_of_a_document(tmp_path: Path) -> None:
    program = shutil.which("pdflatex")
    if program is None:
        pytest.skip("no LaTeX here (Debian: apt-get install texlive-latex-base)")
    for seed, (one, other) in enumerate([(0.95, 0.90), (0.94, 0.92)]):
        odd = '50%_&_{x} ~^\\ <|> "# ü → 中 -0.5'
        made(tmp_path / f"a{seed}", accuracy=one, seed=seed)
        made(tmp_path / f"b{seed}", accuracy=other, seed=seed, changes={"data": {"path_": odd}})
    write(jaxdl.compare(tmp_path), tmp_path / "table.tex")
    paper = r"\documentclass{article}\begin{document}before \input{table} after\end{document}"
    (tmp_path / "paper.tex").write_text(paper)
    for name in ("table", "paper"):
        given = [program, "-halt-on-error", "-interaction=nonstopmode", name]
        done = subprocess.run(given, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:]
        assert "Output written" in done.stdout
