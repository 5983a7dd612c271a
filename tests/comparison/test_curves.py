"""Learning curves laid over each other."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import jaxdl
from jaxdl.comparison.curves import curves_of
from jaxdl.comparison.tables import html_text
from tests.browser import opened
from tests.comparison.made import made, made_page


def test_a_curve_has_the_steps_that_all_runs_have_and_long_ones_are_thinned(tmp_path: Path) -> None:
    made(tmp_path / "a0", curve=(0.5, 0.6, 0.7))
    made(tmp_path / "a1", seed=1, curve=(0.7, 0.8))
    made(tmp_path / "b", curve=tuple(n / 10_000 for n in range(5000)), changes={"model": {"dropout": 0.5}})
    found = jaxdl.compare(tmp_path)
    curve = curves_of(found.groups[0])["validation/accuracy"]
    assert curve.step.tolist() == [10, 20] and curve.mean.tolist() == pytest.approx([0.6, 0.7])
    text = html_text(found)
    _, thinned = json.loads(re.findall(r'id="curve-data">(.*)</script>', text)[0])["figures"]["validation/loss"]
    assert 300 < len(thinned["mean"]) <= 400 and thinned["epoch"][-1] == 5000 and thinned["low"][0] is None


def test_in_a_browser_one_can_point_zoom_and_choose_with_the_keyboard_too(tmp_path: Path, browser: Any) -> None:
    with opened(browser, made_page(tmp_path)) as page:
        assert page.locator(".readout tr").all_inner_texts()[0].split("\t")[:3] == ["learning_rate=0.1", "12", "0.615"]
        page.locator(".chart").focus()
        for key in ("Home", "ArrowRight", "ArrowRight"):
            page.keyboard.press(key)
        assert [text.split("\t")[1:3] for text in page.locator(".readout tr").all_inner_texts()] == [
            ["3", "0.525"],
            ["3", "0.625"],
            ["3", "0.725"],
        ]
        ticks = "() => [...document.querySelectorAll('.chart text')].map((each) => each.textContent)"
        whole = page.evaluate(ticks)
        page.keyboard.press("+")
        zoomed = page.evaluate(ticks)
        page.keyboard.press("Escape")
        assert zoomed != whole and page.evaluate(ticks) == whole
        corner = page.locator(".chart").bounding_box()
        page.mouse.move(corner["x"] + 200, corner["y"] + 100)
        page.mouse.down()
        page.mouse.move(corner["x"] + 500, corner["y"] + 100)
        page.mouse.up()
        assert page.evaluate(ticks) != whole
        page.get_by_role("button", name="whole range").press("Enter")
        assert page.evaluate(ticks) == whole
        page.get_by_role("checkbox", name="learning_rate=0.1", exact=True).press("Space")
        assert page.locator(".readout tr").count() == page.locator(".chart .mean").count() == 2
        page.get_by_label("each run").check()
        assert page.locator(".chart .run").count() == 4 and page.locator(".chart .band").count() == 0
        page.get_by_label("figure").select_option("validation/loss")
        page.get_by_label("logarithmic").check()
        assert page.locator(".chart svg").get_attribute("aria-label").startswith("validation/loss by epoch")
        for kind, head in (("SVG", b"<svg"), ("PNG", b"\x89PNG")):
            with page.expect_download() as download:
                page.get_by_role("button", name=f"save as {kind}").click()
            assert Path(download.value.path()).read_bytes().startswith(head)
