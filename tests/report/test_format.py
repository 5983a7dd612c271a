"""Numbers, times and sizes as a person reads them."""

from __future__ import annotations

import math

from jaxdl.report.format import (
    amount,
    baseline_facts,
    data_used,
    duration,
    figure,
    figures,
    is_number,
    readable_bytes,
    split_metrics,
    without_folders,
)


def test_a_figure_has_four_digits_behind_the_point_or_four_that_count() -> None:
    assert [figure(v) for v in (0.98765, 0.012345, 1234.5, 12.3456, 0.0, 1e-9, 12345, math.nan)] == [
        "0.9877", "0.01235", "1,234", "12.3456", "0", "1e-09", "12,345", "nan",
    ]  # fmt: skip


def test_an_amount_is_whole_or_a_sum_of_weights() -> None:
    assert [amount(v) for v in (0.0, 12345.0, 0.5, 2.126, 1234.1)] == ["0", "12,345", "0.5", "2.13", "1,234.1"]


def test_figures_stand_in_one_line_with_their_names() -> None:
    assert figures({"loss": 0.125, "confusion": [[1]], "a\x1b": 2, "ok": True}) == "loss 0.1250 a\\x1b 2"
    assert [is_number(value) for value in (1, 1.5, math.nan, True, None, [1.0], "1")] == [True] * 3 + [False] * 4


def test_times_are_minutes_and_seconds_or_hours_too() -> None:
    assert [duration(s) for s in (0, 59.6, 61, 3600, 36061, math.nan, -1)] == [
        "0:00", "1:00", "1:01", "1:00:00", "10:01:01", "-:--", "0:00",
    ]  # fmt: skip


def test_sizes_are_readable() -> None:
    assert [readable_bytes(n) for n in (0, 1023, 1024, 1536, 5 * 2**30)] == [
        "0 B", "1023 B", "1.0 KiB", "1.5 KiB", "5.0 GiB",
    ]  # fmt: skip


def test_a_stand_in_is_called_one() -> None:
    assert data_used({"used": "digits", "requested": "digits", "substituted": False}) == "digits"
    assert data_used({"used": "digits", "requested": "mnist", "substituted": True}) == "digits (stand-in for mnist)"
    assert data_used({}) == "unknown"


def test_titles_name_a_file_without_its_folders() -> None:
    names = {
        "series:/data/2026/sales.csv": "series:sales.csv",
        "trees:/data/treebank/": "trees:treebank",
        "csv:sales.csv": "csv:sales.csv",
        "digits (stand-in for mnist)": "digits (stand-in for mnist)",
        "sine (stand-in for series:/data/sales.csv)": "sine (stand-in for series:/data/sales.csv)",
        "emnist/letters:3.1.0": "emnist/letters:3.1.0",
    }
    assert {name: without_folders(name) for name in names} == names
    assert without_folders(", ".join(names)) == ", ".join(names.values())


def test_figures_are_sorted_by_metric_with_the_splits_in_their_order() -> None:
    metrics = {"test/loss": 0.5, "extra/loss": 3, "train/loss": 1.0, "test/confusion": [[1]], "validation/f1": 0.25}
    splits, by_metric = split_metrics(metrics)
    assert splits == ["train", "validation", "test", "extra"]
    assert by_metric == {"loss": {"test": 0.5, "extra": 3, "train": 1.0}, "f1": {"validation": 0.25}}
    assert split_metrics({}) == ([], {})


def test_baselines_are_a_line_each_and_what_a_damaged_file_holds_is_left_out() -> None:
    figures = {"test/loss": 0.5, "validation/loss": 0.25, "test/f1": 0.125, "test/confusion": [[1]]}
    data = {"baselines": {"the last value": figures, "other": 3}}
    assert baseline_facts(data) == {
        "the last value": "test loss 0.5000 f1 0.1250; validation loss 0.2500",
        "other": "",
    }
    assert baseline_facts({}) == baseline_facts({"baselines": [1]}) == {}
