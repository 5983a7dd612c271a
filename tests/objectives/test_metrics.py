"""Which metrics there are, and for which objectives they are defined."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics as reference
from jax.typing import ArrayLike

from jaxdl.errors import UserError
from jaxdl.objectives import (
    CTC,
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    Objective,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
)
from jaxdl.objectives.metrics import (
    check_defined,
    check_metrics,
    default_metrics,
    defined,
    direction,
    loss,
    metric,
    training_metrics,
)

CLASSES = [
    *("accuracy", "top_2", "root_accuracy", "exact_match", "confusion", "precision", "recall", "f1", "mean_iou"),
    *("perplexity", "bits_per_step", "calibration_error"),
]
# Of classes and of questions, the more the better.
MORE = [
    *("auc", "pr_auc", "average_precision", "balanced_accuracy", "matthews", "cohen_kappa", "f2", "f0.5_micro"),
    *(f"{name}_{average}" for name in ("precision", "recall", "f1") for average in ("micro", "weighted")),
]
CLASSES += MORE
QUESTIONS = [
    *MORE,
    "accuracy",
    "exact_match",
    "confusion",
    "precision",
    "recall",
    "f1",
    "mean_iou",
    "perplexity",
    "bits_per_step",
    "calibration_error",
]
VALUES = ["mean_squared_error", "root_mean_squared_error", "mean_absolute_error", "r_squared"]
VALUES += ["mean_absolute_percentage_error"]
NAMES = [*CLASSES, *VALUES, "label_error_rate"]
OBJECTIVES: list[tuple[Objective, list[str]]] = [
    (SoftmaxCrossEntropy(), CLASSES),
    (SigmoidCrossEntropy(), QUESTIONS),
    (CTC(), ["label_error_rate"]),
    *((objective, VALUES) for objective in (MeanSquaredError(), MeanAbsoluteError(), Huber())),
]


@dataclasses.dataclass(frozen=True)
class Own(Objective):
    """An objective that does not say what its targets are."""

    def losses(self, outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
        return jnp.zeros(jnp.shape(targets))

    def predictions(self, outputs: ArrayLike) -> jax.Array:
        return jnp.asarray(outputs)


@pytest.mark.parametrize(("objective", "names"), OBJECTIVES)
def test_each_metric_is_defined_for_its_kinds_of_targets_and_refused_for_others(
    objective: Objective, names: list[str]
) -> None:
    assert [name for name in NAMES if defined(name, objective)] == [name for name in NAMES if name in names]
    for name in NAMES:
        if name in names:
            assert metric(name, objective).objective == objective
        else:
            with pytest.raises(UserError, match=f"metrics={name}: not defined for the objective .* choose from: "):
                metric(name, objective)


def test_a_refusal_names_the_objective_and_the_metrics_that_fit() -> None:
    with pytest.raises(UserError) as refused:
        check_defined(("r_squared", "accuracy"), MeanSquaredError(), {"": 1})
    assert str(refused.value) == (
        "metrics=accuracy: not defined for the objective mean_squared_error, whose targets are numbers; "
        "choose from: mean_squared_error, root_mean_squared_error, mean_absolute_error, "
        "mean_absolute_percentage_error, r_squared."
    )
    with pytest.raises(UserError, match="sigmoid_cross_entropy, whose targets are answers .* accuracy, exact_match, "):
        check_defined(("top_2",), SigmoidCrossEntropy(), {"": 3})
    with pytest.raises(UserError, match="softmax_cross_entropy, whose targets are classes.* top_5"):
        check_defined(("mean_squared_error",), SoftmaxCrossEntropy(), {"": 3})


def test_the_default_follows_from_the_objective() -> None:
    defaults = {default_metrics(objective) for objective, _ in OBJECTIVES[3:]}
    assert defaults == {("mean_absolute_error",)}
    assert default_metrics(SoftmaxCrossEntropy()) == default_metrics(SigmoidCrossEntropy()) == ("accuracy",)


def test_an_objective_that_does_not_say_what_its_targets_are_has_only_its_loss() -> None:
    assert default_metrics(Own()) == () and not defined("accuracy", Own())
    with pytest.raises(UserError, match="Own, whose targets are of a kind that it does not state; declare its kind"):
        metric("accuracy", Own())
    sums = loss(Own()).partial(np.zeros((4, 3)), np.zeros(4), np.ones(4, bool))
    assert {name: float(value) for name, value in sums.items()} == {"loss": 0, "count": 4}


def test_the_label_cannot_be_among_more_classes_than_there_are() -> None:
    check_defined(("accuracy", "top_5"), SoftmaxCrossEntropy(), {"": 5})
    with pytest.raises(UserError, match="metrics=top_6: the model has 5 outputs, but this metric needs 6 or more"):
        check_defined(("accuracy", "top_6"), SoftmaxCrossEntropy(), {"": 5})


def test_better_is_higher_or_lower() -> None:
    assert [name for name in NAMES if metric(name).higher_is_better] == [
        *("accuracy", "top_2", "root_accuracy", "exact_match", "precision", "recall", "f1", "mean_iou"),
        *MORE,
        "r_squared",
    ]
    assert metric("confusion").higher_is_better is None
    figures = ("loss", "train/loss", "validation/accuracy", "accuracy", "test/perplexity", "validation/confusion")
    assert [direction(figure) for figure in figures] == [
        *("minimize", "minimize", "maximize", "maximize", "minimize", None)
    ]
    with pytest.raises(UserError, match="unknown metric 'acuracy'"):
        direction("validation/acuracy")


def test_accuracy_alone_is_measured_in_training_as_its_mean_over_the_batch() -> None:
    objective = SoftmaxCrossEntropy()
    (accuracy,) = training_metrics(CLASSES, objective)
    assert accuracy.name == "accuracy" and training_metrics(["perplexity", "confusion"], objective) == []
    random = np.random.default_rng(3)
    logits, labels = random.normal(size=(40, 5)).astype(np.float32), random.integers(5, size=40)
    mask = np.arange(40) < 33
    value = jax.jit(lambda *batch: accuracy.of_batch(accuracy.partial(*batch)))(logits, labels, mask)
    expected = reference.accuracy_score(labels[mask], logits[mask].argmax(-1))
    assert value.dtype == jnp.float32 and float(value) == pytest.approx(expected, rel=1e-6)
    assert float(accuracy.of_batch(accuracy.partial(logits, labels, np.zeros(40, bool)))) == 0


@pytest.mark.parametrize(("name", "meant"), [("acuracy", "accuracy"), ("top_0", "top_5"), ("top_k", "top_5")])
def test_an_unknown_name_is_answered_with_the_nearest(name: str, meant: str) -> None:
    with pytest.raises(UserError, match=f"unknown metric '{name}'. Did you mean '{meant}'"):
        metric(name)
    with pytest.raises(UserError, match="Choose from: accuracy, auc, average_precision"):
        check_metrics(("accuracy", name))


def test_a_list_of_metrics_is_checked() -> None:
    assert check_metrics(("accuracy", "top_3", "f1")) is None
    assert check_metrics(("accuracy", "f1", "accuracy")) == "must not name a metric twice"
