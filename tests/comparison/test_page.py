"""The page of a comparison."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import jaxdl
from jaxdl.comparison.tables import html_text
from tests.comparison.made import made


class Texts(HTMLParser):
    """The tags and texts of a page; it fails for tags that are not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attributes: object) -> None:
        self.seen.append(tag)
        if tag not in ("meta", "path", "use"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("path", "use"):
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
    assert headings == ["Results", "What differs", "Learning curves", "Runs"]
    assert text.count("<svg") == 2 and 'aria-label="validation/accuracy by epoch: ' in text
    assert "note=&lt;b&gt;&amp;" in text and "<b>" not in text
    assert "left out: failed" in text and not re.search(r"(src|href)=\"http", text)


def test_runs_that_differ_in_their_seeds_alone_say_so(tmp_path: Path) -> None:
    for seed in range(2):
        made(tmp_path / f"a{seed}", seed=seed)
    assert "The runs differ in nothing but their seeds." in html_text(jaxdl.compare(tmp_path))


def test_with_many_recipes_the_first_are_drawn_and_the_others_said(tmp_path: Path) -> None:
    for number in range(10):
        made(tmp_path / str(number), curve=(0.5,), changes={"optimizer": {"learning_rate": number / 10}})
    assert "The first 8 recipes; 2 more are in the table." in html_text(jaxdl.compare(tmp_path))
