"""Several processes train one run: as one process does, to the end, and on after one was killed."""

from __future__ import annotations

import dataclasses
import json
import random
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaxdl.backend.processes import AgreedSignals, Processes
from jaxdl.errors import UserError
from jaxdl.record import RunDirectory, read_metrics, read_record, read_summary
from jaxdl.training.hooks import NoPauses
from jaxdl.training.together import AgreedPauses, Alone, Several, check_same, open_directory
from tests.backend.store import Store
from tests.several import await_checkpoint, command, ends, started

QUICK = ("--experiment=digits_mlp", "--epochs=8", "--checkpoint.every=20steps", "--patience=6")
ENOUGH_S = 600.0  # for a start on a machine with other load


def in_each(count: int, do: Any) -> list[Any]:
    store = Store()
    with ThreadPoolExecutor(count) as pool:
        return [each.result(60) for each in [pool.submit(do, Processes(store, i, count)) for i in range(count)]]


def test_alone_a_process_does_as_it_likes() -> None:
    figures = {"train": {"loss": 0.5}}
    assert Alone().steps(7) == 7
    assert Alone().figures(figures) is figures


def test_process_0_says_how_many_steps_and_which_figures() -> None:
    matrix = [[1, 2], [3, 4]]
    found = in_each(
        3,
        lambda each: (
            Several(each).steps(10 + each.index),
            Several(each).figures({"validation": {"loss": 0.5 + each.index, "confusion": matrix}}),
        ),
    )
    assert found == [(10, {"validation": {"loss": 0.5, "confusion": matrix}})] * 3


def test_all_pause_where_process_0_is_due() -> None:
    class Due(NoPauses):
        def due(self, step: int) -> bool:
            return True

    def pauses(each: Processes) -> bool:
        return AgreedPauses(Due() if each.is_first else NoPauses(), each, AgreedSignals(each)).due(1)

    assert in_each(2, pauses) == [True, True]


def test_all_pause_where_one_was_asked_to_stop() -> None:
    def pauses(each: Processes) -> list[bool]:
        signals = AgreedSignals(each)
        if each.index == 1:
            signals.received = signal.SIGTERM
        found = []
        for step in range(3):
            each.told("step", step)
            found.append(AgreedPauses(NoPauses(), each, signals).due(step))
        return found

    first, *others = in_each(3, pauses)
    assert others == [first, first]
    assert first[-1]


def test_what_is_not_the_same_is_named() -> None:
    def checked(each: Processes) -> str:
        try:
            check_same(each, {"data": "abc" if each.index != 1 else "xyz", "steps": 1})
        except UserError as error:
            return str(error)
        return ""

    store = Store()
    first, second = Processes(store, 0, 2), Processes(store, 1, 2)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(checked, first)
        assert "begins with something else than process 0: data: xyz here, abc in process 0" in checked(second)
        second.told("same", True)  # in a run it would have ended, and process 0 with it
        assert waiting.result(10) == ""


def test_a_process_that_does_not_see_the_run_directory_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jaxdl.training.together._SEEN_S", 0.2)

    @dataclasses.dataclass
    class Recipe:
        name: str = "digits_mlp"

    recipe: Any = Recipe()
    store = Store()
    first, second = Processes(store, 0, 2), Processes(store, 1, 2)
    with open_directory(tmp_path / "run", recipe, first) as opened:
        assert isinstance(opened, RunDirectory) and opened.writes
        with open_directory(tmp_path / "other", recipe, second) as seen:
            assert seen.path == opened.path and not seen.writes
        store.values["jaxdl/decided/directory/1"] = json.dumps([str(tmp_path / "elsewhere"), "1"])
        with pytest.raises(UserError, match="does not see the run directory .*elsewhere of process 0"):
            open_directory(tmp_path / "run", recipe, second)


def figures_of(run_dir: Path) -> list[dict[str, Any]]:
    return [{name: value for name, value in line.items() if name != "time"} for line in read_metrics(run_dir)]


def assert_same_figures(run_dir: Path, reference: Path) -> None:
    found, wanted = figures_of(run_dir), figures_of(reference)
    assert [(line["step"], line["split"]) for line in found] == [(line["step"], line["split"]) for line in wanted]
    for line, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(line["loss"], other["loss"], rtol=1e-5)
    assert read_summary(run_dir)["status"] == "completed"


def ended_as_documented(status: int, said: str, lost: int) -> bool:
    ours = status == 134 and f"process {lost} of " in said and "goes on from the last checkpoint" in said
    jax = status in (-6, 134) and "JAX distributed service detected fatal errors" in said
    return ours or jax


