"""What the trainings of one process share, and what they do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import jaxdl
from jaxdl.data import Dataset
from jaxdl.training import cache as module
from jaxdl.training.cache import Cache, data_key
from tests.small import blobs


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The share that was held out at each loading of the data, which are small."""
    seen: list[float] = []

    def load(self: jaxdl.Digits, data_dir: Path, notify: object) -> Dataset:
        seen.append(self.validation)
        return blobs()

    monkeypatch.setattr(jaxdl.Digits, "load", load)
    return seen


def test_the_last_data_set_is_loaded_once(recipe: jaxdl.Experiment, tmp_path: Path, loads: list[float]) -> None:
    cache = Cache(tmp_path, print)
    other = jaxdl.replace(recipe, {"data.validation": 0.5})
    first = cache.dataset(recipe)
    assert cache.dataset(jaxdl.replace(recipe, {"seed": 3, "optimizer.learning_rate": 1.0})) is first
    cache.dataset(other)
    cache.dataset(recipe)
    assert loads == [recipe.data.validation, 0.5, recipe.data.validation]


def test_data_that_cannot_be_loaded_leave_nothing_behind(
    recipe: jaxdl.Experiment, tmp_path: Path, loads: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Cache(tmp_path, print)
    cache.dataset(recipe)

    def fail(*arguments: object) -> Dataset:
        raise OSError("no disk")

    with monkeypatch.context() as patch:
        patch.setattr(jaxdl.Digits, "load", fail)
        with pytest.raises(OSError, match="no disk"):
            cache.dataset(jaxdl.replace(recipe, {"data.validation": 0.5}))
    assert len(cache.dataset(recipe).splits["train"]["targets"]) == 50
    assert len(loads) == 2


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"seed": 1}, True),
        ({"model.features": (3,)}, True),
        ({"training.batch_size": 32}, True),
        ({"data.validation": 0.4}, False),
        ({"training.fast_dev_run": True}, False),
        ({"training.overfit_batches": 1}, False),
        ({"data": jaxdl.Bits()}, False),
    ],
)
def test_recipes_with_the_same_key_train_on_the_same_examples(
    recipe: jaxdl.Experiment, change: dict[str, Any], same: bool
) -> None:
    assert (data_key(jaxdl.replace(recipe, change)) == data_key(recipe)) == same


def test_how_many_examples_are_cut_off_counts_and_not_which_batches_give_them(recipe: jaxdl.Experiment) -> None:
    cut = [
        jaxdl.replace(recipe, {"training.overfit_batches": batches, "training.batch_size": size})
        for batches, size in ((2, 8), (2, 16))
    ]
    assert data_key(cut[0]) != data_key(cut[1])


@pytest.mark.slow
def test_trainers_share_data_and_programs_and_each_program_is_counted(
    recipe: jaxdl.Experiment, tmp_path: Path, loads: list[float]
) -> None:
    cache = Cache(tmp_path, print)
    fitted = recipe.for_spec(cache.dataset(recipe).spec)
    one = cache.trainer(fitted)
    other = cache.trainer(jaxdl.replace(fitted, {"seed": 1, "optimizer.learning_rate": 0.5}))
    wide = cache.trainer(jaxdl.replace(fitted, {"model.features": (3,)}))
    assert one.programs is other.programs and one.programs is not wide.programs
    assert one.feed.data is wide.feed.data and (one.feed.seed, other.feed.seed) == (0, 1)
    assert cache.compiled() == {"train": 0, "eval": 0}
    for trainer in (one, other, wide):
        trainer.compile()
    assert other.compile_seconds == 0 < one.compile_seconds
    assert cache.compiled() == {"train": 2, "eval": 2}
    cache.dataset(jaxdl.replace(recipe, {"data.validation": 0.5}))  # other data: the programs are let go, and counted
    assert cache.compiled() == {"train": 2, "eval": 2}
    assert cache.trainer(fitted).programs is not one.programs


