"""The tables of a sweep: written as files, and escaped for the language of each."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pyarrow.parquet

import jaxdl
from jaxdl.sweeps.api import make_definition
from jaxdl.sweeps.results.display import print_results
from jaxdl.sweeps.results.report import render
from jaxdl.sweeps.results.results import SweepResults
from jaxdl.sweeps.results.tables import csv_text, group_table, latex_table, markdown_table, write_tables
from jaxdl.sweeps.selection import Selection
from jaxdl.sweeps.space.reading import make_space
from jaxdl.sweeps.trials.trial import Outcome, Trial
from tests.sweeps.small import RECIPE


def test_the_files_hold_the_trials_and_the_statistics_over_seeds(done: jaxdl.SweepResults) -> None:
    with open(done.sweep_dir / "results.csv") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["optimizer.learning_rate"]) for row in rows] == [1e-3] * 3 + [1e-2] * 3
    assert [float(row["value"]) for row in rows] == [trial.objective for trial in done.trials]
    columns = pyarrow.parquet.read_table(done.sweep_dir / "results.parquet").to_pydict()
    assert columns["seed"] == [0, 1, 2] * 2
    assert columns["value"] == [trial.objective for trial in done.trials]
    table = (done.sweep_dir / "results.md").read_text()
    assert "| learning_rate | trials | validation/accuracy, mean |" in table and "| digits |" in table
    assert r"\toprule" in (done.sweep_dir / "results.tex").read_text()


def made(folder: Path) -> SweepResults:
    """Returns made-up results of two optimizers with two sizes each and two seeds, one of which failed."""
    fields = {"optimizer": "adam,sgd", "model.features": "(8),(16,8)", "seed": "0:2"}
    definition = make_definition(RECIPE, make_space(RECIPE, fields))
    trials = []
    for number, values in enumerate(definition.space.grid()):
        outcome = Outcome("completed", 0.5 + number / 100, {"test/loss": float(number)}, data="digits")
        if number == 7:
            outcome = Outcome("failed", reason="diverged, at step 7")
        trials.append(Trial(number, values, outcome.state, 1, outcome))  # type: ignore[arg-type]
    return SweepResults(definition, folder, "completed", trials)


def test_the_front_is_marked_and_the_best_ones_test_figure_follows_the_choice(tmp_path: Path) -> None:
    fields = {"model.features": "(8),(16),(32)", "seed": "0:2"}
    selection = Selection(sweep_objective="validation/accuracy,parameters")
    definition = make_definition(RECIPE, make_space(RECIPE, fields), selection)
    accuracy = {(8,): 0.7, (16,): 0.9, (32,): 0.8}
    trials = []
    for number, values in enumerate(definition.space.grid()):
        features, seed = values["model.features"], values["seed"]
        metrics = {"validation/accuracy": accuracy[features] + seed / 100, "test/accuracy": 0.5 + seed / 10}
        costs = {"parameters": features[0] * 75.0, "steps": 10.0, "examples_per_second": 1000.0}
        outcome = Outcome("completed", metrics["validation/accuracy"], metrics, data="digits", costs=costs)
        trials.append(Trial(number, values, "completed", 1, outcome))
    results = SweepResults(definition, tmp_path, "completed", trials)
    # 32 features are beaten by 16, which are better and fewer; 8 are worse, but the fewest.
    assert [group.values["model.features"] for group in results.front] == [(16,), (8,)]
    head, rows = group_table(results)
    assert head[-3:] == ["parameters", "front", "measured on"]
    assert [row[-3:-1] for row in rows] == [["1,200", "yes"], ["2,400", ""], ["600", "yes"]]
    text = io.StringIO()
    print_results(results, "", text)
    # Student's t for two seeds: 12.706 * 0.00707 / sqrt(2).
    assert "validation/accuracy 0.9050 ± 0.06353 over 2 seeds" in text.getvalue()
    assert "test/accuracy 0.5500 ± 0.6353 over 2 seeds, measured after the choice" in text.getvalue()
    assert "trials 2, 0: no other is better in validation/accuracy and parameters" in text.getvalue()
    assert "If all 3 combinations were equally good" in text.getvalue()
    page = render(results, [])
    assert "Front" in page and "Against luck" in page and "test/accuracy, measured after the choice" in page
    row = results.rows[0]
    assert (row["parameters"], row["steps"], row["examples_per_second"]) == (600.0, 10.0, 1000.0)


def test_what_is_no_number_stands_as_text_and_what_is_missing_is_empty(tmp_path: Path) -> None:
    rows = list(csv.DictReader(csv_text(made(tmp_path)).splitlines()))
    assert [row["model.features"] for row in rows[:4]] == ["8", "8", "16,8", "16,8"]
    assert (rows[7]["value"], rows[7]["reason"], rows[7]["test/loss"]) == ("", "diverged, at step 7", "")
    write_tables(made(tmp_path))
    columns = pyarrow.parquet.read_table(tmp_path / "results.parquet").to_pydict()
    assert columns["model.features"] == [row["model.features"] for row in rows]
    assert columns["test/loss"] == [*map(float, range(7)), None]


def test_combinations_without_all_their_seeds_come_last_and_say_so(tmp_path: Path) -> None:
    head, rows = group_table(made(tmp_path))
    assert head == [
        *("optimizer", "features", "learning_rate", "schedule"),
        *("trials", "validation/accuracy, mean", "std", "95 % interval", "measured on"),
    ]
    assert rows[0] == ["sgd", "8", "0.01", "constant", "2", "0.5450", "0.007071", "± 0.06353", "digits"]
    assert [row[4] for row in rows] == ["2", "2", "2", "1 of 2"]
    assert rows[3] == ["sgd", "16,8", "0.01", "constant", "1 of 2", "0.5600", "", "", "digits"]


def test_what_an_optimizer_changes_besides_its_name_stands_beside_it(tmp_path: Path) -> None:
    results = made(tmp_path)
    rows = list(csv.DictReader(csv_text(results).splitlines()))
    rates = {row["optimizer"]: (row["optimizer.learning_rate"], row["optimizer.schedule"]) for row in rows}
    assert rates == {"adam": ("0.003", "cosine"), "sgd": ("0.01", "constant")}
    text = io.StringIO()
    print_results(results, "", text)
    shown = text.getvalue()
    assert "schedu" in shown and re.search(r"sgd +8 +0\.01 +const", shown)
    page = render(results, [])
    assert page.count(">cosine<") >= 4 and page.count(">constant<") >= 4


def test_a_sweep_without_trials_has_tables_without_rows(tmp_path: Path) -> None:
    empty = SweepResults(made(tmp_path).definition, tmp_path, "running", [])
    write_tables(empty)
    assert csv_text(empty).strip() == "" and group_table(empty)[1] == []


def test_tables_escape_what_their_languages_take_for_markup() -> None:
    assert markdown_table(["a|b"], [["c"]]) == "| a\\|b |\n| --- |\n| c |\n"
    assert r"50 \% \& x\_1 \textbackslash{} $\pm$" in latex_table(["h"], [["50 % & x_1 \\ ±"]])
