"""Batches cut to the length of their sequences, against the same batches with all of their padding."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.steps.buckets import Buckets, buckets_for
from jaxdl.training.feed import Feed
from jaxdl.training.loop import Trainer

STEPS = 24


def sequences(every_step: bool = False) -> jaxdl.Arrays:
    random = np.random.RandomState(0)

    def split(count: int) -> dict[str, np.ndarray]:
        lengths = np.minimum(random.geometric(0.15, count), STEPS)
        inputs = random.normal(size=(count, STEPS, 2)).astype(np.float32)
        targets = (inputs[:, :, 0] > 0).astype(np.int32)
        return {"inputs": inputs, "lengths": lengths, "targets": targets if every_step else targets[:, 0]}

    return jaxdl.Arrays(train=split(120), test=split(37), validation=0.2)


def recipe(buckets: int, every_step: bool = False, dropout: float = 0.0, epochs: int = 2) -> jaxdl.Experiment:
    return jaxdl.Experiment(
        name="sequences",
        data=sequences(every_step),
        model=jaxdl.RNN(features=(6,), bidirectional=True, every_step=every_step, dropout=dropout),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(learning_rate=0.02),
        training=jaxdl.Training(epochs=epochs, batch_size=16, eval_batch_size=7, buckets=buckets),
        metrics=("accuracy",),
    )


def trainer(buckets: int, every_step: bool = False, dropout: float = 0.0) -> Trainer:
    experiment = recipe(buckets, every_step, dropout)
    return Trainer(experiment, experiment.data.load(notify=lambda line: None))


def close(one: Any, other: Any, rtol: float = 1e-4) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-6), one, other)


@pytest.mark.parametrize("longest", [1, 3, 4, 5, 9, 10])
def test_a_batch_is_cut_to_the_least_length_that_holds_its_longest_sequence(longest: int) -> None:
    buckets = Buckets({"": (4, 9, 10)}, {"inputs": "", "targets": ""})
    batch = {
        "inputs": jnp.ones((2, 10, 3)),
        "targets": jnp.ones((2, 10)),
        "lengths": jnp.array([1, longest]),
        "weights": jnp.ones(2),
    }
    expected = 4 if longest <= 4 else 9 if longest <= 9 else 10
    assert buckets.shortened(batch)["inputs"].shape == (2, expected, 3)
    assert buckets.shortened(batch)["targets"].shape == (2, expected)
    sums = jax.jit(lambda batch: buckets.run(lambda cut: cut["inputs"].sum() + cut["targets"].sum(), batch))(batch)
    assert float(sums) == 2 * expected * 4


def single_steps(made: Trainer) -> Any:
    """Returns the state after single steps of whole batches; those of the compiled loop must be the same."""
    state, losses = made.init_state(), []
    for step in range(made.steps_per_epoch + 2):
        state, metrics = made.programs.steps.train_step(state, made.feed.batch(step), made.hparams())
        losses.append(float(metrics["loss"]))
    ended, in_program = made.advance(made.init_state(), made.steps_per_epoch + 2)
    np.testing.assert_allclose(in_program, losses, rtol=1e-4)
    close(ended.params, state.params, rtol=1e-3)
    return state


@pytest.mark.parametrize("every_step", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_training_in_buckets_takes_the_single_steps_of_its_batches_with_all_their_padding(every_step: bool) -> None:
    made = trainer(4, every_step)
    assert made.programs.buckets.count > 1
    assert [*made.programs.buckets.cut] == ["inputs", "targets"][: 2 if every_step else 1]
    single_steps(made)


@pytest.mark.parametrize("every_step", [False, True])
def test_figures_are_those_without_buckets(every_step: bool) -> None:
    cut, whole = trainer(4, every_step), trainer(1, every_step)
    state = cut.init_state()
    for split in ("validation", "test"):
        found, expected = cut.evaluate(state, split), whole.evaluate(state, split)
        assert found["accuracy"] == expected["accuracy"]
        assert found["loss"] == pytest.approx(expected["loss"], rel=1e-5)


@pytest.mark.slow
def test_the_gradients_that_a_diverged_run_shows_are_those_of_the_cut_batch() -> None:
    made = trainer(4, dropout=0.5)
    state = made.init_state()
    loss, _ = made.loss_and_gradients(state)
    _, losses = made.advance(made.init_state(), 1)
    assert float(loss) == pytest.approx(float(losses[0]), rel=1e-5)  # dropout depends on the shape


@pytest.mark.slow
def test_trainings_side_by_side_cut_their_batches_each_at_its_own_length() -> None:
    made = trainer(4, dropout=0.3)
    run = jax.jit(made.programs.run_steps(stacked=True))
    orders = np.stack([made.variant(jaxdl.replace(recipe(4), {"seed": s})).feed.order(0) for s in (0, 1)])
    states = jax.vmap(made.programs.steps.init_state)(np.arange(2, dtype=np.uint32))
    hparams = {name: np.full(2, value) for name, value in made.hparams().items()}
    assert isinstance(made.feed, Feed)
    states, rows = run(states, made.feed.data.arrays, orders, hparams, np.zeros(2, np.int32), np.int32(3))
    for seed in (0, 1):
        alone = made.variant(jaxdl.replace(recipe(4, dropout=0.3), {"seed": seed}))
        state, losses = alone.advance(alone.init_state(), 3)
        np.testing.assert_allclose(rows["loss"][seed, :3], losses, rtol=1e-4)
        close(jax.tree.map(lambda leaf, seed=seed: leaf[seed], states.params), state.params, rtol=1e-3)


class Positions(nn.Module):
    """A user's model with a vector for each position, which needs inputs of one length."""

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
        position = self.param("position", nn.initializers.zeros_init(), (STEPS, 2))
        return nn.Dense(2)((inputs + position).mean(1))


