"""How trials share a process, and that a sweep side by side gives what its trials give alone, within rounding."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import jaxdl
from jaxdl.sweeps.executors import side_by_side as choice
from jaxdl.training.cache import Cache
from jaxdl.training.loop import Trainer
from jaxdl.training.stacked import Stacked
from tests.experiments.twins import twin


@pytest.mark.slow
def test_a_sweep_side_by_side_ends_with_the_same_figures(tmp_path: Path) -> None:
    recipe = jaxdl.replace(twin("digits_mlp"), {"training.watch": "validation/accuracy", "training.patience": 2})
    space = {"learning_rate": [1e-3, 1e-2, 3e-2], "seed": range(3)}
    one = jaxdl.sweep(recipe, space, sweep_dir=tmp_path / "one", execution=jaxdl.Execution(batch="off"))
    four = jaxdl.sweep(recipe, space, sweep_dir=tmp_path / "four", execution=jaxdl.Execution(batch=4))
    assert four.compiled == {"train": 2, "eval": 1} and one.compiled == {"train": 1, "eval": 1}
    for alone, stacked in zip(one.trials, four.trials, strict=True):
        assert stacked.values == alone.values and stacked.state == "completed"
        # A few of 360 examples may fall on the other side.
        assert stacked.objective == pytest.approx(alone.objective, abs=0.02)


@pytest.mark.slow
def test_when_memory_runs_out_half_as_many_train_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, sizes = Stacked._run, []

    def run_if_small(stacked: Stacked, calls: Any) -> None:
        sizes.append(stacked.size)
        if stacked.size > 2:
            raise MemoryError("no room")
        run(stacked, calls)

    monkeypatch.setattr(Stacked, "_run", run_if_small)
    space = {"learning_rate": [1e-3, 1e-2, 3e-2], "seed": range(2)}
    found = jaxdl.sweep(
        twin("digits_mlp"), space, sweep_dir=tmp_path / "s", execution=jaxdl.Execution(batch=4, retries=1)
    )
    assert [trial.state for trial in found.trials] == ["completed"] * 6
    assert set(sizes) == {4, 2} and sizes == sorted(sizes, reverse=True)
    assert sorted(trial.attempts for trial in found.trials) == [1, 1, 2, 2, 2, 2]


TWO_DEVICES = """
import sys
import jax
from pathlib import Path

jax.config.update("jax_num_cpu_devices", 2)
import jaxdl
from jaxdl.training.stacked import Stacked
from tests.experiments.twins import twin

seen = set()
compiled = Stacked._compiled

def look(stacked, arguments):
    seen.add(len(jax.tree.leaves(arguments[0].params)[0].sharding.device_set))
    return compiled(stacked, arguments)

Stacked._compiled = look
folder, space = Path(sys.argv[1]), {"learning_rate": [1e-3, 1e-2, 3e-2], "seed": range(2)}
one = jaxdl.sweep(twin("digits_mlp"), space, sweep_dir=folder / "one", execution=jaxdl.Execution(batch="off"))
spread = jaxdl.sweep(twin("digits_mlp"), space, sweep_dir=folder / "spread", execution=jaxdl.Execution(batch=3))
assert seen == {2}, seen
for alone, stacked in zip(one.trials, spread.trials, strict=True):
    assert stacked.values == alone.values and stacked.state == "completed"
    assert abs(stacked.objective - alone.objective) < 2e-2, (stacked.objective, alone.objective)
