"""Losses and metrics of one's own: the same bits as built-in ones, their fields, their config, their messages."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.metrics import roc_auc_score

import jaxdl
from jaxdl.fields import walk
from jaxdl.steps.functions import hyperparameters


@jaxdl.loss
def focal(outputs: jax.Array, targets: jax.Array, *, gamma: float = 2.0) -> jax.Array:
    """Lin et al. 2017."""
    losses = optax.losses.softmax_cross_entropy_with_integer_labels(outputs, targets)
    return (1 - jnp.exp(-losses)) ** gamma * losses


@jaxdl.loss
def plain(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    return optax.losses.softmax_cross_entropy_with_integer_labels(outputs, targets)


@jaxdl.loss
def squares(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    return (outputs - targets) ** 2


@jaxdl.metric
def surprise(outputs: jax.Array, targets: jax.Array, *, scale: float = 1.0) -> jax.Array:
    return scale * optax.losses.softmax_cross_entropy_with_integer_labels(outputs, targets)


@jaxdl.metric
def error(outputs: jax.Array, targets: jax.Array, *, scale: float = 100.0) -> jax.Array:
    return scale * jnp.abs(outputs - targets)


@jaxdl.metric(higher_is_better=True)
class auc:
    """The area under the ROC curve, from histograms of the scores of both classes."""

    bins: int = 1000

    def sums(self, outputs: jax.Array, targets: jax.Array, weights: jax.Array) -> dict[str, jax.Array]:
        score = jax.nn.softmax(outputs)[:, 1]
        here = jnp.clip((score * self.bins).astype(jnp.int32), 0, self.bins - 1)
        zeros = jnp.zeros(self.bins)
        return {
            "yes": zeros.at[here].add(weights * (targets == 1)),
            "no": zeros.at[here].add(weights * (targets == 0)),
        }

    def value(self, sums: dict[str, np.ndarray]) -> float:
        yes, no = sums["yes"], sums["no"]
        below = np.cumsum(no) - no
        return float((yes * (below + no / 2)).sum() / (yes.sum() * no.sum()))


def digits(**changes: Any) -> jaxdl.Experiment:
    parts: dict[str, Any] = {"objective": jaxdl.SoftmaxCrossEntropy(), **changes}
    return jaxdl.Experiment(
        name="own",
        data=jaxdl.Digits(validation=0.2),
        model=jaxdl.MLP(features=(8,)),
        optimizer=jaxdl.Adam(),
        training=jaxdl.Training(epochs=1),
        **parts,
    )


def trained(experiment: jaxdl.Experiment, run_dir: Path) -> dict[str, Any]:
    return dict(jaxdl.train(experiment, run_dir=run_dir, notify=None))


def test_an_own_loss_is_a_part_with_a_traced_field() -> None:
    experiment = digits(objective=focal(gamma=3.0))
    assert hyperparameters(experiment)["objective.gamma"] == 3.0
    assert jaxdl.replace(experiment, {"objective.gamma": 1.0}).objective == focal(gamma=1.0)
    config = jaxdl.to_config(experiment)
    assert config["objective"] == {"type": "focal", "kind": None, "gamma": 3.0}
    assert jaxdl.from_config(json.loads(json.dumps(config)), digits(objective=focal())) == experiment


def test_without_the_experiment_a_config_with_an_own_part_is_refused() -> None:
    with pytest.raises(jaxdl.UserError, match=r"the objective 'focal' is not a part of jaxdl.*--experiment=FILE\.py"):
        jaxdl.from_config(jaxdl.to_config(digits(objective=focal())))
    with pytest.raises(jaxdl.UserError, match="the metric 'surprise' is not a part of jaxdl"):
        jaxdl.from_config(jaxdl.to_config(digits(metrics=(surprise,))))


def test_own_parts_give_the_bits_of_the_built_in_ones(tmp_path: Path) -> None:
    built_in = trained(digits(metrics=("accuracy",)), tmp_path / "a")
    own = trained(digits(objective=plain, metrics=["accuracy", surprise, surprise(scale=2.0)]), tmp_path / "b")
    assert own["params_sha256"] == built_in["params_sha256"]
    test = own["metrics"]
    assert test["test/loss"] == built_in["metrics"]["test/loss"]
    assert test["test/accuracy"] == built_in["metrics"]["test/accuracy"]
    assert test["test/surprise"] == pytest.approx(test["test/loss"], rel=1e-6)
    assert test["test/surprise(scale=2.0)"] == pytest.approx(2 * test["test/loss"], rel=1e-6)
    assert json.loads((tmp_path / "b" / "config.json").read_text())["objective"]["kind"] == "classes"


def test_an_own_loss_of_numbers_is_aligned_with_the_targets() -> None:
    outputs, targets = np.array([[1.0], [2.0]], np.float32), np.array([3.0, 5.0], np.float32)
    assert squares(kind="values").losses(outputs, targets).tolist() == [4.0, 9.0]  # type: ignore[call-arg]


def test_the_kind_follows_from_the_data(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(64, 3)).astype(np.float32)
    y = (x.sum(1) * 50 + 1000).astype(np.float32)
    experiment = jaxdl.Experiment(
        name="numbers",
        data=jaxdl.Arrays(train=(x, y), test=(x, y)),
        model=jaxdl.MLP(features=(8,)),
        objective=squares(),
        optimizer=jaxdl.Adam(),
        metrics=("mean_absolute_error", error()),
        training=jaxdl.Training(epochs=1),
    )
    summary = trained(experiment, tmp_path / "run")
    # In the unit of the targets, as the built-in one.
    test = summary["metrics"]
    assert test["test/error"] == pytest.approx(100 * test["test/mean_absolute_error"], rel=1e-5)
    model = jaxdl.load_run(tmp_path / "run", experiment)
    assert model.experiment.objective.kind == "values"


def test_a_metric_of_sums_is_no_mean() -> None:
    random = np.random.default_rng(1)
    logits, labels = random.normal(size=(200, 2)).astype(np.float32), random.integers(0, 2, 200)
    logits[:, 1] += labels
    measured = jaxdl.objectives.metrics.metric(auc(bins=100_000), jaxdl.SoftmaxCrossEntropy())
    parts = [
        measured.partial(logits[part], labels[part], np.arange(100) < 100) for part in (slice(100), slice(100, 200))
    ]
    merged = {key: np.stack([np.asarray(part[key]) for part in parts]) for key in parts[0]}
    expected = roc_auc_score(labels, logits[:, 1] - logits[:, 0])
    assert measured.result(merged)["auc(bins=100000)"] == pytest.approx(expected, abs=1e-4)
    assert measured.higher_is_better


def test_padding_does_not_count() -> None:
    measured = jaxdl.objectives.metrics.metric(error(), jaxdl.MeanSquaredError())
    partial = measured.partial(np.array([[1.0], [9.0]]), np.array([3.0, 0.0]), np.array([True, False]))
    assert measured.result({key: np.asarray(value)[None] for key, value in partial.items()}) == {"error": 200.0}


def test_an_own_metric_chooses_the_best_state_where_it_has_an_order(tmp_path: Path) -> None:
    with pytest.raises(jaxdl.UserError, match="this figure is not measured"):
        trained(jaxdl.replace(digits(metrics=(surprise,)), {"training.watch": "validation/surprise"}), tmp_path / "no")
    ordered = jaxdl.metric(surprise.function, higher_is_better=False)()
    experiment = digits(metrics=(ordered,))
    changes = {"training.watch": "validation/surprise", "training.final": "best"}
    assert trained(jaxdl.replace(experiment, changes), tmp_path / "yes")["status"] == "completed"


def test_code_that_has_changed_is_told(tmp_path: Path) -> None:
    experiment = digits(objective=focal)
    trained(experiment, tmp_path / "run")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    (tmp_path / "run" / "config.json").write_text(json.dumps(config | {"code": {"objective": "another"}}))
    with pytest.raises(jaxdl.UserError, match=r"begun with other code of focal \(test_own.py:\d+\)"):
        trained(experiment, tmp_path / "run")


def test_a_bare_function_is_taken() -> None:
    def hinge(outputs: Any, targets: Any, *, margin: float = 1.0) -> Any:
        return jax.nn.relu(margin - outputs * targets)

    experiment: Any = digits(objective=hinge, metrics=hinge)
    assert jaxdl.to_config(experiment)["objective"]["type"] == "hinge"
    assert experiment.objective.margin == 1.0
    assert experiment.metrics == ("hinge",)
    assert digits(objective="softmax_cross_entropy").objective == jaxdl.SoftmaxCrossEntropy()
    with pytest.raises(jaxdl.UserError, match=r"Experiment\(objective=...\) must be a part such as"):
        digits(objective=3)


def test_mistakes_name_the_function_and_its_place() -> None:
    with pytest.raises(jaxdl.UserError, match=r"of focal \(test_own.py:\d+\): 'gama'. Did you mean 'gamma'"):
        focal(gama=1.0)  # type: ignore[call-arg]
    with pytest.raises(jaxdl.UserError, match=r"the plain function is focal.function"):
        focal(np.zeros((1, 2)), np.zeros(1))  # type: ignore[call-arg]
    with pytest.raises(jaxdl.UserError, match=r"wrong \(test_own.py:\d+\) must take \(outputs, targets\)"):
        jaxdl.loss(_wrong)  # type: ignore[call-overload]
    mean = jaxdl.loss(_mean)()
    with pytest.raises(jaxdl.UserError, match=r"_mean \(test_own.py:\d+\) returned shape \(\) .* not their mean"):
        mean.losses(np.zeros((4, 2), np.float32), np.zeros(4, np.int32))


def _wrong() -> int:
    return 0


def _mean(outputs: Any, targets: Any) -> Any:
    return jnp.mean(outputs)


def test_a_metric_survives_copies() -> None:
    one = surprise(scale=2.0)
    for again in (copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert again == one == "surprise(scale=2.0)"
        assert type(again) is type(one)
    assert [field.value for field in walk(one)] == [2.0]


def test_the_plain_function_stays() -> None:
    assert focal.function(np.zeros((1, 2)), np.zeros(1, np.int32), gamma=0.0)[0] == pytest.approx(np.log(2))
    assert jaxdl.metric("f1").name == "f1"
