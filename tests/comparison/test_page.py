"""The page of a comparison."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

import jaxdl
from jaxdl.comparison.tables import html_text
from tests.browser import barriers, opened, too_wide
from tests.comparison.made import made, made_page


class Texts(HTMLParser):
    """The tags and texts of a page; it fails for tags that are not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attributes: object) -> None:
        self.seen.append(tag)
        if tag not in ("meta", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_it_has_the_table_what_differs_the_curves_and_the_runs(tmp_path: Path) -> None:
    for seed in range(2):
        made(tmp_path / f"a{seed}", seed=seed, curve=(0.5, 0.7))
        made(tmp_path / f"b{seed}", seed=seed, curve=(0.6, 0.8 + seed / 10), changes={"model": {"note": "<b>&"}})
    made(tmp_path / "c", status="failed")
    text = html_text(jaxdl.compare(tmp_path))
    parser = Texts()
    parser.feed(text)
    assert not parser.open
    headings = re.findall(r"<h2>([^<]*)</h2>", text)
    assert headings == ["Results", "Learning curves", "What differs", "Other figures", "Time and size", "Runs"]
    assert "note=&lt;b&gt;&amp;" in text and "<b>" not in text
    assert "left out: failed" in text and not re.search(r"(src|href)=\"http", text)
    assert "with two, the interval is 12.7 times the standard error" in text
    content = json.loads(re.findall(r'id="curve-data">(.*)</script>', text)[0])
    first, second = content["figures"]["validation/accuracy"]
    assert first["epoch"] == [1, 2] and first["mean"] == [0.5, 0.7] and first["low"] == [0.5, 0.7]
    low, high = stats.t.interval(0.95, 1, 0.85, stats.sem([0.8, 0.9]))
    assert [second["low"][1], second["high"][1]] == pytest.approx([low, high], rel=1e-5)
    assert content["groups"][1]["name"] == "note=<b>&"


def test_runs_that_differ_in_their_seeds_alone_say_so(tmp_path: Path) -> None:
    for seed in range(2):
        made(tmp_path / f"a{seed}", seed=seed)
    text = html_text(jaxdl.compare(tmp_path))
    assert "The runs differ in nothing but their seeds." in text and "seeds in common" not in text


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (400, True)])
def test_in_a_browser_everyone_can_use_it(tmp_path: Path, browser: Any, width: int, dark: bool) -> None:
    with opened(browser, made_page(tmp_path), width=width, dark=dark) as page:
        page.wait_for_selector(".chart svg")
        page.get_by_text("1 figure").click()
        assert not too_wide(page) and not barriers(page)


def test_in_a_browser_an_interval_is_drawn_whole(tmp_path: Path, browser: Any) -> None:
    with opened(browser, made_page(tmp_path), width=400) as page:
        size = page.locator(".interval").first.bounding_box()
        assert (size["width"], size["height"]) == (180, 18)


def test_many_runs_are_listed_when_asked_for(tmp_path: Path) -> None:
    for seed in range(21):
        made(tmp_path / str(seed), seed=seed)
    assert "<details><summary>21 runs</summary>" in html_text(jaxdl.compare(tmp_path))
