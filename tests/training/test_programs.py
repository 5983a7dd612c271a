"""The compiled programs of a training: what they depend on, and that each is compiled once."""

from __future__ import annotations

import dataclasses
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from flax import linen as nn

import jaxdl
from jaxdl.backend.compiler import compiled_together
from jaxdl.data.resident import put_on_device
from jaxdl.errors import UserError
from jaxdl.fields import static, traced
from jaxdl.training.feed import Feed
from jaxdl.training.programs import Programs, program_key
from tests.small import blobs


def experiment(**changes: object) -> jaxdl.Experiment:
    base = jaxdl.Experiment(
        name="programs",
        data=jaxdl.Digits(),
        model=jaxdl.MLP(features=(8,), dropout=0.1),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(learning_rate=1e-2),
        training=jaxdl.Training(epochs=3, batch_size=16, eval_batch_size=7),
    )
    return jaxdl.replace(base, changes)


def programs(**changes: object) -> Programs:
    dataset, recipe = blobs(), experiment(**changes)
    recipe = recipe.for_spec(dataset.spec)
    return Programs(recipe, dataset.spec, Feed(put_on_device(dataset), recipe.training.batch_size, recipe.seed))


@pytest.mark.parametrize(
    "change",
    [
        {"optimizer.learning_rate": 1.0},
        {"model.dropout": 0.5},
        {"seed": 7},
        {"name": "other"},
        {"training.watch": "validation/accuracy"},
        {"training.patience": 3},
        {"checkpoint.every": "1h"},
    ],
)
def test_traced_fields_and_those_of_saving_and_stopping_share_the_programs(change: dict[str, object]) -> None:
    assert program_key(experiment(**change)) == program_key(experiment())


@pytest.mark.parametrize(
    "change",
    [
        {"model.features": (9,)},
        {"model.dropout": 0.0},  # dropout that is off is not in the program at all
        {"model": jaxdl.RNN(features=(8,), dropout=0.1)},
        {"optimizer": jaxdl.AdamW(learning_rate=1e-2)},
        {"optimizer.schedule": jaxdl.Cosine()},
        {"training.batch_size": 8},
        {"training.eval_batch_size": 8},
        {"training.epochs": 4},
        {"training.nan": "skip"},
        {"data.validation": 0.3},
        {"metrics": ("accuracy", "f1")},
    ],
)
def test_static_fields_need_programs_of_their_own(change: dict[str, object]) -> None:
    assert program_key(experiment(**change)) != program_key(experiment())


def test_each_program_is_compiled_when_it_is_first_asked_for_and_never_again() -> None:
    found = programs()
    assert not found.present
    first, seconds = found.get("init")
    again, nothing = found.get("init")
    assert first is again and seconds > 0 and nothing == 0
    assert found.present == ("init",) and found.compiler_options.keys() == {"init"}


def test_all_programs_compiled_together_give_what_those_compiled_one_by_one_give() -> None:
    together, alone = (jaxdl.Trainer(experiment(), blobs()) for _ in range(2))
    together.compile()
    assert {*together.programs.present} == {"init", "train", "eval"} and together.compile_seconds > 0
    assert together.programs.compile(["eval", "init"]) == 0
    ends = [trainer.advance(trainer.init_state(), 5) for trainer in (together, alone)]
    assert {*alone.programs.present} == {"init", "train"}
    for one, other in zip(*map(jax.tree.leaves, [(state.params, losses) for state, losses in ends]), strict=True):
        np.testing.assert_array_equal(one, other)
    assert together.evaluate(ends[0][0], "test") == alone.evaluate(ends[1][0], "test")


def test_a_training_counts_the_time_in_which_another_thread_compiles_its_programs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found, calls = programs(), []
    compiling, goes_on = threading.Event(), threading.Event()

    def compiled_late(*given: Any) -> Any:
        calls.append(given)
        compiling.set()
        assert goes_on.wait(60)
        return compiled_together(*given)

    monkeypatch.setattr("jaxdl.training.programs.compiled_together", compiled_late)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(found.compile, ["init"])
        assert compiling.wait(60)
        second = pool.submit(found.compile, ["init"])
        time.sleep(0.2)
        goes_on.set()
        assert first.result() > 0 and second.result() > 0
    assert len(calls) == 1 and found.compile(["init"]) == 0


def test_initial_parameters_are_compiled_with_less_optimisation_on_a_cpu() -> None:
    found = programs()
    found.compile(["init", "train"])
    level = "xla_backend_optimization_level"
    assert {name: level in options for name, options in found.compiler_options.items()} == {
        "init": jax.default_backend() == "cpu",
        "train": False,
    }


def test_training_compiles_one_program_for_train_and_one_for_eval(caplog: pytest.LogCaptureFixture) -> None:
    with jax.log_compiles(), caplog.at_level("WARNING"):
        trainer = jaxdl.Trainer(experiment(**{"training.epochs": 4}), blobs())
        for epoch in trainer.train(trainer.init_state()):
            trainer.evaluate(epoch.state, "test")
    compiled = [message.split()[1] for message in caplog.messages if message.startswith("Compiling ")]
    assert sorted(compiled) == ["jit(init_state)", "jit(run_eval_steps)", "jit(run_train_steps)"]


