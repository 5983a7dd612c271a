"""Hooks in a training: called once each, with the bits of a training without, after an error, a stop and a kill too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxdl
from jaxdl.record import read_metrics, read_summary
from jaxdl.training.cache import Cache
from jaxdl.training.hooks import Hooks

EPOCHS, PER_EPOCH = 2, 21


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    """The compiled programs, which all trainings here share."""
    return Cache(tmp_path_factory.mktemp("data"), lambda line: None)


def train(recipe: jaxdl.Experiment, run_dir: Path, cache: Cache, *hooks: Any, **fields: Any) -> dict[str, Any]:
    recipe = jaxdl.replace(recipe, {"checkpoint.every": "1000steps", "hooks": hooks, **fields})
    return dict(jaxdl.train(recipe, run_dir=run_dir, cache=cache, hooks=Hooks(plots=False), notify=None))


def logged(run_dir: Path, split: str = "hooks") -> list[dict[str, Any]]:
    return [line for line in read_metrics(run_dir) if line["split"] == split]


def test_they_are_called_once_where_they_are_due_and_change_no_bits(
    recipe: jaxdl.Experiment, cache: Cache, tmp_path: Path
) -> None:
    seen: dict[str, list[tuple[int, int]]] = {"each": [], "some": []}
    found: dict[str, Any] = {}

    def each(now: jaxdl.Moment) -> None:
        seen["each"].append((now.step, now.epoch))
        inputs = now.dataset.splits["validation"]["inputs"]
        targets = now.dataset.splits["validation"]["targets"]
        right = now.predict(inputs).argmax(1) == targets
        found["predicted"] = right.mean(), now.figures["validation/accuracy"]
        found["evaluated"] = now.evaluate("validation")["loss"], now.figures["validation/loss"]
        found["digest"] = jaxdl.params_sha256(now.params)
        now.params["dense_1"]["kernel"][:] = 0.0  # a copy
        now.log("right", right.mean())

    @jaxdl.hook(every=8)
    def some(now: jaxdl.Moment) -> None:
        seen["some"].append((now.step, now.epoch))
        found[f"loss {now.step}"] = now.figures["train/loss"]

    plain = train(recipe, tmp_path / "plain", cache)
    summary = train(recipe, tmp_path / "run", cache, each, some)
    assert summary["params_sha256"] == plain["params_sha256"] == found["digest"]
    assert summary["metrics"]["test/loss"] == plain["metrics"]["test/loss"]
    assert seen["each"] == [(PER_EPOCH, 1), (2 * PER_EPOCH, 2)]
    assert seen["some"] == [(8, 0), (16, 0), (24, 1), (32, 1), (40, 1)]
    assert found["predicted"][0] == pytest.approx(found["predicted"][1])
    assert found["evaluated"][0] == found["evaluated"][1]
    assert found["loss 40"] < found["loss 16"] < found["loss 8"]
    assert summary["metrics"]["hooks/right"] == found["predicted"][0] == logged(tmp_path / "run")[-1]["right"]
    assert summary["seconds_in_hooks"] > 0 and plain["seconds_in_hooks"] == 0
    assert (summary["stopped"], summary["status"]) == (None, "completed")
    assert json.loads((tmp_path / "run" / "config.json").read_text())["hooks"] == ["each", "some(every=8steps)"]

    train(recipe, tmp_path / "run", cache, each, some)  # it is finished
    assert len(seen["each"]) == 2


def test_an_error_names_the_hook_and_the_run_goes_on_where_it_was(
    recipe: jaxdl.Experiment, cache: Cache, tmp_path: Path
) -> None:
    calls: list[int] = []
    wrong = True

    def first(now: jaxdl.Moment) -> None:
        now.log("first", now.step)

    @jaxdl.hook(every="12steps")
    def second(now: jaxdl.Moment) -> None:
        calls.append(now.step)
        if now.step == 24 and wrong:
            raise KeyError("no such thing")

    message = r"the hook second \(test_hook_calls.py:\d+\) failed after step 24: KeyError: .*raise KeyError"
    with pytest.raises(jaxdl.UserError, match=message):
        train(recipe, tmp_path / "run", cache, jaxdl.hook(first, every=12), second)
    assert read_summary(tmp_path / "run")["status"] == "failed"
    wrong = False
    summary = train(recipe, tmp_path / "run", cache, jaxdl.hook(first, every=12), second)
    assert calls == [12, 24, 24, 36]
    assert [line["first"] for line in logged(tmp_path / "run")] == [12, 24, 36]
    assert summary["params_sha256"] == train(recipe, tmp_path / "plain", cache)["params_sha256"]


class Killed(BaseException):
    """Ends a training at once, as a signal that cannot be caught does."""


def test_steps_that_are_repeated_after_a_kill_do_not_call_again_and_keep_what_was_logged(
    recipe: jaxdl.Experiment, cache: Cache, tmp_path: Path
) -> None:
    calls: list[int] = []
    kill = True

    @jaxdl.hook(every=5)
    def count(now: jaxdl.Moment) -> None:
        if now.step == 35 and kill:
            raise Killed
        calls.append(now.step)
        now.log("calls", len(calls))

    with pytest.raises(Killed):
        train(recipe, tmp_path / "run", cache, count, **{"checkpoint.every": "1epoch"})
    kill = False
    summary = train(recipe, tmp_path / "run", cache, count, **{"checkpoint.every": "1epoch"})
    assert calls == [5, 10, 15, 20, 25, 30, 35, 40]  # 25 and 30 came after the last checkpoint
    lines = logged(tmp_path / "run")
    assert [(line["step"], line["calls"]) for line in lines] == [(5 * n, n) for n in range(1, 9)]
    assert len(logged(tmp_path / "run", "validation")) == EPOCHS
    assert summary["metrics"]["hooks/calls"] == 8


@pytest.mark.parametrize("final", ["last", "best"])
def test_a_stop_ends_the_training_there_and_is_in_the_record(
    recipe: jaxdl.Experiment, cache: Cache, tmp_path: Path, final: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    @jaxdl.hook(every=10)
    def enough(now: jaxdl.Moment) -> None:
        if now.step == 10:
            now.stop("the first ten are enough")

    with monkeypatch.context() as patch:  # killed between the stop and the summary
        patch.setattr("jaxdl.training.one_run.OneRun._final", lambda self, state: (_ for _ in ()).throw(Killed))
        patch.setattr("jaxdl.training.one_run.OneRun._conclude", lambda self, status: None)
        with pytest.raises(Killed):
            train(recipe, tmp_path / "run", cache, enough, **{"training.final": final})
    summary = train(recipe, tmp_path / "run", cache, enough, **{"training.final": final})
    assert (summary["status"], summary["step"], summary["last_step"], summary["epoch"]) == ("completed", 10, 10, 0)
    assert summary["stopped"] == "enough: the first ten are enough"
    assert summary == read_summary(tmp_path / "run")
    assert "enough: the first ten are enough" in (tmp_path / "run" / "report.html").read_text()
    again = train(recipe, tmp_path / "run", cache, enough, **{"training.final": final})
    assert again == summary
    model = jaxdl.load_run(tmp_path / "run", recipe)
    assert int(model.state.step) == 10 and jaxdl.params_sha256(model.state.params) == summary["params_sha256"]


def test_unknown_names_are_refused_before_anything_is_written(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    with pytest.raises(jaxdl.UserError, match="'save_prediction' is none that .* Did you mean 'save_predictions'"):
        jaxdl.train(recipe, run_dir=tmp_path / "run", hooks=("save_prediction",))
    assert not (tmp_path / "run").exists()


def test_fit_takes_them_and_its_history_has_what_they_log() -> None:
    x = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)

    def two(now: jaxdl.Moment) -> None:
        now.log("two", 2 * now.epoch)

    result = jaxdl.fit(jaxdl.MLP(features=(2,)), (x, x.sum(1)), epochs=2, batch_size=32, hooks=(two,), notify=None)
    assert result.history["hooks/two"] == [2, 4]
