"""From arrays to a model in one statement: the bits of an experiment, what is inferred, and what the result does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import jaxdl

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(96, 5)).astype(np.float32)
LABELS = (X.sum(1) > 0).astype(int)
MODEL = jaxdl.MLP(features=(4,))


def fitted(targets: Any, said: list[str] | None = None, **given: Any) -> jaxdl.Fit:
    notify = None if said is None else said.append
    return jaxdl.fit(MODEL, (X, targets), **{"epochs": 1, "batch_size": 32, "notify": notify, **given})


def test_it_is_the_training_of_an_experiment(tmp_path: Path) -> None:
    valid = (X[:32], LABELS[:32])
    result = fitted(LABELS, validation=valid, epochs=2, learning_rate=0.01, run_dir=tmp_path / "fit")
    experiment = jaxdl.Experiment(
        name="fit",
        data=jaxdl.Arrays(train=(X, LABELS), test=valid, validate_on=valid, validation=0.0),
        model=MODEL,
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(learning_rate=0.01),
        training=jaxdl.Training(epochs=2, batch_size=32),
    )
    summary = jaxdl.train(experiment, run_dir=tmp_path / "train", notify=None)
    assert result.experiment == experiment
    assert result.summary["params_sha256"] == summary["params_sha256"]
    assert len(result.history["train/loss"]) == len(result.history["validation/accuracy"]) == 2
    assert result.history["validation/loss"][-1] == summary["metrics"]["validation/loss"]

    figures = result.evaluate(*valid)
    assert figures["loss"] == pytest.approx(summary["metrics"]["test/loss"], rel=1e-6)
    predictions = result.predict(X)
    assert predictions.shape == (96, 2)
    assert figures["accuracy"] == pytest.approx((predictions[:32].argmax(1) == valid[1]).mean())

    saved = result.save(tmp_path / "saved")
    np.testing.assert_array_equal(jaxdl.load_run(saved).predict(X), predictions)
    with pytest.raises(jaxdl.UserError, match="exists already"):
        result.save(saved)


@pytest.mark.parametrize(
    ("targets", "said", "shape"),
    [
        (np.array(["no", "yes"])[LABELS], "texts are classes; loss=softmax_cross_entropy", (96, 2)),
        (np.eye(2, dtype=np.float32)[LABELS], "rows with one 1 are classes; loss=softmax_cross_entropy", (96, 2)),
        ((X > 0).astype(int), "5 columns of 0 and 1 are yes-or-no questions; loss=sigmoid_cross_entropy", (96, 5)),
        (X.sum(1) * 100 + 1000, "numbers with a fraction are values to predict; loss=mean_squared_error", (96,)),
    ],
)
def test_the_loss_follows_from_the_targets(targets: Any, said: str, shape: tuple[int, ...]) -> None:
    lines: list[str] = []
    result = fitted(targets, lines)
    assert f"fit: {said}." in lines
    assert "fit: without test= the test figures are those of the train examples." in lines
    assert result.predict(X).shape == shape
    assert result.evaluate(X[:40], targets[:40])["loss"] >= 0


def test_values_are_predicted_in_their_own_unit() -> None:
    targets = X.sum(1) * 100 + 1000
    result = fitted(targets, epochs=30, batch_size=16, learning_rate=0.03)
    error = np.abs(result.predict(X) - targets).mean()
    assert error < 50
    assert result.evaluate(X, targets)["mean_absolute_error"] == pytest.approx(error, rel=1e-4)


def test_bare_functions_are_taken_as_loss_and_metric() -> None:
    def squares(outputs: Any, targets: Any, *, power: float = 2.0) -> Any:
        return jnp.abs(outputs - targets) ** power

    own = fitted(X.sum(1), loss=squares, metrics=["mean_absolute_error", squares], power=2.0, validation=0.25)
    assert own.experiment.objective.kind == "values"
    assert set(own.history) >= {"validation/squares", "validation/mean_absolute_error", "validation/loss"}


def test_weights_are_a_third_array() -> None:
    weights = np.where(LABELS == 1, 1.0, 0.0)
    result = jaxdl.fit(MODEL, (X, LABELS, weights), epochs=20, batch_size=32, learning_rate=0.03, notify=None)
    assert (result.predict(X).argmax(1) == 1).all(), "what has no weight is not learnt"


@jaxdl.source
def sides(*, n: int = 80, columns: int = 1) -> Any:
    """Points, and on which side of the middle they lie: as a class, or a yes or no for each of several axes."""
    x = X[:n]
    y = (x[:, 0] > 0).astype(int) if columns == 1 else (x[:, :columns] > 0).astype(int)
    return {"train": (x[::2], y[::2]), "test": (x[1::2], y[1::2])}


def test_a_data_source_is_taken_as_in_an_experiment(tmp_path: Path) -> None:
    said: list[str] = []
    short: dict[str, Any] = {"epochs": 1, "batch_size": 16, "notify": said.append}
    assert jaxdl.fit(MODEL, sides.function(), **short).summary["data"]["test_examples"] == 40
    result = jaxdl.fit(MODEL, sides, validation=0.25, n=64, **short)
    experiment = jaxdl.Experiment(
        name="fit",
        data=sides(n=64, validation=0.25),  # type: ignore[call-arg]
        model=MODEL,
        objective="softmax_cross_entropy",  # type: ignore[arg-type]
        optimizer="adam",  # type: ignore[arg-type]
        training=jaxdl.Training(epochs=1, batch_size=16),
    )
    summary = jaxdl.train(experiment, run_dir=tmp_path / "train", notify=None)
    assert result.experiment == experiment
    assert result.summary["params_sha256"] == summary["params_sha256"]
    assert result.summary["data"]["validation_examples"] == 8
    assert "fit: the targets of sides are 2 classes; loss=softmax_cross_entropy." in said
    with pytest.raises(jaxdl.UserError, match="after a training on arrays, and this one was on sides"):
        result.evaluate(X, LABELS)


def test_what_does_not_go_with_a_source_is_refused() -> None:
    with pytest.raises(jaxdl.UserError, match=r"validation= goes with data=\(inputs, targets\), and sides has splits"):
        jaxdl.fit(MODEL, sides, validation=(X, LABELS), notify=None)
    with pytest.raises(jaxdl.UserError, match=r"test= goes with .* leave it out, or give the share"):
        jaxdl.fit(MODEL, "digits", test=(X, LABELS), notify=None)
    with pytest.raises(jaxdl.UserError, match="unknown data set 'digitz'"):
        jaxdl.fit(MODEL, "digitz", notify=None)
    with pytest.raises(jaxdl.UserError, match=r"fit: data must be \(inputs, targets\).* or a data source such"):
        jaxdl.fit(MODEL, X, notify=None)  # type: ignore[arg-type]
    with pytest.raises(jaxdl.UserError, match=r"Experiment\(data=...\) must be a part.*not \{'train': "):
        jaxdl.fit(MODEL, {"train": (X, LABELS), "tset": (X, LABELS)}, notify=None)


def test_mistakes_are_named() -> None:
    with pytest.raises(jaxdl.UserError, match="unknown field learnin_rate. Did you mean learning_rate"):
        fitted(LABELS, learnin_rate=1.0)
    with pytest.raises(jaxdl.UserError, match="unknown objective 'msee'"):
        fitted(X.sum(1), loss="msee")
    with pytest.raises(jaxdl.UserError, match=r"fit: data must be \(inputs, targets\)"):
        jaxdl.fit(MODEL, X)  # type: ignore[arg-type]
