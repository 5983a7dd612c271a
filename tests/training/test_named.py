"""Trainings on several inputs and targets: the arithmetic, resuming, hooks, sweeps, streams, and one statement."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

import jaxdl
from jaxdl.experiment.weights import class_weights
from jaxdl.record import read_metrics
from jaxdl.training.cache import Cache
from jaxdl.training.hooks import Hooks
from tests.named import Both, arrays, recipe
from tests.training.test_hook_calls import Killed


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return Cache(tmp_path_factory.mktemp("data"), lambda line: None)


def train(one: jaxdl.Experiment, run_dir: Path, cache: Cache | None = None) -> dict[str, Any]:
    return dict(jaxdl.train(one, run_dir=run_dir, cache=cache, hooks=Hooks(plots=False), notify=None))


def test_a_step_is_the_gradient_of_the_weighted_sum_of_both_losses() -> None:
    one = dataclasses.replace(recipe(), optimizer=jaxdl.SGD(learning_rate=0.1, momentum=0.0))
    dataset = one.data.load()
    trainer = jaxdl.Trainer(one, dataset)
    state = trainer.init_state()
    params: Any = jax.tree.map(np.array, state.params)
    batch = trainer.feed.batch(0)
    target = dict(dataset.spec.targets)["size"].target

    def loss(params: Any) -> jax.Array:
        image = jnp.asarray(batch["inputs/image"], jnp.float32) / 255
        outputs: Any = Both(outputs_shade=3).apply({"params": params}, image, batch["inputs/table"])
        of_shade = optax.losses.softmax_cross_entropy_with_integer_labels(outputs["shade"], batch["targets/shade"])
        standard = (batch["targets/size"] - target.mean[0]) / target.deviation[0]
        return of_shade.mean() + 0.5 * ((outputs["size"][:, 0] - standard) ** 2).mean()

    value, gradients = jax.value_and_grad(loss)(params)
    after, losses = trainer.advance(state, 1)
    assert losses[0] == pytest.approx(float(value), rel=1e-5)
    expected = jax.tree.map(lambda param, gradient: param - 0.1 * gradient, params, gradients)
    jax.tree.map(lambda found, wanted: np.testing.assert_allclose(found, wanted, atol=2e-6), after.params, expected)


def test_a_run_that_was_killed_goes_on_to_the_same_bits(cache: Cache, tmp_path: Path) -> None:
    kill = True

    @jaxdl.hook(every=4)
    def hook(now: jaxdl.Moment) -> None:
        if now.step == 8 and kill:
            raise Killed
        now.log("sizes", float(now.predictions("test")["size"].mean()))

    one = jaxdl.replace(recipe(), {"hooks": (hook, "save_predictions"), "checkpoint.every": "3steps"})
    whole = train(recipe(), tmp_path / "whole", cache)
    with pytest.raises(Killed):
        train(one, tmp_path / "run", cache)
    kill = False
    summary = train(one, tmp_path / "run", cache)
    assert summary["params_sha256"] == whole["params_sha256"]
    names = ["test/loss", "test/shade/loss", "test/size/loss", "test/shade/accuracy", "test/size/mean_absolute_error"]
    assert [name for name in summary["metrics"] if name.startswith("test/")] == names
    assert all(summary["metrics"][name] == whole["metrics"][name] for name in names)
    with np.load(tmp_path / "run" / "predictions" / "0000012.npz") as saved:
        assert saved["shade"].shape == (37, 3)
    assert "shade" in (tmp_path / "run" / "report.html").read_text()


def test_figures_do_not_depend_on_the_batch_of_evaluation(cache: Cache, tmp_path: Path) -> None:
    found = [train(recipe(epochs=1, eval_batch_size=size), tmp_path / str(size))["metrics"] for size in (16, 37)]
    assert found[0] == pytest.approx(found[1], rel=1e-5)


@pytest.mark.slow
def test_trainings_side_by_side_take_the_weights_of_losses_as_data(tmp_path: Path) -> None:
    execution = jaxdl.Execution(batch=2)
    results = jaxdl.sweep(
        recipe(), {"objective.weight_size": "0.0,1.0"}, sweep_dir=tmp_path / "sweep", execution=execution,
        sweep_objective="validation/size/loss", notify=lambda line: None,
    )  # fmt: skip
    without, with_it = (trial.objective or 0.0 for trial in results.trials)
    assert results.best is not None and results.best.number == 1 and without > with_it
    alone = train(jaxdl.replace(recipe(), {"objective.weight_size": 1.0}), tmp_path / "alone")
    assert with_it == pytest.approx(alone["metrics"]["validation/size/loss"], rel=1e-4)


def test_examples_brought_in_parts_give_the_same_bits(cache: Cache, tmp_path: Path) -> None:
    in_parts = train(jaxdl.replace(recipe(), {"data.stream": "on"}), tmp_path / "parts")
    assert in_parts["params_sha256"] == train(recipe(), tmp_path / "whole", cache)["params_sha256"]


def test_a_batch_in_parts_gives_what_the_whole_batch_gives(cache: Cache, tmp_path: Path) -> None:
    whole = train(recipe(), tmp_path / "whole", cache)["metrics"]
    in_parts = train(recipe(accumulate=4), tmp_path / "parts")["metrics"]
    assert in_parts == pytest.approx(whole, rel=1e-4)
    train_lines = [read_metrics(tmp_path / name)[0] for name in ("whole", "parts")]
    assert train_lines[1]["size/loss"] == pytest.approx(train_lines[0]["size/loss"], rel=1e-4)


def test_classes_of_one_of_several_targets_are_weighed(tmp_path: Path) -> None:
    summary = train(recipe(epochs=1, class_weight="balanced"), tmp_path / "balanced")
    counts = np.unique(arrays(90)[1]["shade"], return_counts=True)[1]
    assert summary["data"]["class_weight"]["shade"] == pytest.approx(90 / (3 * counts))
    one = recipe(epochs=20, class_weight=(1.0, 1.0, 0.0))
    train(one, tmp_path / "run")
    shades = jaxdl.load_run(tmp_path / "run", one).predict(arrays(90)[0])["shade"]  # type: ignore[call-overload]
    assert set(shades.argmax(1)) == {0, 1}, "a class without a weight is not learnt"
    two = jaxdl.losses({"shade": "softmax_cross_entropy", "size": "softmax_cross_entropy"})
    both = {"shade": arrays(90)[1]["shade"], "size": arrays(90)[1]["shade"]}
    data = jaxdl.Arrays(train=(arrays(90)[0], both), test=(arrays(90)[0], both), validation=0.0)
    for changed, message in (
        (dataclasses.replace(one, objective=two, data=data), "several targets have classes .shade, size."),
        (
            dataclasses.replace(one, objective={"shade": "sigmoid_cross_entropy", "size": "mean_squared_error"}),
            "no target has classes",
        ),
    ):
        with pytest.raises(jaxdl.UserError, match=message):
            class_weights(changed, changed.data.load())


def test_one_statement_says_what_each_target_is(tmp_path: Path) -> None:
    said: list[str] = []

    def far(outputs: jax.Array, targets: jax.Array) -> jax.Array:
        return abs(outputs - targets)[..., 0] > 10

    result = jaxdl.fit(
        Both(), arrays(90), test=arrays(37, 1), loss={"size": "mae"}, loss_weights={"size": 0.5}, batch_size=16,
        metrics={"shade": ["accuracy", "f1"], "size": far},
        augmentation={"image": jaxdl.Augmentation(gaussian_noise=0.1)},
        watch="train/size/loss", epochs=2, run_dir=tmp_path / "run", notify=said.append,
    )  # fmt: skip
    assert "fit: shade: texts are classes; loss=softmax_cross_entropy." in said
    assert not any("size: numbers" in line for line in said)
    assert len(result.history["train/size/loss"]) == 2
    predicted: Any = result.predict(arrays(37, 1)[0])
    figures = result.evaluate(*arrays(37, 1))
    assert figures["size/far"] == pytest.approx((abs(predicted["size"] - arrays(37, 1)[1]["size"]) > 10).mean())
    assert 0 <= figures["shade/f1"] <= 1
    assert result.experiment.augmentation.parts["image"].gaussian_noise == 0.1  # type: ignore[attr-defined]
    lines = [line for line in read_metrics(tmp_path / "run") if line["split"] == "train"]
    assert lines[0]["loss"] == pytest.approx(lines[0]["shade/loss"] + 0.5 * lines[0]["size/loss"], rel=1e-5)
    for wrong, message in (
        ({"loss": "mse"}, "there are several targets; give loss={'shade': ..., 'size': ...}"),
        ({"loss": {"sise": "mse"}}, "unknown target in loss: 'sise'. Did you mean 'size'"),
    ):
        with pytest.raises(jaxdl.UserError, match=message):
            jaxdl.fit(Both(), arrays(10), notify=None, **wrong)


def test_a_model_must_give_each_output(tmp_path: Path) -> None:
    class Wrong(Both):
        def __call__(self, image: Any, table: Any, **call: Any) -> Any:
            return super().__call__(image, table, **call)["size"]

    with pytest.raises(jaxdl.UserError, match="must return a dictionary with the outputs shade, size, not"):
        jaxdl.fit(Wrong(outputs_shade=3), arrays(10), notify=None)


class Tagger(nn.Module):
    """Reads two sequences: a class for each step of the words, from these and the mean of the sound."""

    outputs: int | None = None
    vocabulary: int | None = None

    @nn.compact
    def __call__(self, words: Any, sound: Any, *, train: bool = False, lengths: Any = None) -> Any:
        heard = jnp.arange(sound.shape[1]) < lengths["sound"][:, None]
        mean = (sound * heard[..., None]).sum(1) / heard.sum(1, keepdims=True)
        return nn.Dense(self.outputs)(nn.Embed(self.vocabulary, 3)(words) + nn.Dense(3)(mean)[:, None])


def test_two_sequences_have_their_own_lengths_and_steps_beyond_them_do_not_count(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    words = [random.integers(1, 6, random.integers(1, 8)) for _ in range(40)]
    sound = [random.normal(size=(random.integers(2, 5), 2)).astype(np.float32) for _ in range(40)]
    tags, inputs = [each % 2 for each in words], {"words": words, "sound": sound}
    data = jaxdl.Arrays(train=(inputs, tags), test=(inputs, tags), ids=True, validation=0.0)
    one = jaxdl.Experiment(
        "tags", data, Tagger(), jaxdl.SoftmaxCrossEntropy(), jaxdl.Adam(learning_rate=0.02),
        jaxdl.Training(epochs=2, batch_size=8, watch="train/loss"),
    )  # fmt: skip
    whole = train(one, tmp_path / "whole")["metrics"]
    predicted = jaxdl.load_run(tmp_path / "whole", one).predict(inputs)
    right = [(row[: len(tag)].argmax(1) == tag) for row, tag in zip(predicted, tags, strict=True)]
    assert whole["test/accuracy"] == pytest.approx(np.concatenate(right).mean())
    in_parts = train(jaxdl.replace(one, {"training.accumulate": 2}), tmp_path / "parts")["metrics"]
    assert in_parts["test/loss"] == pytest.approx(whole["test/loss"], rel=1e-4)
