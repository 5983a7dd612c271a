"""Plots as Matplotlib figures: the values that they draw, and that a notebook shows them."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from PIL import Image

import jaxdl
from jaxdl.report.figures import curves_figure, fields_figure
from jaxdl.report.sweep_plots import Scale
from tests.sweeps.small import RECIPE


def test_a_plot_for_each_metric_has_a_line_for_each_split() -> None:
    curves = {"loss": {"train": [1.0, math.inf, 0.5], "validation": [2.0, 1.0, 0.75]}, "accuracy": {"train": [0.5]}}
    figure = curves_figure(curves)
    loss, accuracy = figure.axes
    assert (loss.get_title(), accuracy.get_title()) == ("loss", "accuracy")
    assert [line.get_label() for line in loss.lines] == [" train", " validation"]
    np.testing.assert_array_equal(loss.lines[0].get_ydata(), [1.0, np.nan, 0.5])
    np.testing.assert_array_equal(loss.lines[1].get_xdata(), [1, 2, 3])
    with Image.open(io.BytesIO(figure._repr_png_())) as picture:  # type: ignore[attr-defined]
        assert picture.format == "PNG" and picture.width > picture.height


def test_a_dot_for_each_trial_over_each_field_and_the_best_in_another_colour() -> None:
    scales = [Scale("rate", [0.1, 1.0], log=True), Scale("layer", [0.0, 1.0], [0.0, 1.0], ["a", "b"])]
    figure = fields_figure(scales, [0.5, 0.25], 1, "validation/loss")
    rate, layer = figure.axes
    assert rate.get_xscale() == "log" and layer.get_xscale() == "linear"
    assert [text.get_text() for text in layer.get_xticklabels()] == ["a", "b"]
    dots, best = rate.collections
    np.testing.assert_allclose(np.asarray(dots.get_offsets()), [[0.1, 0.5], [1.0, 0.25]])
    np.testing.assert_allclose(np.asarray(best.get_offsets()), [[1.0, 0.25]])


def test_a_fit_draws_and_shows_its_curves() -> None:
    x = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
    result = jaxdl.fit(jaxdl.MLP(), (x, (x.sum(1) > 0).astype(int)), epochs=2, validation=0.25, notify=None)
    (loss,) = result.plot("loss").axes
    assert list(loss.lines[0].get_ydata()) == result.history["train/loss"]
    with pytest.raises(jaxdl.UserError, match=r"unknown metric 'los'\. Did you mean 'loss'\?"):
        result.plot("los")
    assert "<h1>fit</h1>" in result._repr_html_() and "Learning curves" in result._repr_html_()
    assert "<h2>Results</h2>" in result.summary._repr_html_()  # type: ignore[attr-defined]


@pytest.mark.slow
def test_a_sweep_draws_its_fields_and_shows_its_outcome(tmp_path) -> None:
    sweep = jaxdl.sweep(
        RECIPE, {"learning_rate": "1e-3,1e-2", "seed": "0:2"}, sweep_dir=tmp_path / "s", notify=lambda line: None
    )
    (rate,) = sweep.plot().axes
    assert rate.get_xlabel() == "optimizer.learning_rate"
    assert len(np.asarray(rate.collections[0].get_offsets())) == 4
    with pytest.raises(jaxdl.UserError, match="unknown field of the sweep 'dropout'"):
        sweep.plot("dropout")
    shown = sweep._repr_html_()
    assert f"Best: trial {sweep.best.number if sweep.best else None}" in shown and "4 completed" in shown
