"""The parts of a page, read back by an HTML parser of the standard library."""

from __future__ import annotations

import html.parser

from jaxdl.report.page import escaped, in_words, page, pairs, plotted, section, table, titled

HOSTILE = "</td><script>alert('x')</script>\"&"


class Cells(html.parser.HTMLParser):
    """Collects the tags, and the text and classes of the cells of each row."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[str] = []
        self.rows: list[list[tuple[str, str | None]]] = []
        self._in_cell = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        self._in_cell = tag in ("td", "th")
        if self._in_cell:
            self.rows[-1].append(("", dict(attributes).get("class")))

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = False

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            text, kind = self.rows[-1][-1]
            self.rows[-1][-1] = (text + data, kind)


def test_a_page_has_its_title_and_leaves_empty_sections_out() -> None:
    text = page(HOSTILE, ["<h2>One</h2>", "", "<h2>Two</h2>"])
    assert text.startswith("<!DOCTYPE html>") and text.endswith("</html>\n")
    assert f"<title>{escaped(HOSTILE)}</title>" in text and "<script" not in text
    assert "<h2>One</h2>\n<h2>Two</h2>" in text


def test_a_table_sets_numbers_flush_right_and_shows_texts_as_they_are() -> None:
    cells = Cells(table(["name", "count"], [[HOSTILE, "3"], ["b", "4"]], numbers=[1]))
    assert cells.rows == [
        [("name", None), ("count", "number")],
        [(HOSTILE, None), ("3", "number")],
        [("b", None), ("4", "number")],
    ]
    assert "script" not in cells.tags


def test_pairs_are_names_with_values_in_words() -> None:
    assert pairs({}) == ""
    cells = Cells(pairs({"features": [32, 64], HOSTILE: None}))
    assert cells.rows == [[("features", None), ("32, 64", "value")], [(HOSTILE, None), ("none", "value")]]


def test_json_values_are_put_in_words() -> None:
    values = [True, False, None, [], [1, [2, None]], {"jax": "0.10", "ok": True}, 0.5, "text"]
    assert [in_words(value) for value in values] == [
        *("yes", "no", "none", "none", "1, 2, none", "jax 0.10, ok yes", "0.5", "text")
    ]


def test_a_section_without_content_is_nothing() -> None:
    assert section("Data", "") == ""
    assert section("a < b", "<p></p>") == "<h2>a &lt; b</h2>\n<p></p>"


def test_a_plot_has_its_title_with_the_data_it_was_measured_on() -> None:
    assert titled("loss", "digits") == "loss, digits" and titled("loss", "") == "loss"
    shown = plotted(titled("a < b", "digits"), "<svg></svg>")
    assert shown == "<figure><figcaption>a &lt; b, digits</figcaption><svg></svg></figure>"
