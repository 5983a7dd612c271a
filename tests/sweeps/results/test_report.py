"""The sweep's report: complete, escaped, and opened by a real browser without an error."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxdl
from jaxdl.sweeps.api import make_definition
from jaxdl.sweeps.results.report import render, write_sweep_report
from jaxdl.sweeps.results.results import SweepResults
from jaxdl.sweeps.selection import Selection
from jaxdl.sweeps.space.reading import make_space
from jaxdl.sweeps.trials.schedule import planned_values
from jaxdl.sweeps.trials.trial import Outcome, Trial
from tests.browser import barriers, opened, too_wide
from tests.experiments.twins import twin

RECIPE = jaxdl.replace(twin("mnist_mlp"), {"training.watch": "validation/accuracy"})
COMMAND = ["launch.py", "--experiment=mnist_mlp"]


def results(folder: Path, trials: int = 30, data: str = "digits") -> SweepResults:
    """Returns made-up results in which the learning rate matters most, and the optimizer a little."""
    fields = {"learning_rate": "log(1e-4,1e-1)", "optimizer": "adam,sgd", "model.features": "(8),(16,8)", "seed": "0:2"}
    definition = make_definition(RECIPE, make_space(RECIPE, fields), Selection(trials=trials))
    made = []
    for number, values in enumerate(planned_values(definition) or ()):
        figure = (
            0.9 - 0.1 * abs(np.log10(values["optimizer.learning_rate"]) + 2.5) - 0.02 * (values["optimizer"] == "sgd")
        )
        outcome = Outcome("completed", figure, {"validation/accuracy": figure}, {1: figure - 0.1, 2: figure}, data=data)
        if number == 3:
            outcome = Outcome("failed", reason="diverged at step 7: <params> & more", curve={1: 0.2}, data=data)
        if number == 4:
            outcome = Outcome("pruned", 0.3, {}, {1: 0.3}, data=data)
        made.append(Trial(number, values, outcome.state, 1, outcome))  # type: ignore[arg-type]
    return SweepResults(definition, folder, "completed", made, 12.3)


def test_all_parts_are_there(tmp_path: Path) -> None:
    page = render(results(tmp_path), COMMAND)
    # Curves of the best and by three fields, importance, parallel coordinates, a plot for each field, heat map.
    assert page.count("<svg") == 4 + 1 + 1 + 4 + 1
    labels = re.findall(r'<svg[^>]*aria-label="([^"]*)"', page)
    assert sum("over" in label and label.startswith("validation/accuracy over") for label in labels) == 4
    assert any(label.startswith("importance of fields") for label in labels)
    assert any(label.startswith("mean validation/accuracy over optimizer.learning_rate and") for label in labels)
    assert all("digits" in label for label in labels)
    best = max(results(tmp_path).trials, key=lambda trial: trial.objective or 0)
    assert f"--optimizer.learning_rate={best.values['optimizer.learning_rate']}" in page
    assert "diverged at step 7: &lt;params&gt; &amp; more" in page


def test_a_stand_in_is_named_in_a_banner(tmp_path: Path) -> None:
    page = render(results(tmp_path, data="digits (stand-in for mnist)"), COMMAND)
    assert '<p class="banner">' in page and "digits (stand-in for mnist)" in page
    assert '<p class="banner">' not in render(results(tmp_path), COMMAND)


def test_data_that_the_sweep_varies_are_no_stand_ins_for_one_another(tmp_path: Path) -> None:
    recipe = jaxdl.replace(RECIPE, {"data": jaxdl.Tfds()})
    definition = make_definition(recipe, make_space(recipe, {"data.name": "mnist,fashion_mnist"}))

    def page(*used: str) -> str:
        trials = [
            Trial(n, values, "completed", 1, Outcome("completed", 0.5, data=name))
            for n, (values, name) in enumerate(zip(planned_values(definition) or (), used, strict=True))
        ]
        return render(SweepResults(definition, tmp_path, "completed", trials), COMMAND)

    assert '<p class="banner">' not in page("mnist", "fashion_mnist")
    banner = "Not measured on the requested data: digits (stand-in for mnist).</p>"
    assert banner in page("digits (stand-in for mnist)", "fashion_mnist")


@pytest.mark.parametrize("trials", [1, 2, 5])
def test_few_trials_make_a_page_too(tmp_path: Path, trials: int) -> None:
    assert "<svg" in render(results(tmp_path, trials), COMMAND)


def test_no_completed_trial_makes_a_page_too(tmp_path: Path) -> None:
    made = results(tmp_path, 4)
    failed = [Trial(trial.number, trial.values, "failed", 1, Outcome("failed", reason="no")) for trial in made.trials]
    page = render(SweepResults(made.definition, tmp_path, "completed", failed), COMMAND)
    assert page.count("<svg") == 0 and page.count("<td>no</td>") == 4


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of 60 trials over a range, parts, lists and seeds, with a field that one part alone has."""
    fields = {
        "learning_rate": "log(1e-4,1e-2) if optimizer=adam; log(1e-2,1) if optimizer=sgd",
        "optimizer": "adam,sgd",
        "momentum": "uniform(0,0.95) if optimizer=sgd",
        "model.features": "(8),(16,8)",
        "seed": "0:3",
    }
    definition = make_definition(
        RECIPE, make_space(RECIPE, fields), Selection(trials=60, sweep_objective="validation/accuracy,parameters")
    )
    made = []
    random = np.random.default_rng(0)
    for number, values in enumerate(planned_values(definition) or ()):
        best = -2.8 if values["optimizer"] == "adam" else -0.9
        figure = 0.95 - 0.1 * abs(np.log10(values["optimizer.learning_rate"]) - best) + random.normal(scale=0.005)
        figure += 0.02 * values.get("optimizer.momentum", 0.5) + 0.01 * (len(values["model.features"]) == 2)
        curve = {epoch: figure * (1 - 0.6**epoch) for epoch in range(1, 9)}
        outcome = Outcome(
            "completed", figure, {"validation/accuracy": figure, "test/accuracy": figure - 0.01}, curve, data="digits",
            costs={"parameters": 1000.0 * len(values["model.features"])},
        )  # fmt: skip
        made.append(Trial(number, values, "completed", 1, outcome))
    folder = tmp_path_factory.mktemp("sweep")
    return write_sweep_report(SweepResults(definition, folder, "completed", made, 12.3), COMMAND)


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (400, True)])
def test_the_page_keeps_nobody_out(browser: Any, written: Path, width: int, dark: bool) -> None:
    assert written.stat().st_size < 2_000_000
    with opened(browser, written, width=width, dark=dark) as page:
        titles = page.locator("h2").all_inner_texts()
        wanted = ["Over the seeds", "Front", "Against luck", "Learning curves", "Fields", "Trials", "Definition"]
        assert titles[0].startswith("Best: trial") and titles[1:] == wanted
        assert too_wide(page) == 0
        assert barriers(page) == []


