"""What is made of the times in which tables are read, and that the readers that are installed read the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.tables import check_alike, main, summarise, table

ROUNDS = [
    {"jaxdl": {"wall": 1.0, "cpu": 1.5}, "pandas c": {"wall": 3.0, "cpu": 2.0}},
    {"jaxdl": {"wall": 2.0, "cpu": 1.0}, "pandas c": {"wall": 2.0, "cpu": 4.0}},
]


def test_ratios_are_those_of_each_round() -> None:
    found = summarise(ROUNDS)
    assert found["pandas c"]["over_ours"] == {"median": 2.0, "min": 1.0, "max": 3.0, "count": 2}
    assert found["pandas c"]["wall"] == {"median": 2.5, "min": 2.0, "max": 3.0, "count": 2}
    assert table(found).splitlines()[2].split()[:6] == ["pandas", "c", "2.50", "[2.00,", "3.00]", "3.00"]


def test_other_numbers_are_noticed() -> None:
    ours = {"shape": [3, 9], "sums": [1.0, 2.0]}
    check_alike({"jaxdl": ours, "pandas c": ours | {"sums": [1.000001, 2.0]}})
    with pytest.raises(RuntimeError, match="pandas c read"):
        check_alike({"jaxdl": ours, "pandas c": ours | {"sums": [1.5, 2.0]}})


@pytest.mark.slow
def test_all_readers_read_the_same_table(tmp_path: Path) -> None:
    assert main(["--rows=2000", "--rounds=1", f"--output={tmp_path}"]) == 0
    results = json.loads((tmp_path / "tables.json").read_text())
    assert list(results["summary"]) == ["jaxdl", "jaxdl.Table.load", "pandas pyarrow", "pandas c"]
    assert {"pandas", "pyarrow"} <= results["versions"].keys()
    assert results["rounds"][0]["jaxdl"]["shape"] == [2000, 9]