@pytest.mark.slow
def test_only_the_last_programs_are_kept_and_those_let_go_are_counted(
    recipe: jaxdl.Experiment, tmp_path: Path, loads: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_TRAINERS", 2)
    cache = Cache(tmp_path, print)
    fitted = recipe.for_spec(cache.dataset(recipe).spec)
    kinds = [jaxdl.replace(fitted, {"model.features": (size,)}) for size in (1, 2, 3)]
    trainers = []
    for kind in kinds:
        trainers.append(cache.trainer(kind))
        trainers[-1].compile()
    assert cache.trainer(kinds[1]).programs is trainers[1].programs
    assert cache.trainer(kinds[0]).programs is not trainers[0].programs  # the third one took its place
    assert cache.compiled() == {"train": 3, "eval": 3}


def test_programs_that_were_used_last_are_kept(
    recipe: jaxdl.Experiment, tmp_path: Path, loads: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_TRAINERS", 2)
    cache = Cache(tmp_path, print)
    fitted = recipe.for_spec(cache.dataset(recipe).spec)
    first, second, third = (jaxdl.replace(fitted, {"model.features": (size,)}) for size in (1, 2, 3))
    kept, dropped = (cache.trainer(kind).programs for kind in (first, second))
    assert cache.trainer(first).programs is kept
    cache.trainer(third)
    assert cache.trainer(first).programs is kept and cache.trainer(second).programs is not dropped


def test_shared_checkpoints_load_no_data(recipe: jaxdl.Experiment, tmp_path: Path, loads: list[float]) -> None:
    """Another training may have loaded other data meanwhile; to load these again would let go of its programs."""
    cache = Cache(tmp_path, print)
    cache.programs_dir = tmp_path / "programs"
    trainer = cache.trainer(recipe.for_spec(cache.dataset(recipe).spec))
    cache.dataset(jaxdl.replace(recipe, {"data.validation": 0.5}))
    assert cache.shared(trainer) is cache.shared(trainer)
    assert loads == [recipe.data.validation, 0.5]


@pytest.mark.slow
def test_what_is_compiled_ahead_is_there_for_a_training(
    recipe: jaxdl.Experiment, tmp_path: Path, loads: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_TRAINERS", 2)
    cache = Cache(tmp_path, print)
    assert cache.compile_ahead(recipe) and cache.compiled() == {"train": 0, "eval": 0}, "no data are loaded for it"
    fitted = recipe.for_spec(cache.dataset(recipe).spec)
    narrow, wide, wider = (jaxdl.replace(recipe, {"model.features": (size,)}) for size in (1, 2, 3))
    assert cache.compile_ahead(narrow) and cache.compile_ahead(jaxdl.replace(narrow, {"seed": 3}))
    assert cache.compiled() == {"train": 1, "eval": 1}
    trainer = cache.trainer(jaxdl.replace(fitted, {"model.features": (1,)}))
    trainer.compile()
    assert trainer.compile_seconds == 0
    assert cache.compile_ahead(wide) and not cache.compile_ahead(wider), "there is no room for a third kind"
    assert cache.compile_ahead(narrow)
    assert cache.compile_ahead(jaxdl.replace(recipe, {"data.validation": 0.5})) and loads == [recipe.data.validation]
    assert cache.compiled() == {"train": 2, "eval": 2}


@pytest.mark.slow
def test_trainings_take_places_in_one_stacked_program_if_they_share_programs(
    recipe: jaxdl.Experiment, tmp_path: Path, loads: list[float]
) -> None:
    cache = Cache(tmp_path, print)
    fitted = recipe.for_spec(cache.dataset(recipe).spec)
    assert cache.trainer(fitted, place_of="alone").side_by_side == 1
    cache.side_by_side = 4
    trainer = cache.trainer(fitted, place_of="one")
    assert trainer.side_by_side == 4 and cache.trainer(fitted).side_by_side == 1
    trainer.advance(trainer.init_state(), 1)
    trainer.close()
    assert cache.compiled() == {"train": 1, "eval": 0}
    cache.narrow()
    assert cache.side_by_side == 2 and cache.compiled()["train"] == 1
    again = cache.trainer(fitted, place_of="again")
    assert again.side_by_side == 2
    for size in (1, 1):
        cache.narrow()
        assert cache.side_by_side == size
    assert cache.trainer(fitted, place_of="last").side_by_side == 1


def test_an_expected_training_has_a_place_until_it_is_forgotten(
    recipe: jaxdl.Experiment, tmp_path: Path, loads: list[float]
) -> None:
    cache = Cache(tmp_path, print)
    fitted = recipe.for_spec(cache.dataset(recipe).spec)
    cache.side_by_side = 2
    for name in ("one", "other"):
        cache.expect(fitted, name)
    cache.side_by_side = 1
    trainer = cache.trainer(fitted, place_of="one")
    assert trainer.side_by_side == 2
    cache.forget("other")  # it never joins; the first one waits no longer
    state, _ = trainer.advance(trainer.init_state(), 1)
    assert int(state.step) == 1
    trainer.close()
    cache.forget("one")
    cache.forget("one")
    assert cache.trainer(fitted, place_of="one").side_by_side == 1


def test_the_surroundings_are_collected_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    def surroundings() -> dict[str, Any]:
        nonlocal asked
        asked += 1
        return {"git": None}

    monkeypatch.setattr("jaxdl.record.provenance.surroundings", surroundings)
    cache = Cache(tmp_path, print)
    assert cache.surroundings() is cache.surroundings() and asked == 1
