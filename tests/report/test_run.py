"""The report: one page from the files alone, complete, escaped, and with the stand-in named beside every figure."""

from __future__ import annotations

import html.parser
import math
import re
import xml.etree.ElementTree
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from jaxdl.errors import UserError
from jaxdl.objectives import REPORT_SECTIONS
from jaxdl.record import RunDirectory
from jaxdl.report.run import write_report

CONFUSION = [[8, 1, 1], [0, 9, 1], [2, 0, 0]]
NAMES = ["zero", "one", "two"]


class Page(html.parser.HTMLParser):
    """Collects the elements and the text of a page, and fails where tags are not closed in order."""

    VOID = frozenset({"meta", "br", "hr", "img", "link", "input"})

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self.scripts: list[tuple[str | None, str]] = []
        self._stack: list[str] = []
        self.feed(text)
        self.close()
        assert self._stack == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in self.VOID:
            self._stack.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self._stack and self._stack.pop() == tag

    def handle_data(self, data: str) -> None:
        if "script" in self._stack:
            self.scripts.append((self.elements[-1][1].get("type"), data))
        if {"style", "script"} & {*self._stack}:
            return
        self.text += data
        if self._stack and self._stack[-1] in ("td", "th"):
            self.rows[-1][-1] += data

    def count(self, tag: str) -> int:
        return sum(found == tag for found, _ in self.elements)


def summary(**changes: Any) -> dict[str, Any]:
    return {
        "experiment": "mnist_cnn",
        "status": "completed",
        "step": 30,
        "epoch": 3,
        "metrics": {
            "test/accuracy": 0.98765,
            "test/loss": 0.125,
            "validation/accuracy": 0.5,
            "test/confusion": CONFUSION,
        },
        "data": {
            "requested": "mnist",
            "used": "digits",
            "substituted": True,
            "train_examples": 1437,
            "class_names": NAMES,
            "best_loss": 0.0625,
        },
        "train_examples_per_second": 12345.6,
        "wall_seconds": 62.0,
        "compile_seconds": 2.5,
        "parameters": 1_199_882,
        "params_sha256": "ab" * 32,
        **changes,
    }


def write_run(path: Path, outcome: dict[str, Any] | None, name: str = "mnist_cnn") -> Path:
    with RunDirectory.create(path, name) as run:
        run.write_config({"name": name, "model": {"type": "cnn", "features": [32, 64], "dropout": {"rate": 0.25}}})
        run.write_record(
            {"command": ["launch.py", "--experiment=mnist_cnn"], "versions": {"jax": "0.10.2"}, "git": {"diff": "+a"}}
        )
        for epoch in (1, 2, 3):
            run.log_metrics(10 * epoch, epoch, "train", {"loss": 1 / epoch if epoch != 2 else math.nan})
            run.log_metrics(10 * epoch, epoch, "validation", {"loss": 1 / epoch, "accuracy": 0.5})
        run.log_metrics(30, 3, "test", {"loss": 0.125, "only_in_test": 1.0})
        if outcome is not None:
            run.write_summary(outcome)
    return path


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = write_report(write_run(tmp_path_factory.mktemp("runs") / "run", summary()), REPORT_SECTIONS)
    assert path.name == "report.html"
    yield path.read_text()


def test_the_page_needs_nothing_but_itself(text: str) -> None:
    page = Page(text)
    assert text.startswith("<!DOCTYPE html>")
    assert not {"link", "iframe", "object"} & {tag for tag, _ in page.elements}
    assert all("src" not in attributes for tag, attributes in page.elements if tag == "script")
    without_names = re.sub(r"url\(#|http://www.w3.org/2000/svg|URL\(", "", text)  # a name, no address
    assert "http" not in without_names and "url(" not in without_names and "@import" not in text
    for _, attributes in page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("href", "xlink:href", "src"):
                assert value is not None and (value.startswith("#") or value.startswith("data:image/png;base64,"))
    assert "prefers-color-scheme: dark" in text


def test_the_drawings_are_well_formed_and_no_name_is_taken_twice(text: str) -> None:
    drawings = re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL)
    assert len(drawings) == 3  # loss, accuracy, confusion; what only the test has needs no curve
    for drawing in drawings:
        xml.etree.ElementTree.fromstring(drawing)
        assert not re.search(r"#[0-9a-f]{6}", drawing)  # all colours are the page's, of light and of dark
    names = [a["id"] for _, a in Page(text).elements if a.get("id")]
    assert len(names) == len(set(names))
    for target in re.findall(r'href="#([^")]+)', text):
        assert target in names


def test_the_stand_in_is_named_beside_every_figure(text: str) -> None:
    page = Page(text)
    stand_in = "digits (stand-in for mnist)"
    assert ["accuracy", "0.5000", "0.9877", stand_in] in page.rows
    assert ["loss", "", "0.1250", stand_in] in page.rows
    labels = [a["aria-label"] for tag, a in page.elements if tag == "svg"]
    assert labels == re.findall("<figcaption>(.*?)</figcaption>", text)
    assert labels == [f"loss, {stand_in}", f"accuracy, {stand_in}", f"test confusion, {stand_in}"]
    assert "Not measured on mnist: the stand-in digits was used instead." in page.text


