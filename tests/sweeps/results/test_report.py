"""The sweep's report: complete, escaped, and opened by a real browser without an error."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import jaxdl
from jaxdl.sweeps.api import make_definition
from jaxdl.sweeps.results.report import field_importances, render, write_sweep_report
from jaxdl.sweeps.results.results import SweepResults
from jaxdl.sweeps.selection import Selection
from jaxdl.sweeps.space.reading import make_space
from jaxdl.sweeps.trials.schedule import planned_values
from jaxdl.sweeps.trials.trial import Outcome, Trial
from tests.experiments.twins import twin

RECIPE = jaxdl.replace(twin("mnist_mlp"), {"training.watch": "validation/accuracy"})
COMMAND = ["launch.py", "--experiment=mnist_mlp"]
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


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
    # Curves, importance, parallel coordinates, one plot for each of four fields, heat map.
    assert page.count("<svg") == 8
    labels = re.findall(r'aria-label="([^"]*)"', page)
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


@pytest.mark.parametrize(("epochs", "named"), [(1, ["1"]), (3, ["1", "2", "3"])])
def test_epochs_are_named_as_whole_numbers(tmp_path: Path, epochs: int, named: list[str]) -> None:
    made = results(tmp_path)
    curve = {epoch: 0.1 * epoch for epoch in range(1, epochs + 1)}
    trials = [Trial(t.number, t.values, "completed", 1, Outcome("completed", 0.3, curve=curve)) for t in made.trials]
    page = render(SweepResults(made.definition, tmp_path, "completed", trials), COMMAND)
    drawing = page[page.index("<svg") : page.index("</svg>")]
    axis = drawing[drawing.index("matplotlib.axis_1") : drawing.index("matplotlib.axis_2")]
    assert re.findall(r">([0-9.]+)</text>", axis) == named


def test_a_figure_that_is_missing_leaves_a_gap_in_the_curve(tmp_path: Path) -> None:
    made = results(tmp_path)
    curves = [{1: 0.5, 2: figure, 3: 0.4, 4: 0.3} for figure in (0.45, float("nan"))]
    lengths = []
    for curve in curves:  # of two trials, of which the second is not the best
        trials = [
            Trial(n, made.trials[n].values, "completed", 1, Outcome("completed", 0.9 - n, curve=curve)) for n in (0, 1)
        ]
        page = render(SweepResults(made.definition, tmp_path, "completed", trials), COMMAND)
        drawing = page[page.index("<svg") : page.index("</svg>")]
        paths = re.findall(r'LineCollection_1".*?<path d="([^"]*)"', drawing, re.DOTALL)
        lengths.append((paths[0].count("M"), paths[0].count("L")))
    assert lengths == [(1, 3), (2, 1)]


def test_importances_are_the_shares_of_the_variance(tmp_path: Path) -> None:
    fields = {"learning_rate": [0.1, 0.2, 0.3, 0.4], "optimizer": ["adam", "sgd", "lion"], "seed": range(3)}
    definition = make_definition(RECIPE, make_space(RECIPE, fields))
    parts = {"adam": 0.0, "sgd": 0.1, "lion": 0.05}
    done = [
        Trial(n, v, "completed", 1, Outcome("completed", v["optimizer.learning_rate"] + parts[v["optimizer"]]))
        for n, v in enumerate(planned_values(definition) or ())
    ]
    found = dict(field_importances(definition, done))
    # Of a sum of two parts, each has its own variance: of 0.1, 0.2, 0.3, 0.4 and of 0, 0.1, 0.05.
    expected = np.var([0.1, 0.2, 0.3, 0.4]) / (np.var([0.1, 0.2, 0.3, 0.4]) + np.var(list(parts.values())))
    assert found["optimizer.learning_rate"] == pytest.approx(expected, abs=0.05)
    assert found["optimizer"] == pytest.approx(1 - expected, abs=0.05) and found["seed"] < 0.02


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_a_browser_opens_it_without_an_error(tmp_path: Path) -> None:
    path = write_sweep_report(results(tmp_path), COMMAND)
    assert BROWSER is not None
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    logged = subprocess.run(
        [*command, "--enable-logging=stderr", "--v=0", "--dump-dom", path.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert logged.stdout.count("<svg") == 8
    assert "CONSOLE" not in logged.stderr
    shot = tmp_path / "shot.png"
    subprocess.run(
        [*command, f"--screenshot={shot}", "--window-size=1100,3000", path.as_uri()], check=True, timeout=120
    )
    from PIL import Image

    with Image.open(shot) as image:
        colours = {colour for _, colour in image.convert("RGB").getcolors(2**24) or ()}
    # The best trial's line and the others', as they stand in the page's style.
    assert {(0xD9, 0x77, 0x06), (0x25, 0x63, 0xEB)} <= colours