def test_a_model_that_needs_one_length_is_told_of_the_way_out() -> None:
    experiment = jaxdl.replace(recipe(4), {"model": Positions()})
    dataset = experiment.data.load(notify=lambda line: None)
    with pytest.raises(UserError, match=r"steps in the place of 24, .*takes --training\.buckets=1"):
        Trainer(experiment, dataset).compile()
    Trainer(jaxdl.replace(experiment, {"training.buckets": 1}), dataset).compile()


def test_targets_of_as_many_numbers_as_there_are_steps_are_not_cut() -> None:
    made = trainer(1)
    shapes = {"inputs": (1, STEPS, 2), "targets": (1, STEPS), "lengths": (1,)}
    batch = {name: jax.ShapeDtypeStruct(shape, jnp.float32) for name, shape in shapes.items()}
    batch["lengths"] = jax.ShapeDtypeStruct((1,), jnp.int32)
    found = buckets_for(made.programs.steps, made.state_shapes(), batch, {"": (5, STEPS)})
    assert found == Buckets({"": (5, STEPS)}, {"inputs": ""})


@pytest.mark.parametrize(("words", "sound", "place"), [(2, 5, 0), (3, 1, 1), (1, 6, 1), (3, 7, 2), (8, 2, 2)])
def test_a_batch_of_two_sequences_is_cut_to_the_first_bucket_that_holds_both(
    words: int, sound: int, place: int
) -> None:
    lengths = {"words": (2, 3, 8), "sound": (5, 6, 9)}
    buckets = Buckets(lengths, {"inputs/words": "words", "targets": "words", "inputs/sound": "sound"})
    shapes: dict[str, tuple[int, ...]] = {"inputs/words": (2, 8), "inputs/sound": (2, 9, 3), "targets": (2, 8)}
    batch = {name: jnp.ones(shape) for name, shape in shapes.items()} | {"inputs/table": jnp.ones((2, 9))}
    batch |= {"lengths/words": jnp.array([1, words]), "lengths/sound": jnp.array([sound, 0])}
    short, long = lengths["words"][place], lengths["sound"][place]
    cut = buckets.shortened(batch)
    assert (cut["inputs/words"].shape, cut["targets"].shape, cut["inputs/sound"].shape) == (
        (2, short),
        (2, short),
        (2, long, 3),
    )
    assert cut["inputs/table"].shape == (2, 9)
    sums = jax.jit(lambda batch: buckets.run(lambda cut: cut["targets"].sum() + cut["inputs/sound"].sum(), batch))(
        batch
    )
    assert float(sums) == 2 * short + 6 * long


class Heard(nn.Module):
    """Reads two sequences: a class for each of the words, from these and from the mean of the sound."""

    outputs: int | None = None
    fixed: bool = False

    @nn.compact
    def __call__(self, words: Any, sound: Any, *, train: bool = False, lengths: Any = None) -> Any:
        heard = jnp.arange(sound.shape[1]) < lengths["sound"][:, None]
        mean = (sound * heard[..., None]).sum(1) / jnp.maximum(heard.sum(1, keepdims=True), 1)
        if self.fixed:
            mean = nn.Dense(2)(sound.reshape(len(sound), -1))
        read = jaxdl.RNN(features=(4,), outputs=4, every_step=True)(words, train=train, lengths=lengths["words"])
        return nn.Dense(self.outputs)(read + nn.Dense(4)(mean)[:, None])


def of_two_sequences(buckets: int, fixed: bool = False) -> Trainer:
    random = np.random.RandomState(0)

    def split(count: int) -> tuple[dict[str, Any], list[np.ndarray]]:
        words = [random.normal(size=(min(random.geometric(0.2), 20), 2)).astype(np.float32) for _ in range(count)]
        sound = [random.normal(size=(min(2 + len(each), STEPS), 3)).astype(np.float32) for each in words]
        return {"words": words, "sound": sound}, [(each[:, 0] > 0).astype(int) for each in words]

    experiment = jaxdl.replace(
        recipe(buckets),
        {"data": jaxdl.Arrays(train=split(120), test=split(37), validation=0.2), "model": Heard(fixed=fixed)},
    )
    return Trainer(experiment, experiment.data.load(notify=lambda line: None))


def test_two_sequences_in_buckets_take_the_single_steps_of_their_batches_with_all_their_padding() -> None:
    made, whole = of_two_sequences(4), of_two_sequences(1)
    buckets = made.programs.buckets
    assert buckets.count > 1 and set(buckets.lengths) == {"words", "sound"}
    assert buckets.cut == {"inputs/words": "words", "inputs/sound": "sound", "targets": "words"}
    cut = [made.programs.buckets.shortened(made.feed.batch(step)) for step in range(made.steps_per_epoch)]
    assert sum(batch["inputs/sound"].shape[1] for batch in cut) < 0.8 * STEPS * len(cut)
    state = single_steps(made)
    for split in ("validation", "test"):
        found, expected = made.evaluate(state, split), whole.evaluate(state, split)
        assert found["accuracy"] == expected["accuracy"]
        assert found["loss"] == pytest.approx(expected["loss"], rel=1e-5)


def test_a_model_of_two_sequences_that_needs_one_length_is_told_which_were_shorter() -> None:
    made = of_two_sequences(4, fixed=True)
    places = [
        f"{name} of {lengths[0]} steps in the place of {lengths[-1]}" for name, lengths in made.feed.buckets.items()
    ]
    with pytest.raises(UserError, match=rf"with {' and '.join(places)}, .*takes --training\.buckets=1"):
        made.compile()
