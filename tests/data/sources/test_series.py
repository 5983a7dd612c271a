"""Series of files: read as NumPy reads them, cut by time, and every fault named with file and row."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

import jaxdl
from jaxdl.data import DATA, Series
from jaxdl.errors import UserError

START = datetime.date(2020, 1, 1)


def quiet(line: str) -> None:
    """Says nothing."""


def days(count: int, without: tuple[int, ...] = ()) -> list[str]:
    return [str(START + datetime.timedelta(day)) for day in range(count) if day not in without]


def values(count: int) -> np.ndarray:
    return np.round(10 + np.random.default_rng(0).normal(size=count).cumsum(), 3)


def written(path: Path, **columns) -> Path:
    rows = zip(*columns.values(), strict=True)
    path.write_text("\n".join(",".join(map(str, row)) for row in [list(columns), *rows]) + "\n")
    return path


@pytest.fixture
def daily(tmp_path: Path) -> Path:
    numbers = values(100)
    return written(tmp_path / "daily.csv", date=days(100), load=numbers * 2 + 1, price=numbers)


def test_a_name_makes_it() -> None:
    assert DATA.make("series:a/b.csv") == Series("a/b.csv")
    assert DATA.name_of(Series("a")) == "series"


def test_windows_of_the_column_and_what_follows(daily: Path) -> None:
    lines: list[str] = []
    dataset = Series(str(daily), window=5, validation=0.1, test=0.2).load(None, lines.append)
    assert lines == [f"series:{daily}: 'price' is predicted from 'price'; 'date' says when."]
    price = values(100).astype(np.float32)
    for name, first, last in (("train", 5, 72), ("validation", 72, 80), ("test", 80, 100)):
        split = dataset.splits[name]
        np.testing.assert_array_equal(split["targets"], price[first:last])
        windows = np.lib.stride_tricks.sliding_window_view(price, 5)[first - 5 : last - 5]
        np.testing.assert_array_equal(split["inputs"][..., 0], windows)
    assert dataset.spec.windows is not None
    assert (dataset.spec.windows.time, dataset.spec.windows.unit) == ("date", "microseconds")


def test_columns_are_inputs_in_their_order(daily: Path) -> None:
    source = Series(str(daily), column="price", columns=("price", "load"), time="date", window=4, horizon=2)
    dataset = source.load(None, quiet)
    inputs = dataset.splits["test"]["inputs"]
    np.testing.assert_allclose(inputs[..., 1], 2 * inputs[..., 0] + 1, rtol=1e-5)
    assert [column.name for column in dataset.spec.columns] == ["price", "load"]
    assert dataset.spec.input_shape == (4, 2)
    standard = dataset.spec.preprocess(dataset.splits["train"]["inputs"])
    np.testing.assert_allclose(standard[..., 0], standard[..., 1], atol=1e-4)


def test_parquet_and_tsv_are_the_same_as_csv(daily: Path, tmp_path: Path) -> None:
    dates = [START + datetime.timedelta(day) for day in range(100)]
    table = pa.table({"date": dates, "price": values(100)})
    pyarrow.parquet.write_table(table, tmp_path / "daily.parquet")
    (tmp_path / "daily.tsv").write_text(daily.read_text().replace(",", "\t"))
    found = [Series(str(tmp_path / f"daily{kind}")).load(None, quiet) for kind in (".csv", ".tsv", ".parquet")]
    assert len({dataset.fingerprint for dataset in found}) == 1


def test_gaps_are_refused_skipped_or_ignored(tmp_path: Path) -> None:
    path = written(tmp_path / "gaps.csv", date=days(62, without=(20, 21)), price=values(60))
    with pytest.raises(UserError, match=r"gaps\.csv, row 21, column 'date': 2020-01-23 is 3 days after 2020-01-20, .*"):
        Series(str(path), window=5).load(None, quiet)
    lines: list[str] = []
    dataset = Series(str(path), window=5, gaps="skip", validation=0).load(None, lines.append)
    assert f"series:{path}: 5 of 55 windows hold a gap; they are left out." in lines
    price = values(60).astype(np.float32)
    kept = [row for row in range(5, 48) if not row - 5 < 20 <= row]
    np.testing.assert_array_equal(dataset.splits["train"]["targets"], price[kept])
    everything = Series(str(path), window=5, gaps="ignore", validation=0).load(None, quiet)
    np.testing.assert_array_equal(everything.splits["train"]["targets"], price[5:48])


def test_a_missing_value_is_refused_or_its_windows_left_out(tmp_path: Path) -> None:
    numbers = ["" if row == 30 else value for row, value in enumerate(values(60))]
    path = written(tmp_path / "holes.csv", date=days(60), price=numbers)
    for gaps in ("refuse", "ignore"):
        with pytest.raises(UserError, match=r"holes\.csv, row 31, column 'price': the value is missing.*skip"):
            Series(str(path), window=5, gaps=gaps).load(None, quiet)
    dataset = Series(str(path), window=5, gaps="skip", validation=0).load(None, quiet)
    assert np.isfinite(dataset.splits["train"]["inputs"]).all()
    assert len(dataset.splits["train"]["inputs"]) == 48 - 5 - 6


@pytest.mark.parametrize(
    ("columns", "fields", "message"),
    [
        ({"date": [*days(9), days(9)[8]]}, {}, r"bad\.csv, row 10, column 'date': the time 2020-01-09 is that of the"),
        ({"date": [days(9)[8], *days(9)]}, {}, r"bad\.csv, row 2, column 'date': .* sort the rows by time"),
        ({"price": [1, 2, "three", *range(7)]}, {}, r"bad\.csv, row 3, column 'price': 'three' is no number"),
        ({"price": [1, "inf", *range(8)]}, {}, r"bad\.csv, row 2, column 'price': inf is infinite"),
        ({}, {"window": 20}, r"bad\.csv has 10 rows, but a window of 20 and 1 to predict need 21: lower data\.window"),
        ({}, {"window": 8, "test": 0.5}, r"no window of 8 with 1 to predict is left for train"),
        ({}, {"column": "prise"}, r"data\.column: .*bad\.csv has no column 'prise'. Did you mean 'price'\?"),
        ({}, {"columns": ("prise",)}, r"data\.columns: .*no column 'prise'"),
        ({}, {"columns": ("price", "price")}, r"data\.columns: 'price' is named twice"),
        ({}, {"time": "day"}, r"data\.time: .*no column 'day'"),
        (
            {},
            {"column": "price", "time": "price"},
            r"data\.time=price: the column of times is neither an input nor predicted",
        ),
        ({}, {"column": "date", "time": "price"}, r"column 'price' holds double, such as .*, no times"),
        ({"date": ["?"] * 10}, {"time": "date"}, r"bad\.csv, row 1, column 'date': the time is missing"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_row(tmp_path: Path, columns, fields, message) -> None:
    given = {"date": days(10), "price": values(10), **columns}
    path = written(tmp_path / "bad.csv", **given)
    with pytest.raises(UserError, match=message):
        Series(str(path), **{"window": 2, **fields}).load(None, quiet)


def test_no_file_no_path_or_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no series is given"):
        Series("").load(None, quiet)
    with pytest.raises(UserError, match="there is no table"):
        Series(str(tmp_path / "no.csv")).load(None, quiet)
    with pytest.raises(UserError, match="is a folder; a series is one file"):
        Series(str(tmp_path)).load(None, quiet)


def test_a_generated_series_stands_in_where_the_recipe_allows_it(tmp_path: Path) -> None:
    lines: list[str] = []
    source = Series(str(tmp_path / "no.csv"), window=12, season=7, fallback="embedded")
    dataset = source.load(None, lines.append)
    assert dataset.substituted
    assert (dataset.used, dataset.requested) == ("sine", source.requested)
    assert "STAND-IN DATA" in lines[0]
    assert dataset.spec.input_shape == (12, 1)


def recipe(path: Path) -> jaxdl.Experiment:
    return jaxdl.Experiment(
        name="forecast",
        data=Series(str(path), column="price", time="date", window=6, season=7),
        model=jaxdl.MLP(features=(4,)),
        objective=jaxdl.MeanSquaredError(),
        optimizer=jaxdl.Adam(learning_rate=1e-2),
        training=jaxdl.Training(epochs=1, batch_size=32),
        metrics=("mean_absolute_error", "root_mean_squared_error"),
    )


def test_it_can_be_looked_at(daily: Path) -> None:
    look = jaxdl.look_at_data(recipe(daily), notify=quiet)
    assert look.found.features[0].name == "price"
    assert "baseline: the last value" in look.html


def test_a_constant_column_is_reported(tmp_path: Path) -> None:
    path = written(tmp_path / "flat.csv", date=days(60), price=values(60), flat=[3] * 60)
    source = Series(str(path), column="price", columns=("price", "flat"), window=4)
    experiment = jaxdl.replace(recipe(path), {"data": source})
    assert any(
        "constant in train: flat" in line for line in jaxdl.look_at_data(experiment, notify=quiet).found.warnings
    )
