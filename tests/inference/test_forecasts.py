"""Forecasts for the rows of a series, from a file and from Python."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import jaxdl
from jaxdl.cli import inference
from jaxdl.cli.options import Options
from jaxdl.errors import UserError
from jaxdl.inference import read_examples

TEMPERATURES = np.round(10 + 5 * np.sin(np.arange(200) / 8) + np.random.default_rng(0).normal(size=200), 2)
WIND = np.round(np.random.default_rng(1).gamma(2, size=200), 2)
WINDOW = 8


def rows(first: int, last: int) -> pd.DataFrame:
    dates = pd.date_range("2020-01-01", periods=200).date
    frame = pd.DataFrame({"date": dates, "wind": WIND, "temperature": TEMPERATURES})
    return frame.iloc[first:last].reset_index(drop=True)


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("series")
    rows(0, 200).to_csv(folder / "rows.csv", index=False)
    fields = {
        "time": "date",
        "window": WINDOW,
        "horizon": 2,
        "columns": ("temperature", "wind"),
        "gaps": "skip",
        "season": 7,
    }
    experiment = jaxdl.Experiment(
        name="forecast",
        data=jaxdl.Series(str(folder / "rows.csv"), column="temperature", **fields),
        model=jaxdl.MLP(features=(4,)),
        objective=jaxdl.MeanSquaredError(),
        optimizer=jaxdl.Adam(learning_rate=1e-2),
        training=jaxdl.Training(epochs=1, batch_size=32),
        metrics=("mean_absolute_error", "root_mean_squared_error"),
    )
    jaxdl.train(experiment, run_dir=folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def model(run_dir: Path) -> jaxdl.TrainedModel:
    return jaxdl.load_run(run_dir)


def quiet(line: str) -> None:
    """Says nothing."""


def test_the_errors_of_naive_forecasts_stand_in_the_summary_and_the_report(run_dir: Path) -> None:
    summary = json.loads((run_dir / "summary.json").read_text())
    errors, baselines = summary["metrics"], summary["data"]["baselines"]
    assert errors["test/root_mean_squared_error"] > errors["test/mean_absolute_error"]
    ahead = np.stack([TEMPERATURES[160:199], TEMPERATURES[161:]], 1)
    last = TEMPERATURES[159:198, None]
    found = baselines["the last value"]["test/mean_absolute_error"]
    assert found == pytest.approx(np.abs(ahead - last).mean(), rel=1e-5)
    assert set(baselines) == {"the last value", "the value 7 rows before"}
    assert "baseline: the last value" in (run_dir / "report.html").read_text()
    again = jaxdl.evaluate(run_dir, notify=quiet)
    assert again["metrics"]["test/mean_absolute_error"] == errors["test/mean_absolute_error"]


def test_columns_by_name_give_the_forecast_of_each_window_and_the_last_is_what_comes_next(model) -> None:
    given = rows(100, 130)
    columns = np.stack([TEMPERATURES, WIND], 1).astype(np.float32)[100:130]
    windows = np.stack([columns[row : row + WINDOW] for row in range(30 - WINDOW + 1)])
    expected = model.predict(windows)
    assert expected.shape == (23, 2)
    np.testing.assert_array_equal(model.predict(given), expected)
    last = {"wind": WIND[130 - WINDOW : 130], "temperature": TEMPERATURES[130 - WINDOW : 130]}
    np.testing.assert_allclose(model.predict(last, notify=quiet), expected[-1:], rtol=1e-5)


def test_a_file_gives_a_row_for_each_window(run_dir: Path, model, tmp_path: Path) -> None:
    rows(50, 60).to_csv(tmp_path / "new.csv", index=False)
    options = Options(run_dir=str(run_dir), input=str(tmp_path / "new.csv"), output=str(tmp_path / "out.csv"))
    assert inference.predict(options, model.experiment, (), 0.0) == 0
    with open(tmp_path / "out.csv", newline="") as file:
        found = list(csv.reader(file))
    assert found[0] == ["file", "prediction_0", "prediction_1"]
    assert [row[0] for row in found[1:]] == [f"new.csv after 2020-02-{day}" for day in (27, 28, 29)]
    np.testing.assert_allclose(np.array([row[1:] for row in found[1:]], float), model.predict(rows(50, 60)), rtol=1e-4)


def test_windows_across_a_gap_are_left_out_and_said(run_dir: Path, tmp_path: Path) -> None:
    given = rows(50, 80).drop(index=15)
    given.to_csv(tmp_path / "new.csv", index=False)
    lines: list[str] = []
    names, inputs, _ = read_examples(tmp_path / "new.csv", jaxdl.load_run(run_dir).spec, lines.append)
    assert len(inputs) == len(names) == (15 - WINDOW + 1) + (14 - WINDOW + 1)
    assert lines == [f"{tmp_path}/new.csv: 7 of 22 windows hold a gap; left out."]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.head(5), r"new\.csv has 5 rows, and a forecast of this model needs the last 8"),
        (lambda frame: frame.drop(columns="wind"), r"the inputs of the model: .*no column 'wind'"),
        (lambda frame: frame.iloc[::-1], r"new\.csv, row 2, column 'date': .* sort the rows by time"),
        (lambda frame: frame.assign(wind=["x", *frame["wind"][1:]]), r"row 1, column 'wind': 'x' is no number"),
        (lambda frame: frame.iloc[::3], r"every window of 8 rows holds a gap"),
    ],
)
def test_rows_that_give_no_forecast_are_refused(model, tmp_path: Path, change, message) -> None:
    change(rows(0, 30)).to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(UserError, match=message):
        read_examples(tmp_path / "new.csv", model.spec, quiet)


def test_rows_without_times_are_taken_as_regular_and_that_is_said(model) -> None:
    lines: list[str] = []
    model.predict(rows(0, 10).drop(columns="date"), notify=lines.append)
    assert lines == ["inputs has no column 'date', by which gaps are found: its rows are taken as regular."]
