"""The report in a browser: whole, quiet, usable by keyboard and at any width, in light and in dark."""

from __future__ import annotations

import dataclasses
import re
import xml.etree.ElementTree
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import jaxdl
from jaxdl.objectives import REPORT_SECTIONS
from jaxdl.report.run import write_report
from tests.browser import barriers, opened, too_wide
from tests.report.test_run import summary, write_run

QUICK = jaxdl.Training(epochs=3, batch_size=64, norms=True)
RECIPES = {
    "pictures": jaxdl.Experiment(
        "pictures", jaxdl.Digits(), jaxdl.CNN(features=(8,), padding="SAME", pool_after=(1,), dense=()),
        jaxdl.SoftmaxCrossEntropy(), jaxdl.Adam(learning_rate=1e-2), QUICK, metrics=("accuracy", "confusion"),
    ),
    "series": jaxdl.Experiment(
        "series", jaxdl.Series("no such file", window=8, fallback="embedded"), jaxdl.RNN(features=(8,), cell="gru"),
        jaxdl.MeanSquaredError(), jaxdl.Adam(learning_rate=1e-2), dataclasses.replace(QUICK, epochs=1),
    ),
    "table": jaxdl.Experiment(
        "table", jaxdl.Iris(), jaxdl.MLP(features=(8,)), jaxdl.SoftmaxCrossEntropy(), jaxdl.Adam(), QUICK,
    ),
}  # fmt: skip
SECTIONS = {
    "pictures": ("Results", "Run it again", "Learning curves", "Classes", "Calibration", "Most certain mistakes",
                 "Random predictions", "Model", "Filters of the first convolution", "Activations", "Data",
                 "Configuration", "Machine and versions"),
    "series": ("Learning curves", "Forecast", "Largest errors", "Random predictions", "Hidden states"),
    "table": ("Classes", "Calibration", "Random predictions", "Model"),
    "running": ("Learning curves", "Configuration"),
    "failed": ("Results", "Configuration"),
}  # fmt: skip


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The reports of some runs, by name."""
    folder = tmp_path_factory.mktemp("reports")
    found = {}
    for name, recipe in RECIPES.items():
        jaxdl.train(recipe, run_dir=folder / name, data_dir=folder, notify=None)
        found[name] = folder / name / "report.html"
    write_run(folder / "running", None)
    found["running"] = write_report(folder / "running", REPORT_SECTIONS, running=True)
    failed = summary(status="failed", error="RuntimeError: something long_and_without_any_space" + "x" * 200)
    found["failed"] = write_report(write_run(folder / "failed", failed), REPORT_SECTIONS)
    return found


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (400, True)])
@pytest.mark.parametrize("name", SECTIONS)
def test_the_page_has_its_parts_and_keeps_nobody_out(
    browser: Any, pages: dict[str, Path], name: str, width: int, dark: bool
) -> None:
    assert pages[name].stat().st_size < 2_000_000
    with opened(browser, pages[name], width=width, dark=dark) as page:
        titles = page.locator("h2").all_inner_texts()
        assert [title for title in SECTIONS[name] if title not in titles] == []
        assert page.locator("nav a").count() == len(titles)
        assert too_wide(page) == 0
        assert barriers(page) == []
        broken = "() => [...document.images].filter((image) => !image.complete || !image.naturalWidth).length"
        assert page.evaluate(broken) == 0
        background = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        assert (background == "rgb(255, 255, 255)") != dark


def test_a_chart_is_read_and_zoomed_by_keyboard(browser: Any, pages: dict[str, Path]) -> None:
    with opened(browser, pages["pictures"]) as page:
        chart = page.locator("figure.chart").first
        while "arrow keys" not in (page.evaluate("() => document.activeElement.getAttribute('aria-label')") or ""):
            page.keyboard.press("Tab")
        said = chart.locator("output")
        page.keyboard.press("ArrowRight")
        assert re.fullmatch(r"epoch 1 · train [\d.]+ · validation [\d.]+", said.inner_text())
        page.keyboard.press("End")
        last = said.inner_text()
        assert last.startswith("epoch 3 ·")
        table = chart.locator("details tr").last.locator("td").all_text_contents()
        assert last == f"epoch {table[0]} · train {table[1]} · validation {table[2]}"
        labels = chart.locator("g.x text").all_text_contents()
        page.keyboard.press("Home")
        page.keyboard.press("+")
        assert chart.locator("g.x text").all_text_contents() != labels
        assert chart.get_by_text("show all").is_visible()
        page.keyboard.press("0")
        assert chart.locator("g.x text").all_text_contents() == labels and chart.get_by_text("show all").is_hidden()


def test_a_chart_is_pointed_at_dragged_over_and_drawn_on_a_log_scale(browser: Any, pages: dict[str, Path]) -> None:
    with opened(browser, pages["pictures"]) as page:
        chart = page.locator("figure.chart").first
        chart.scroll_into_view_if_needed()
        box = chart.locator("svg").bounding_box()
        left, middle = box["x"] + box["width"] * 0.11, box["y"] + box["height"] / 2
        page.mouse.move(left, middle)
        assert chart.locator("output").inner_text().startswith("epoch 1 ·")
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.7, middle, steps=4)
        page.mouse.up()
        chart.get_by_text("show all").click()
        before = chart.locator("path").first.get_attribute("d")
        scale = chart.get_by_text("log scale")
        scale.click()
        assert scale.get_attribute("aria-pressed") == "true"
        assert chart.locator("path").first.get_attribute("d") != before


@pytest.mark.parametrize("figure", ["figure.chart", "figure.gallery", "figure.small", "figure:has(svg rect)"])
def test_every_figure_is_saved_as_svg_and_png(
    browser: Any, pages: dict[str, Path], figure: str, tmp_path: Path
) -> None:
    with opened(browser, pages["pictures"], dark=True) as page:
        chosen = page.locator(figure).first
        assert page.locator("figure").count() == page.get_by_role("button", name="as SVG").count()
        for ending in ("svg", "png"):
            with page.expect_download() as started:
                chosen.get_by_role("button", name=f"as {ending.upper()}").click()
            assert re.fullmatch(rf"[a-z0-9_]+\.{ending}", started.value.suggested_filename)
            started.value.save_as(tmp_path / f"figure.{ending}")
    drawn = xml.etree.ElementTree.fromstring((tmp_path / "figure.svg").read_text())
    text = (tmp_path / "figure.svg").read_text()
    assert "var(" not in text and not re.search(r'(href|src)="(?!data:)', text)
    width, height = (float(drawn.attrib[name]) for name in ("width", "height"))
    picture = Image.open(tmp_path / "figure.png").convert("RGB")
    assert picture.size == (int(2 * width), int(2 * height))
    assert len(picture.getcolors(2**20) or ()) > 5  # not an empty one


def test_on_paper_it_is_light_without_buttons_and_with_all_of_its_tables(browser: Any, pages: dict[str, Path]) -> None:
    with opened(browser, pages["pictures"], dark=True) as page:
        page.evaluate("() => window.dispatchEvent(new Event('beforeprint'))")
        page.emulate_media(media="print", color_scheme="dark")
        assert page.get_by_role("button").count() == 0
        assert page.evaluate("() => getComputedStyle(document.body).color") == "rgb(27, 31, 36)"
        assert page.get_by_text("training.batch_size").is_visible()