def test_shapes_are_known_before_any_step_and_are_those_of_the_state_and_the_metrics() -> None:
    found = programs(**{"training.nan": "skip"})
    rows = {name: (shape.shape, shape.dtype) for name, shape in found.row_shapes.items()}
    assert rows == {name: ((4,), np.float32) for name in ("loss", "accuracy", "skipped")}
    assert found.present == ()
    state = found.get("init")[0](np.uint32(0))
    described = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), state)
    assert described == jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), found.state_shapes)


class Odd(nn.Module):
    """A linear model that reads one of its two numbers.

    Attributes:
        scale: factor of the outputs.
        unused: never read.
        outputs: size of the last layer.
    """

    scale: float = traced(1.0, "factor of the outputs")
    unused: float = traced(1.0, "never read")
    outputs: int | None = static(None, "size of the last layer")

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
        assert self.outputs is not None
        if inputs.shape[1:] != (4, 4, 1):
            raise ValueError("only images\nof 4 by 4")
        return self.scale * nn.Dense(self.outputs)(inputs.reshape((len(inputs), -1)))


def test_only_the_numbers_that_a_program_reads_are_named() -> None:
    found = programs(model=Odd(), optimizer=jaxdl.SGD(learning_rate=0.1))
    assert found.reads() == {"model.scale", "optimizer.learning_rate"}


@pytest.mark.slow
def test_a_larger_batch_needs_more_memory_and_the_data_count_for_none() -> None:
    small, large = (programs(**{"training.batch_size": size}).memory_needed() for size in (1, 50))
    assert 0 < small < large
    dataset = blobs(train=5000)
    recipe = experiment(**{"training.batch_size": 1}).for_spec(dataset.spec)
    data = put_on_device(dataset)
    more = Programs(recipe, dataset.spec, Feed(data, 1, 0)).memory_needed()
    # For each of the 4,950 examples more: its place in the order and two metrics of its step, of four bytes each, and
    # copies of these; but not the 16 bytes of its image.
    assert (more - small) / 4950 < 16 + 4 * 3


def test_more_steps_than_an_int32_counts_are_refused() -> None:
    with pytest.raises(UserError, match="4,000,000,000 train steps are more than can be counted; lower --epochs"):
        programs(**{"training.epochs": 10**9})


def test_a_model_that_does_not_fit_the_data_is_named_in_one_line() -> None:
    recipe = experiment(model=Odd())
    trainer = jaxdl.Trainer(recipe, recipe.data.load(Path(), print))
    with pytest.raises(UserError, match="the model does not fit the data: only images of 4 by 4"):
        trainer.compile()


def test_programs_can_be_read_before_and_after_xla_has_optimised_them() -> None:
    found = programs()
    assert "stablehlo" in found.source_text("train") and not found.present
    assert "HloModule" in found.optimized_text("train") and found.present == ("train",)


class Strided(nn.Module):
    """A convolution, and a strided one, whose gradient puts zeros between elements."""

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
        hidden = nn.Conv(4, (3, 3), name="plain")(inputs)
        hidden = nn.Conv(6, (2, 2), strides=(2, 2), name="strided")(hidden)
        return nn.Dense(3, name="output")(hidden.reshape(hidden.shape[0], -1))


class Repeated(nn.Module):
    """A product that a loop makes five times."""

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (16, 16))
        hidden = inputs.reshape(inputs.shape[0], 16)
        hidden, _ = jax.lax.scan(lambda carry, _: (carry @ kernel, None), hidden, length=5)
        return nn.Dense(3, name="output")(hidden)


@pytest.mark.parametrize(
    ("model", "multiply_adds"),
    [
        (jaxdl.MLP(features=(5,)), 2 * 16 * 5 + 3 * 5 * 3),
        (Strided(), 2 * 16 * 9 * 4 + 3 * 4 * 4 * 4 * 6 + 3 * 24 * 3),
        # The first turn multiplies the inputs, whose gradient the loop makes all the same.
        (Repeated(), 3 * 5 * 16 * 16 + 3 * 16 * 3),
    ],
)
def test_the_work_of_a_step_is_that_of_its_products(model: nn.Module, multiply_adds: int) -> None:
    dataset, recipe = blobs(), jaxdl.replace(experiment(), {"training.batch_size": 8})
    recipe = dataclasses.replace(recipe, model=model).for_spec(dataset.spec)
    found = Programs(recipe, dataset.spec, Feed(put_on_device(dataset), 8, recipe.seed))
    assert found.step_flops == {"float32": 2 * 8 * multiply_adds}


def test_native_operations_are_worth_trying_for_long_updates_of_adam() -> None:
    wide = {"model.features": (1024, 1024)}
    assert programs(**wide).has_native and not programs(**wide).has_native_products
    assert not programs().has_native
    assert not programs(**wide, optimizer=jaxdl.SGD()).has_native
    assert not programs(**wide, **{"training.norms": True}).has_native