@pytest.mark.slow
def test_two_processes_train_as_one_and_go_on_after_one_was_killed(tmp_path: Path) -> None:
    alone, both = tmp_path / "alone", tmp_path / "both"
    subprocess.run(command(alone, *QUICK, "--devices=2"), check=True, capture_output=True, timeout=ENOUGH_S)
    with started(both, 2, *QUICK) as running:
        await_checkpoint(both, ENOUGH_S)
        running[1].send_signal(signal.SIGKILL)
        begin = time.monotonic()
        [(status, said)] = ends(running[:1], 60)
        assert time.monotonic() - begin < 60
        assert ended_as_documented(status, said, lost=1), (status, said)
    assert "completed" not in (both / "summary.json").read_text() if (both / "summary.json").exists() else True
    with started(both, 2, *QUICK) as running:
        assert [status for status, _ in ends(running, ENOUGH_S)] == [0, 0]
    assert_same_figures(both, alone)
    record = read_record(both)
    assert record["processes"] == 2 and record["layout"]["devices"] == 2
    assert record["resumptions"]


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.parametrize("kill", range(20))
def test_a_process_killed_at_any_moment_ends_the_others_in_time(kill: int, tmp_path: Path) -> None:
    """The coordinator in every second case; after it, two processes go on, or one."""
    chance = random.Random(kill)
    count, victim = chance.choice((2, 4)), 0 if kill % 2 else 1
    both, alone = tmp_path / "both", tmp_path / "alone"
    early = chance.random() < 0.3  # mostly before they have joined: then the others wait so long
    with started(both, count, *QUICK, f"--join_timeout={20 if early else 300}") as running:
        if not early:
            await_checkpoint(both, ENOUGH_S)
        time.sleep(chance.uniform(0, 3))
        running[victim].send_signal(signal.SIGKILL)
        others = [process for number, process in enumerate(running) if number != victim]
        for status, said in ends(others, 60):
            assert status in (0, 2) or ended_as_documented(status, said, lost=victim), (status, said)
    if chance.random() < 0.5:
        with started(both, 2, *QUICK) as running:
            assert [status for status, _ in ends(running, ENOUGH_S)] == [0, 0]
    else:
        subprocess.run(command(both, *QUICK), check=True, capture_output=True, timeout=ENOUGH_S)
    subprocess.run(command(alone, *QUICK, "--devices=2"), check=True, capture_output=True, timeout=ENOUGH_S)
    assert_same_figures(both, alone)


@pytest.mark.nightly
@pytest.mark.slow
def test_four_processes_stop_together_at_a_signal_and_go_on(tmp_path: Path) -> None:
    alone, four = tmp_path / "alone", tmp_path / "four"
    flags = (*QUICK, "--shard=fsdp")
    subprocess.run(command(alone, *flags, "--devices=4"), check=True, capture_output=True, timeout=ENOUGH_S)
    with started(four, 4, *flags) as running:
        await_checkpoint(four, ENOUGH_S)
        running[2].send_signal(signal.SIGTERM)
        assert [status for status, _ in ends(running, 120)] == [143] * 4
    assert read_summary(four)["status"] == "preempted"
    with started(four, 4, *flags) as running:
        assert [status for status, _ in ends(running, ENOUGH_S)] == [0] * 4
    assert_same_figures(four, alone)


@pytest.mark.nightly
@pytest.mark.slow
def test_other_data_end_all_with_a_message(tmp_path: Path) -> None:
    """The data are compared once they are loaded: here one process has a table with another value."""
    folders = [tmp_path / f"host{number}" for number in range(2)]
    for number, folder in enumerate(folders):
        folder.mkdir()
        rows = [f"{n},{n % 3 + number},{'ab'[n % 2]}" for n in range(60)]
        (folder / "table.csv").write_text("x,y,label\n" + "\n".join(rows) + "\n")
    flags = ("--experiment=iris_mlp", "--epochs=2", "--data=table:table.csv")
    with started(tmp_path / "run", 2, *flags, folders=folders) as running:
        found = ends(running, ENOUGH_S)
    assert [status for status, _ in found] == [2, 2]
    assert any("begins with something else than process 0: data:" in said for _, said in found), found


@pytest.mark.slow
def test_two_processes_stream_a_set_and_call_hooks_to_the_bits_of_two_devices(tmp_path: Path) -> None:
    """Of 26 MB of train examples, in two chunks; each hook is called once, in process 0."""
    random = np.random.RandomState(0)
    inputs = random.randint(0, 256, (5000, 48, 48, 3)).astype(np.uint8)
    targets = random.randint(0, 3, 5000)
    inputs[np.arange(5000), 0, :, targets] = 255
    np.savez(tmp_path / "set.npz", inputs=inputs, targets=targets)
    given = ("--experiment=digits_mlp", f"--data=arrays:{tmp_path / 'set.npz'}", "--data.stream=on", "--epochs=2")
    flags = (*given, "--model.features=16", "--batch_size=100", "--hooks=validate(every=1epoch),save_predictions")
    alone, both = tmp_path / "alone", tmp_path / "both"
    subprocess.run(command(alone, *flags, "--devices=2"), check=True, capture_output=True, timeout=ENOUGH_S)
    with started(both, 2, *flags) as running:
        found = ends(running, ENOUGH_S)
    assert [status for status, _ in found] == [0, 0], found
    ours, theirs = figures_of(both), figures_of(alone)
    hooks, other = (
        [each.pop("validation_loss") for each in run if "validation_loss" in each] for run in (ours, theirs)
    )
    np.testing.assert_allclose(hooks, other, rtol=1e-5)
    assert ours == theirs and len(hooks) == 2
    assert read_summary(both)["params_sha256"] == read_summary(alone)["params_sha256"]
    assert {file.name for file in (both / "predictions").iterdir()} == {
        file.name for file in (alone / "predictions").iterdir()
    }
