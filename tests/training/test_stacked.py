"""Trainings side by side in one program give what each gives alone, within rounding."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jaxdl
from jaxdl.checkpoint.digest import params_sha256
from jaxdl.training.cache import Cache
from jaxdl.training.stacked import Stacked, StackedPlace
from tests.experiments.twins import twin
from tests.small import blobs

RECIPES: dict[str, tuple[jaxdl.Experiment, dict[str, Any]]] = {
    "mlp": (twin("digits_mlp"), {"optimizer.learning_rate": [1e-3, 3e-3, 1e-2], "model.dropout": [0.1, 0.2, 0.3]}),
    "cnn": (twin("digits_cnn"), {"optimizer.learning_rate": [1e-3, 3e-3, 1e-2], "seed": [0, 1, 2]}),
    "augmented": (
        jaxdl.replace(twin("digits_cnn"), {"augmentation": jaxdl.Augmentation("both", 1, 20.0, 0.2, 0.2, 0.2, 2, 0.1)}),
        {"augmentation.rotation": [5.0, 20.0, 30.0], "augmentation.cutout": [1, 2, 3], "seed": [0, 1, 2]},
    ),
    "mixed": (
        jaxdl.replace(twin("digits_cnn"), {"augmentation": jaxdl.Augmentation(crop=0.5, mixup=0.2, cutmix=1.0)}),
        {"augmentation.crop": [0.3, 0.5, 0.9], "augmentation.mixup": [0.1, 0.2, 1.0], "seed": [0, 1, 2]},
    ),
    "frozen": (
        jaxdl.replace(
            twin("digits_mlp"),
            {"optimizer.freeze": "dense_1/kernel", "optimizer.groups": {"dense_1": 0.1}, "training.ema": 0.9},
        ),
        {"optimizer.learning_rate": [1e-3, 3e-3, 1e-2], "optimizer.weight_decay": [0.1, 0.2, 0.3]},
    ),
    "rnn": (twin("mnist_rnn"), {"optimizer.learning_rate": [1e-3, 3e-3, 1e-2], "seed": [0, 1, 2]}),
}


@pytest.mark.parametrize(
    "kind", ["mlp", *(pytest.param(kind, marks=pytest.mark.slow) for kind in RECIPES if kind != "mlp")]
)
def test_each_training_goes_as_it_goes_alone(kind: str, tmp_path: Path) -> None:
    recipe, fields = RECIPES[kind]
    cache = Cache(tmp_path, print)
    recipe = recipe.for_spec(cache.dataset(recipe).spec)
    columns = zip(*fields.values(), strict=True)
    recipes = [jaxdl.replace(recipe, dict(zip(fields, values, strict=True))) for values in columns]
    alone = [_steps(cache.trainer(each), 12) for each in recipes]
    cache.side_by_side = 4  # one place more than there are trainings
    trainers = [cache.trainer(each, place_of="one") for each in recipes]
    found = _in_threads([functools.partial(_steps, trainer, 12) for trainer in trainers])
    for (params, losses), (expected, expected_losses) in zip(found, alone, strict=True):
        np.testing.assert_allclose(losses, expected_losses, rtol=2e-4)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-2, atol=2e-4), params, expected)
    assert cache.compiled()["train"] == 2  # one alone, one for all side by side


def _steps(trainer: jaxdl.Trainer, count: int) -> tuple[Any, np.ndarray]:
    try:
        state, losses = trainer.advance(trainer.init_state(), count)
        return state.params, losses
    finally:
        trainer.close()


def _in_threads(functions: list[Any]) -> list[Any]:
    with ThreadPoolExecutor(len(functions)) as pool:
        return [future.result() for future in [pool.submit(function) for function in functions]]


@pytest.mark.slow
def test_an_error_in_the_program_reaches_every_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = twin("digits_mlp")
    cache = Cache(tmp_path, print)
    recipe = recipe.for_spec(cache.dataset(recipe).spec)
    cache.side_by_side = 2
    trainers = [cache.trainer(recipe, place_of="one") for _ in range(2)]
    assert trainers[0].side_by_side == 2

    def fail(stacked: Stacked, arguments: Any) -> Any:
        raise MemoryError("no room")

    monkeypatch.setattr(Stacked, "_compiled", fail)
    failed = [lambda trainer=trainer: _steps(trainer, 3) for trainer in trainers]
    with pytest.raises(MemoryError, match="no room"):
        _in_threads(failed)


@pytest.fixture(scope="module")
def trainer() -> jaxdl.Trainer:
    recipe = jaxdl.Experiment(
        name="stacked",
        data=jaxdl.Digits(),
        model=jaxdl.MLP(features=(8,), dropout=0.3),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(learning_rate=1e-2),
        training=jaxdl.Training(epochs=2, batch_size=4),
    )
    return jaxdl.Trainer(recipe, blobs())


def seeded(trainer: jaxdl.Trainer, stacked: Stacked, seed: int, rate: float = 1e-2) -> jaxdl.Trainer:
    changes = {"seed": seed, "optimizer.learning_rate": rate}
    return trainer.variant(jaxdl.replace(trainer.experiment, changes), stacked.join(str(seed)))


@pytest.mark.slow
def test_what_a_training_gives_does_not_depend_on_the_others(trainer: jaxdl.Trainer) -> None:
    found = set()
    for others in ([], [5], [6, 7], [8, 9, 10]):
        stacked = Stacked(trainer, 3)
        # With three others there are more trainings than places: they take turns.
        trainers = [seeded(trainer, stacked, 1), *(seeded(trainer, stacked, seed, 0.1 * seed) for seed in others)]
        (params, losses), *_ = _in_threads([functools.partial(_steps, each, 20) for each in trainers])
        found.add((params_sha256(params), tuple(losses)))
    assert len(found) == 1


def test_all_run_as_many_steps_in_a_call_as_the_one_that_asks_for_the_fewest(trainer: jaxdl.Trainer) -> None:
    stacked = Stacked(trainer, 2)
    trainers = [seeded(trainer, stacked, seed) for seed in (1, 2)]

    def call(each: jaxdl.Trainer, steps: int) -> tuple[int, int, int]:
        state, rows, done = each.call(each.init_state(), each.feed.order(0), 0, steps)
        return int(state.step), done, int(np.count_nonzero(rows["loss"]))

    assert _in_threads([lambda: call(trainers[0], 7), lambda: call(trainers[1], 3)]) == [(3, 3, 3)] * 2


def begun(function: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    time.sleep(0.1)
    return thread


def test_the_others_wait_for_a_training_until_it_calls_leaves_or_is_forgotten(trainer: jaxdl.Trainer) -> None:
    stacked = Stacked(trainer, 3)
    stacked.expect("late")
    stacked.expect("never")
    first, second = seeded(trainer, stacked, 1), seeded(trainer, stacked, 2)
    calling = begun(lambda: first.advance(first.init_state(), 1))
    second.close()
    assert calling.is_alive()  # two more are expected
    stacked.forget("never")
    time.sleep(0.1)
    assert calling.is_alive()
    late = trainer.variant(trainer.experiment, stacked.join("late"))
    assert calling.is_alive()
    late.advance(late.init_state(), 1)
    calling.join(60)
    assert not calling.is_alive()
    first.close()
    state, _ = late.advance(late.init_state(), 2)  # nobody else is there to wait for
    assert int(state.step) == 2


def test_keys_stay_keys_and_dtypes_stay_as_they_are(trainer: jaxdl.Trainer) -> None:
    each = seeded(trainer, Stacked(trainer, 2), 1)
    before = each.init_state()
    described = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), before)
    key = np.asarray(jax.random.key_data(before.key))
    after, _ = each.advance(before, 3)
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), after) == described
    np.testing.assert_array_equal(jax.random.key_data(after.key), key)


@pytest.mark.slow
def test_its_speed_is_measured_with_all_places_taken(trainer: jaxdl.Trainer) -> None:
    stacked = Stacked(trainer, 4)
    assert stacked.compile_seconds == 0
    begin = time.perf_counter()
    seconds = stacked.seconds_per_step(trainer, 0.01)
    assert 0 < seconds < time.perf_counter() - begin and stacked.compile_seconds > 0


def test_an_action_is_done_once_when_all_have_come_to_it_or_to_their_next_call(trainer: jaxdl.Trainer) -> None:
    stacked = Stacked(trainer, 3)
    places = [stacked.join(str(number)) for number in range(3)]
    done: list[int] = []
    asking = [begun(functools.partial(place.once, lambda: done.append(1))) for place in places[:2]]
    assert done == [] and all(thread.is_alive() for thread in asking)  # the third is still at something else
    state = trainer.init_state()
    calling = begun(lambda: places[2].call(trainer.hparams(), state, trainer.feed.order(0), 0, 1))
    for thread in asking:
        thread.join(60)
    assert done == [1] and calling.is_alive()
    for place in places[:2]:
        place.leave()
    calling.join(60)
    assert not calling.is_alive()


def test_an_action_that_fails_fails_for_all_who_asked(trainer: jaxdl.Trainer) -> None:
    stacked = Stacked(trainer, 2)
    places = [stacked.join(str(number)) for number in range(2)]

    def fail() -> None:
        raise OSError("no space")

    def outcome(place: StackedPlace) -> str:
        with pytest.raises(OSError) as caught:
            place.once(fail)
        return str(caught.value)

    assert _in_threads([functools.partial(outcome, place) for place in places]) == ["no space"] * 2


def test_all_are_due_to_be_saved_where_one_is(trainer: jaxdl.Trainer) -> None:
    stacked = Stacked(trainer, 2)
    places = [stacked.join(str(number)) for number in range(2)]
    places[1].is_due = lambda step: step == 2

    def dues(place: StackedPlace) -> list[bool]:
        state, found = trainer.init_state(), []
        for first in range(3):
            state, _, _ = place.call(trainer.hparams(), state, trainer.feed.order(0), first, 1)
            found.append(place.all_due)
            place.once(lambda: None)
        return found

    assert _in_threads([functools.partial(dues, place) for place in places]) == [[False, True, False]] * 2