"""


@pytest.mark.slow
def test_on_several_devices_the_trials_are_spread_over_them(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[3]
    code = [sys.executable, "-c", TWO_DEVICES, str(tmp_path)]
    done = subprocess.run(code, cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("in_threads", "side_by_side", "expected"),
    [
        (0.95, {4: 0.9, 8: 0.8}, (1, 1, 1.0)),  # nothing is worth it
        (0.6, {4: 0.55}, (1, 4, 0.6)),  # not worth the last bits; two more than there are cores, for waits
        (0.6, {4: 0.3, 8: 0.2, 16: 0.19}, (8, 8, 0.2)),
        (0.6, {4: 0.3, 8: None}, (4, 4, 0.3)),  # memory runs out
        (None, {4: 0.3, 8: 0.29}, (4, 4, 0.3)),
    ],
)
def test_what_is_measured_to_be_faster_is_chosen_and_remembered(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    in_threads: float | None,
    side_by_side: dict[int, float | None],
    expected: tuple[int, int, float],
) -> None:
    def measured(seconds: float | None) -> float:
        if seconds is None:
            raise MemoryError
        return seconds

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(choice, "usable_cores", lambda: [0, 1])
    monkeypatch.setattr(choice, "_share_in_threads", lambda *_: measured(in_threads))
    monkeypatch.setattr(Stacked, "seconds_per_step", lambda self, trainer, _: measured(side_by_side[self.size]))
    cache = Cache(tmp_path, print)
    recipe = twin("digits_mlp")
    recipe = recipe.for_spec(cache.dataset(recipe).spec)
    assert choice.choose(recipe, 64, 64, 1.0, cache) == expected
    monkeypatch.setattr(choice, "_share_in_threads", None)  # whoever measures again, fails
    assert choice.choose(recipe, 64, 64, 1.0, cache) == expected


@pytest.mark.parametrize(("trials", "measured"), [(2, [2]), (8, [8]), (32, [32]), (256, [32, 64, 128, 256])])
def test_on_an_accelerator_many_are_measured_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trials: int, measured: list[int]
) -> None:
    """There four side by side gain nothing where a step is the launching of kernels, and a hundred do."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cache = Cache(tmp_path, print)
    recipe = twin("digits_mlp")
    recipe = recipe.for_spec(cache.dataset(recipe).spec)
    cache.trainer(recipe)
    sizes: list[int] = []
    monkeypatch.setattr(choice, "_share_in_threads", lambda *_: 1.0)
    monkeypatch.setattr(choice, "_fits", lambda trainer, size: True)
    monkeypatch.setattr(Stacked, "seconds_per_step", lambda self, *_: sizes.append(self.size) or 2 / self.size**2)  # type: ignore[func-returns-value]
    monkeypatch.setattr("jax.default_backend", lambda: "gpu")
    assert choice.choose(recipe, trials, 256, 1.0, cache).size == measured[-1]
    assert sizes == measured


@pytest.mark.parametrize(("cores", "fitting", "threads"), [(2, 2, 2), (2, 3, 3), (2, 1, 1), (1, 1, 1)])
def test_as_many_trials_are_under_way_as_memory_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int, fitting: int, threads: int
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(choice, "usable_cores", lambda: list(range(cores)))
    measured: list[int] = []
    monkeypatch.setattr(choice, "_share_in_threads", lambda _, threads, *__: measured.append(threads) or 0.5)  # type: ignore[func-returns-value]
    monkeypatch.setattr(choice, "_fits", lambda trainer, size: size <= fitting)
    cache = Cache(tmp_path, print)
    recipe = twin("digits_mlp")
    recipe = recipe.for_spec(cache.dataset(recipe).spec)
    assert choice.choose(recipe, 64, 64, 1.0, cache).threads == threads
    assert measured == ([cores] if threads > 1 else [])  # with one core there is nothing to gain


@pytest.mark.parametrize(("step_seconds", "whole"), [(1e-4, True), (1.0, False)])
def test_of_short_epochs_whole_ones_are_measured_in_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step_seconds: float, whole: bool
) -> None:
    """After a short epoch, Python takes as long as its steps did, and another training can compute meanwhile."""
    recipe = twin("digits_mlp")
    cache = Cache(tmp_path, print)
    trainer = cache.trainer(recipe.for_spec(cache.dataset(recipe).spec))
    evaluated: list[str] = []
    evaluate = Trainer.evaluate

    def noted(self: Trainer, state: Any, split: str) -> Any:
        evaluated.append(split)
        return evaluate(self, state, split)

    monkeypatch.setattr(choice, "_MEASURED_SECONDS", 0.0)  # one repetition
    monkeypatch.setattr(Trainer, "evaluate", noted)
    assert choice._share_in_threads(trainer, 2, step_seconds) > 0
    assert evaluated == ["validation"] * (6 if whole else 0)  # first once, and then measured: alone, and in two threads
