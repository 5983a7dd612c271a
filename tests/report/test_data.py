"""The page about a data set."""

from __future__ import annotations

import io

import numpy as np
from rich.console import Console

from jaxdl.report.data import data_lines, data_page, numbers, pictures


def page(**parts: object) -> str:
    empty: dict[str, object] = {
        "title": "a set",
        "facts": {},
        "warnings": [],
        "balance": [],
        "splits": [],
        "statistics": {},
        "examples": {},
    }
    return data_page(**{**empty, **parts})  # type: ignore[arg-type]


def test_a_page_without_doubts_says_so() -> None:
    assert "Nothing was found." in page()
    assert "<li>a &lt;doubt&gt;</li>" in page(warnings=["a <doubt>"])


def test_long_tables_are_cut_and_say_how_much_is_missing() -> None:
    balance = [(f"class {n}", n, 1) for n in range(130)]
    html = page(
        balance=balance, splits=["train", "test"], statistics={"inputs": [("a", 0.0, 0.5, 0.25, 1.0, 0.125)] * 101}
    )
    assert "class 99" in html
    assert "class 100<" not in html
    assert "and 30 more" in html
    assert "and 1 more" in html
    assert "12.5%" in html
    stream = io.StringIO()
    Console(file=stream, width=80).print(data_lines({"examples": "3"}, balance, ["train", "test"]))
    assert "and 30 more" in stream.getvalue()


def test_a_table_of_many_values_is_cut() -> None:
    html = numbers(np.ones((2, 150)), ["x", "y"], [f"v{n}" for n in range(150)])
    assert "v99" in html
    assert "v100" not in html
    assert "and 50 more values" in html


def test_pictures_out_of_range_are_clipped_and_nan_is_black() -> None:
    html = pictures(np.array([[[[np.nan], [-1.0]], [[2.0], [1.0]]]]), ["one"])
    assert html.count("<img") == 1
    assert 'alt="one"' in html
