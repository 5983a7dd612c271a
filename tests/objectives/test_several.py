"""Losses and metrics of several outputs: those of each alone, and their weighted sum."""

from __future__ import annotations

import pickle
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import jaxdl
from jaxdl.objectives.metrics import check_defined, default_metrics, direction, loss, metric, training_metrics
from jaxdl.objectives.own import OwnOfOutput
from jaxdl.objectives.several import OfOutput, with_kinds

BOTH = jaxdl.losses({"a": "softmax_cross_entropy", "b": jaxdl.Huber(delta=2.0)}, {"b": 0.25})
RANDOM = np.random.default_rng(0)
OUTPUTS: dict[str, Any] = {
    "a": RANDOM.normal(size=(6, 3)).astype(np.float32),
    "b": RANDOM.normal(size=(6, 1)).astype(np.float32),
}
TARGETS: dict[str, Any] = {"a": RANDOM.integers(0, 3, 6), "b": RANDOM.normal(size=6).astype(np.float32)}
MASKS = {"a": jnp.arange(6) < 4, "b": jnp.arange(6) < 5}


def measured(each: Any) -> dict[str, Any]:
    partial = each.partial(OUTPUTS, TARGETS, MASKS)
    return each.result({name: np.asarray(value)[None] for name, value in partial.items()})


def test_the_loss_is_the_weighted_sum_of_those_of_the_outputs() -> None:
    shifted = OUTPUTS["a"] - np.log(np.exp(OUTPUTS["a"]).sum(-1, keepdims=True))
    of_a = -shifted[np.arange(4), TARGETS["a"][:4]].mean()
    error = np.abs(OUTPUTS["b"][:5, 0] - TARGETS["b"][:5])
    of_b = np.where(error <= 2, error**2 / 2, 2 * error - 2).mean()
    found = measured(loss(BOTH))
    assert list(found) == ["loss", "a/loss", "b/loss"]
    assert found == pytest.approx({"loss": of_a + 0.25 * of_b, "a/loss": of_a, "b/loss": of_b}, rel=1e-6)


def test_a_metric_is_that_of_its_output() -> None:
    assert measured(metric("a/accuracy", BOTH)) == {"a/accuracy": (OUTPUTS["a"].argmax(1) == TARGETS["a"])[:4].mean()}
    error = np.abs(OUTPUTS["b"][:, 0] - TARGETS["b"])[:5].mean()
    assert measured(metric("b/mean_absolute_error", BOTH)) == pytest.approx({"b/mean_absolute_error": error})
    assert default_metrics(BOTH) == ("a/accuracy", "b/mean_absolute_error")
    (only,) = training_metrics(default_metrics(BOTH), BOTH)
    assert only.name == "a/accuracy" and isinstance(only, OfOutput)
    assert (
        float(only.of_batch(only.partial(OUTPUTS, TARGETS, MASKS)))
        == measured(metric("a/accuracy", BOTH))["a/accuracy"]
    )
    assert direction("validation/a/accuracy") == "maximize" and direction("validation/b/loss") == "minimize"


def test_a_metric_of_ones_own_is_that_of_its_output() -> None:
    @jaxdl.metric(higher_is_better=False)
    def bias(outputs, targets):
        return (outputs - targets)[..., 0]

    named = OwnOfOutput("b", bias())
    assert named == "b/bias" and direction("test/b/bias", [named]) == "minimize"
    assert measured(metric(named, BOTH)) == pytest.approx({"b/bias": (OUTPUTS["b"][:, 0] - TARGETS["b"])[:5].mean()})


def test_what_does_not_fit_an_output_is_refused() -> None:
    sizes = {"a": 3, "b": 1}
    for name, message in (
        ("accuracy", "metrics=accuracy: there are several outputs; say of which, such as a/accuracy"),
        ("c/accuracy", "unknown output in metrics: 'c'"),
        ("b/accuracy", "metrics=accuracy: not defined for the objective huber"),
        ("a/top_4", "metrics=a/top_4: the model has 3 outputs, but this metric needs 4"),
    ):
        with pytest.raises(jaxdl.UserError, match=message):
            check_defined((name,), BOTH, sizes)
    with pytest.raises(jaxdl.UserError, match="unknown output in the weights of losses: 'c'"):
        jaxdl.losses({"a": "mean_squared_error"}, {"c": 1.0})
    with pytest.raises(jaxdl.UserError, match="the loss of the output a must be a loss such as"):
        jaxdl.losses({"a": "reconstruction"})
    with pytest.raises(jaxdl.UserError, match="the name 'kind' is used for something else"):
        jaxdl.losses({"kind": "mean_squared_error"})


def test_it_is_a_value_as_other_objectives_are() -> None:
    assert pickle.loads(pickle.dumps(BOTH)) == BOTH
    assert jaxdl.replace(BOTH, {"b.delta": 1.0, "weight_a": 2.0}).weights == {"a": 2.0, "b": 0.25}
    smoothed: Any = jaxdl.losses({"a": jaxdl.SoftmaxCrossEntropy(label_smoothing=0.1)}).for_evaluation()
    assert smoothed.parts["a"].label_smoothing == 0.0

    def own(outputs, targets):
        return (outputs[..., 0] - targets) ** 2

    several = jaxdl.losses({"a": own, "b": "mean_squared_error"})
    found: Any = with_kinds(several, {"a": "values", "b": "values"})
    assert (several.parts["a"].kind, found.parts["a"].kind) == (None, "values")