def test_nothing_is_said_of_a_stand_in_where_there_is_none(tmp_path: Path) -> None:
    data = {"requested": "digits", "used": "digits", "substituted": False}
    text = write_report(write_run(tmp_path / "run", summary(data=data)), REPORT_SECTIONS).read_text()
    assert "stand-in" not in text
    assert ["loss", "", "0.1250", "digits"] in Page(text).rows


def test_a_metric_shows_its_own_section_of_its_values_by_split(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", summary())
    asked: list[Any] = []

    def show(values: Mapping[str, Any], data: Mapping[str, Any], plots: bool) -> str:
        asked.append((values, data["class_names"], plots))
        return "<h2>Mine</h2>"

    text = write_report(run, {"accuracy": show, "not_measured": show, "confusion": lambda *_: ""}).read_text()
    assert asked == [({"test": 0.98765, "validation": 0.5}, NAMES, True)]
    assert text.count("<h2>Mine</h2>") == 1 and "Classes" not in text
    write_report(run, {"accuracy": show}, plots=False)
    assert asked[-1][-1] is False


def test_the_figures_of_each_class_are_shown(text: str) -> None:
    page = Page(text)
    assert ["zero", "10", "0.8000", "0.8000", "0.8000"] in page.rows
    # The matrix above the table names what both were measured on.
    assert re.search(r"confusion[^\n]{0,200}digits \(stand-in for mnist\)", page.text, re.IGNORECASE)


def test_the_recipe_and_the_record_are_shown(text: str) -> None:
    page = Page(text)
    for row in (
        ["model", "cnn"],
        ["model.features", "32, 64"],
        ["model.dropout.rate", "0.25"],
        ["versions", "jax 0.10.2"],
        ["versions.jax", "0.10.2"],
        ["parameters", "1,199,882"],
        ["smallest loss that any model can reach", "0.0625"],
    ):
        assert row in page.rows
    assert "launch.py --experiment=mnist_cnn" in page.text
    assert "completed, 1:02 (62.0 s), 2.5 s of it compiling" in page.text


HOSTILE = "</title></svg>--><script>alert('x')</script>\"' onload=x & $\\frac{$"


def test_texts_from_data_are_escaped(tmp_path: Path) -> None:
    data = {"requested": HOSTILE, "used": HOSTILE, "substituted": True, "class_names": [HOSTILE, "_b", "$c"]}
    outcome = summary(experiment=HOSTILE, status=HOSTILE, data=data, metrics={f"test/{HOSTILE}": 1.0})
    outcome["metrics"]["test/confusion"] = CONFUSION
    with RunDirectory.create(tmp_path / "run", HOSTILE) as run:
        run.write_config({"name": HOSTILE, HOSTILE: HOSTILE})
        run.write_record({"command": [HOSTILE], HOSTILE: [HOSTILE], "git": {"diff": HOSTILE}})
        run.log_metrics(1, 1, HOSTILE, {HOSTILE: 1.0})
        run.log_metrics(1, 1, "_hidden", {HOSTILE: 1.0})
        run.write_summary(outcome)
    page = Page(write_report(tmp_path / "run", REPORT_SECTIONS).read_text())
    assert "alert" not in "".join(text for tag, text in page.scripts if tag != "application/json")
    assert page.count("svg") == 2
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert page.text.count(HOSTILE) > 10


@pytest.mark.parametrize("status", [None, "failed", "diverged"])
def test_a_run_that_ended_early_has_a_report_of_what_there_is(tmp_path: Path, status: str | None) -> None:
    outcome = None if status is None else {"experiment": "mnist_cnn", "status": status, "metrics": {}}
    page = Page(write_report(write_run(tmp_path / "run", outcome), REPORT_SECTIONS).read_text())
    assert (status or "not ended") in page.text and page.count("svg") == 2


def test_a_run_without_a_single_figure_has_a_report(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path / "run", "x") as run:
        run.write_config({"name": "x"})
    assert Page(write_report(tmp_path / "run", REPORT_SECTIONS).read_text()).count("svg") == 0


def test_many_classes_are_drawn_without_names(tmp_path: Path) -> None:
    classes = 300
    diagonal = [[int(row == column) for column in range(classes)] for row in range(classes)]
    path = write_report(write_run(tmp_path / "run", summary(metrics={"test/confusion": diagonal})), REPORT_SECTIONS)
    assert path.stat().st_size < 300_000


def test_a_place_without_a_run_is_named_and_left_alone(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no run in"):
        write_report(tmp_path, REPORT_SECTIONS)
    assert list(tmp_path.iterdir()) == []


def test_the_same_run_gives_the_same_page(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", summary())
    first = write_report(run, REPORT_SECTIONS).read_text()
    assert write_report(run, REPORT_SECTIONS).read_text() == first