def test_trials_are_chosen_by_dragging_and_by_keyboard(browser: Any, written: Path) -> None:
    with opened(browser, written) as page:
        figure = page.locator("figure.parallel")
        said = figure.locator("output")
        assert said.inner_text().startswith("60 of 60 trials; the best of them is trial")
        rate = figure.locator("fieldset", has_text="learning_rate")
        rate.locator("input").first.focus()
        page.keyboard.type("0.01")
        page.keyboard.press("Tab")
        page.keyboard.type("0.1")
        chosen = int(said.inner_text().split()[0])
        assert 0 < chosen < 60
        assert (
            figure.locator("path[data-dimmed]").count() == 60 - chosen and figure.locator(".brushes rect").count() == 1
        )
        figure.get_by_label("adam").focus()
        page.keyboard.press("Space")
        without = int(said.inner_text().split()[0])
        assert 0 < without <= chosen
        figure.get_by_text("show all trials").click()
        assert said.inner_text().startswith("60 of 60") and figure.locator(".brushes rect").count() == 0
        svg = figure.locator("svg")
        svg.scroll_into_view_if_needed()
        box = svg.bounding_box()
        wide, high = (float(each) for each in (svg.get_attribute("viewBox") or "").split()[2:])
        x, top, bottom = (
            box["x"] + 72 / wide * box["width"], *(box["y"] + y / high * box["height"] for y in (60, 140))
        )  # fmt: skip
        page.mouse.move(x, top)
        page.mouse.down()
        page.mouse.move(x, bottom, steps=3)
        page.mouse.up()
        dragged = int(said.inner_text().split()[0])
        assert 0 < dragged < 60 and rate.locator("input").first.input_value() != ""
        page.mouse.click(x, bottom + 20)
        assert said.inner_text().startswith("60 of 60")


def test_the_curves_are_chosen_by_field_and_read(browser: Any, written: Path) -> None:
    with opened(browser, written) as page:
        chosen = page.locator(".choose select")
        assert page.locator(".choose figure:visible").count() == 1
        chosen.select_option("all trials by optimizer")
        shown = page.locator(".choose figure:visible")
        assert shown.count() == 1 and shown.locator("polygon").count() == 2  # bands over the seeds
        chart = shown.locator(".pointed")
        chart.focus()
        page.keyboard.press("End")
        assert re.fullmatch(
            r"epoch 8 · adam [\d.]+ \([\d.]+ to [\d.]+\) · sgd [\d.]+ \([\d.]+ to [\d.]+\)",
            shown.locator("output").inner_text(),
        )
