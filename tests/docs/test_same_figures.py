"""Where the arithmetic of Keras is the same, so are the figures: batches of all examples, from the same weights."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import jaxdl

os.environ.setdefault("KERAS_BACKEND", "jax")
keras = pytest.importorskip("keras", reason="pip install -c constraints.txt -e '.[bench]' brings it")
pytest.importorskip("safetensors", reason="weights go by a file: pip install -c constraints.txt -e '.[weights]'")
pytestmark = [pytest.mark.slow, pytest.mark.nightly]

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(320, 4)).astype("float32")
LABELS = (X.sum(1) + RANDOM.normal(size=320) > 0).astype(int)
PRICE = 250 + 40 * X.sum(1)
SCALED = (PRICE - PRICE.mean()) / PRICE.std()
WEIGHTS = np.abs(X[:, 0])
CLASSES = keras.losses.SparseCategoricalCrossentropy()
EPOCHS = 20
NETWORK = jaxdl.MLP(features=(16,))


def theirs(outputs: int = 2, activation: str | None = "softmax") -> Any:
    layers = [keras.Input((4,)), keras.layers.Dense(16, "relu"), keras.layers.Dense(outputs, activation)]
    return keras.Sequential(layers)


def trained(model: Any, loss: Any, targets: Any, inputs: Any = X, **given: Any) -> dict[str, list[float]]:
    compiled = {name: given.pop(name) for name in ("metrics", "loss_weights") if name in given}
    model.compile(keras.optimizers.Adam(0.01, epsilon=1e-8), loss, **compiled)
    fitted = model.fit(inputs, targets, batch_size=len(X), epochs=EPOCHS, verbose=0, **given)
    figures: dict[str, list[float]] = fitted.history
    return figures


def ours(folder: Path, model: Any, data: Any, outputs: int = 2, network: Any = NETWORK, **given: Any) -> jaxdl.Fit:
    """Trains from the present weights of a model of Keras."""
    shape = np.shape(data[0])[1:]
    fitted = network.clone(outputs=outputs) if hasattr(network, "outputs") else network
    jaxdl.save_weights(folder / "begin.safetensors", jaxdl.from_keras(model, fitted, shape))
    fixed = {"batch_size": len(X), "epochs": EPOCHS, "learning_rate": 0.01, "notify": None}
    return jaxdl.fit(network, data, init_from=folder / "begin.safetensors", **{**fixed, **given})


def same(ours: Any, theirs: Any, tolerance: float = 2e-4) -> None:
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=tolerance, atol=tolerance)


def test_classes_and_auc(tmp_path: Path) -> None:
    model = theirs()
    result = ours(tmp_path, model, (X, LABELS), metrics=("accuracy", "auc"))
    figures = trained(model, CLASSES, LABELS, metrics=["accuracy"])
    same(result.history["train/loss"], figures["loss"])
    same(result.history["train/accuracy"], figures["accuracy"])
    probabilities = model.predict(X, verbose=0)
    same(result.predict(X), probabilities)
    exact = keras.metrics.AUC(num_thresholds=5000)
    exact.update_state(LABELS, probabilities[:, 1])
    assert result.evaluate(X, LABELS)["auc"] == pytest.approx(float(exact.result()), abs=1e-3)


@pytest.mark.parametrize("weighing", ["classes", "examples"])
def test_weights(tmp_path: Path, weighing: str) -> None:
    """The loss is divided by the sum of the weights here, so weights of mean 1 are the same."""
    model, counts = theirs(), np.bincount(LABELS)
    share = len(X) / (counts[0] + 5 * counts[1])
    by_class, by_example = {0: share, 1: 5 * share}, WEIGHTS / WEIGHTS.mean()
    data = (X, LABELS) if weighing == "classes" else (X, LABELS, by_example)
    result = ours(tmp_path, model, data, **({"class_weight": by_class} if weighing == "classes" else {}))
    trained(
        model, CLASSES, LABELS, **{"class_weight": by_class} if weighing == "classes" else {"sample_weight": by_example}
    )
    same(result.predict(X), model.predict(X, verbose=0))


def pinball(maximum: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda error, share: maximum(share * error, (share - 1) * error)


def test_numbers_with_a_loss_and_a_metric_of_ones_own(tmp_path: Path) -> None:
    def at_most(outputs: Any, targets: Any, *, share: float = 0.9) -> Any:
        return pinball(jnp.maximum)(targets - outputs, share)

    def in_cents(outputs: Any, targets: Any) -> Any:
        return 100 * jnp.abs(targets - outputs)

    model = theirs(1, None)
    result = ours(tmp_path, model, (X, PRICE), outputs=1, loss=at_most, metrics=(in_cents,))
    figures = trained(model, lambda true, said: pinball(keras.ops.maximum)(true - said, 0.9), SCALED)
    same(result.history["train/loss"], figures["loss"])
    predicted = PRICE.mean() + PRICE.std() * model.predict(X, verbose=0)[:, 0]
    np.testing.assert_allclose(result.predict(X), predicted, rtol=1e-3)
    cents = result.evaluate(X, PRICE)["in_cents"]
    assert cents == pytest.approx(100 * np.abs(predicted - PRICE).mean(), rel=1e-3)


def test_several_labels(tmp_path: Path) -> None:
    model = theirs(4, "sigmoid")
    result = ours(tmp_path, model, (X, X > 0.3), outputs=4)
    figures = trained(model, "binary_crossentropy", X > 0.3)
    same(result.history["train/loss"], figures["loss"])
    same(result.predict(X), model.predict(X, verbose=0))


def test_a_smaller_rate_where_nothing_improves(tmp_path: Path) -> None:
    model = theirs()
    plateau = jaxdl.Plateau(cut=0.2, wait=2, margin=0.02)
    result = ours(tmp_path, model, (X, LABELS), validation=(X, LABELS), schedule=plateau, learning_rate=0.05)
    slower = keras.callbacks.ReduceLROnPlateau(factor=0.2, patience=2, min_delta=0.02)
    given = {"validation_data": (X, LABELS), "validation_batch_size": len(X), "callbacks": [slower]}
    model.compile(keras.optimizers.Adam(0.05, epsilon=1e-8), CLASSES)
    figures = model.fit(X, LABELS, batch_size=len(X), epochs=EPOCHS, verbose=0, **given).history
    same(result.history["validation/loss"], figures["val_loss"])
    assert min(figures["learning_rate"]) < 0.05, "the rate was cut"


def test_a_frozen_layer(tmp_path: Path) -> None:
    model = theirs()
    result = ours(tmp_path, model, (X, LABELS), freeze="dense_1")
    model.layers[0].trainable = False
    same(result.history["train/loss"], trained(model, CLASSES, LABELS)["loss"])


def test_windows_of_a_series(tmp_path: Path) -> None:
    series = np.sin(np.arange(120) / 8).astype("float32")
    windows, following = np.lib.stride_tricks.sliding_window_view(series[:-1], 24)[..., None], series[24:]
    model = keras.Sequential([keras.Input((24, 1)), keras.layers.LSTM(8), keras.layers.Dense(1)])
    given = {"standardize": False, "batch_size": len(windows), "cell": "lstm"}
    result = ours(tmp_path, model, (windows, following), outputs=1, network=jaxdl.RNN(features=(8,)), **given)
    model.compile(keras.optimizers.Adam(0.01, epsilon=1e-8), "mse")
    figures = model.fit(windows, following, batch_size=len(windows), epochs=EPOCHS, verbose=0).history
    same(result.history["train/loss"], figures["loss"])
