"""Hooks of several processes, each of them a thread here: process 0 calls them, and all end where one ends."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax.numpy as jnp

import jaxdl
from jaxdl.backend.processes import Processes
from jaxdl.record import RunDirectory
from jaxdl.record.reader import ReadOnlyDirectory
from jaxdl.training.figures import Figures
from jaxdl.training.hook_calls import HookCalls, HookFailed
from jaxdl.training.hooks_together import HookCallsTogether, hook_calls
from tests.backend.store import Store

PER_EPOCH = 21


def called(recipe: jaxdl.Experiment, run_dir: Path, steps: list[int], *hooks: Any) -> list[Any]:
    """Returns what each of two processes gives where it calls hooks after some steps: why it stopped, or its error."""
    recipe = jaxdl.replace(recipe, {"hooks": hooks})
    dataset = recipe.data.load(run_dir, print)
    trainer = jaxdl.Trainer(recipe, dataset)
    state = trainer.init_state()
    with RunDirectory.create(run_dir, recipe.name) as directory:

        def run(together: Processes) -> str | None:
            own = directory if together.is_first else ReadOnlyDirectory(run_dir)
            figures = Figures(own)
            calls = HookCallsTogether(together, trainer, dataset, own, figures, lambda line: None)
            calls.begin(state, forget=False)
            try:
                for step in steps:
                    figures.step, figures.epoch = step, step // PER_EPOCH
                    if calls.at(state.replace(step=jnp.int32(step)), None):
                        break
            except HookFailed as error:
                return str(error)
            finally:
                calls.close()
            return calls.stopped

        store = Store()
        with ThreadPoolExecutor(2) as pool:
            return [each.result(60) for each in [pool.submit(run, Processes(store, i, 2)) for i in range(2)]]


def test_process_0_calls_them_and_both_stop(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    seen: list[int] = []

    @jaxdl.hook(every=8)
    def enough(now: jaxdl.Moment) -> None:
        seen.append(now.step)
        now.log("step", now.step)
        if now.step >= 16:
            now.stop("it is enough")

    assert called(recipe, tmp_path / "run", [3, 8, 16, 24], enough) == ["enough: it is enough"] * 2
    assert seen == [8, 16]
    lines = (tmp_path / "run" / "hooks.jsonl").read_text().splitlines()
    assert len(lines) == 2


def test_both_end_with_the_message_of_one_that_fails(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    def wrong(now: jaxdl.Moment) -> None:
        raise KeyError("nothing")

    first, second = called(recipe, tmp_path / "run", [PER_EPOCH], wrong)
    assert first == second
    assert "wrong" in first and "KeyError" in first


def test_alone_a_process_calls_its_own(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    dataset = recipe.data.load(tmp_path, print)
    trainer: Any = jaxdl.Trainer(recipe, dataset)
    directory: Any = ReadOnlyDirectory(tmp_path)
    assert type(hook_calls(trainer, dataset, directory, Figures(directory), print)) is HookCalls
