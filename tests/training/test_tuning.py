"""How a CPU computes train steps is chosen by timing some, once, and belongs to the run."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import jaxdl
from jaxdl.backend.cores import processor_identity
from jaxdl.errors import UserError
from jaxdl.files.paths import cache_folder
from jaxdl.ops.library import can_be_built
from jaxdl.training import tuning
from jaxdl.training.cache import Cache
from jaxdl.training.forms import Form
from jaxdl.training.tuning import Tuner

ROOT = Path(__file__).resolve().parents[2]
# A process that has two CPU devices, as the command line makes them; prints what it finds as JSON.
CODE = """
import dataclasses, json, sys, time
from pathlib import Path
import jax
jax.config.update("jax_num_cpu_devices", 2)
import jaxdl
from jaxdl.training.tuning import Tuner, measure

folder = Path(sys.argv[1])
recipe = jaxdl.Experiment("tuned", data=jaxdl.Digits(), model=jaxdl.MLP(features=(16,)),
    objective=jaxdl.SoftmaxCrossEntropy(), optimizer=jaxdl.Adam(), training=jaxdl.Training(epochs=1, batch_size=64))
times = []

def faked(seconds):
    def measured(trainers):
        times.append(list(map(str, trainers)))
        return dict(zip(trainers, seconds))
    return measured

def slow(trainers):
    time.sleep(0.05)
    return faked([1e-6, 0.9e-6])(trainers)

def train(name, tuner, recipe=recipe):
    summary = jaxdl.train(recipe, run_dir=folder / name, notify=None, tuner=tuner)
    record = json.loads((folder / name / "record.json").read_text())
    config = json.loads((folder / name / "config.json").read_text())
    return {"tuning": record.get("tuning"), "layout": record.get("layout"), "devices": record["devices"],
            "in_config": config["training"]["devices"], "library": config["training"]["library"],
            "loss": summary["metrics"]["test/loss"],
            "calls": len(times)}

always = dict(worth=0.0)
pictures = jaxdl.replace(recipe, {"model": jaxdl.CNN(features=(8,), pool_after=(1,), dense=())})
small = jaxdl.replace(pictures, {"training.batch_size": 32})
wider = jaxdl.replace(pictures, {"model.features": (12,)})
data = recipe.data.load(folder, print)

def trainer_of(recipe):
    return jaxdl.Trainer(recipe, data)

def just_worth(recipe):
    # Long enough for measuring, too short for all forms at once.
    trainer = trainer_of(recipe.for_spec(data.spec))
    return sum(trainer.programs.step_flops.values()) / 5e10 * trainer.total_steps / 2

found = {
    "short": train("short", Tuner()),
    "two": train("two", Tuner(measure=faked([1.0, 0.5]), **always)),
    "kept": train("kept", Tuner(measure=faked([1.0, 2.0]), **always), jaxdl.replace(recipe, {"training.epochs": 2})),
    "named": train("named", Tuner(measure=faked([1.0, 0.5]), **always), jaxdl.replace(recipe, {"training.devices": 1})),
    "odd": train("odd", Tuner(measure=faked([1.0, 0.5]), **always), jaxdl.replace(recipe, {"training.batch_size": 63})),
    "one": train("one", Tuner(measure=faked([1, 0.97]), **always), jaxdl.replace(recipe, {"training.batch_size": 32})),
    "pinned": train("pinned", Tuner(pinned=folder / "one")),
    "native": train("native", Tuner(measure=faked([1.0, 0.9, 0.7]), **always), pictures),
    "plain": train("plain", Tuner(measure=faked([1.0, 1.5, 1.4]), **always), wider),
    "native again": train("again", Tuner(pinned=folder / "native"), pictures),
    "brief": train("brief", Tuner(measure=slow, worth=just_worth(small)), small),
    "really": train("really", Tuner(**always), jaxdl.replace(recipe, {"training.batch_size": 128})),
}
endless = jaxdl.replace(recipe, {"training.batch_size": 16, "training.epochs": 10_000}).for_spec(data.spec)
hasty = Tuner(worth=0.1).choose(endless, trainer_of).described()
tried = [*times]
long = jaxdl.replace(small, {"training.epochs": 1_000_000}).for_spec(data.spec)
longer = [Tuner(measure=faked([1.0, 0.5]), **always).choose(long, trainer_of) for _ in "12"]
longer = {"chosen": [each.described() for each in longer], "tried": times[len(tried):]}
middling = jaxdl.replace(small, {"training.batch_size": 8}).for_spec(data.spec)
steps, worth = trainer_of(middling).total_steps, just_worth(middling)

def measured_for_a_while(trainers):
    time.sleep(0.2)
    return faked([1.0, 3.0 / steps])(trainers)  # a training of three seconds

middling = Tuner(measure=measured_for_a_while, worth=worth).choose(middling, trainer_of)
middling = {"tuning": middling.described()}
large = jaxdl.replace(recipe, {"model": jaxdl.CNN(features=(64, 128), pool_after=(2,), dense=())})
before, likely = len(times), []
# 2, 20, 200 and again 2 times as long as is worth measuring.
for epochs, seconds in ((1, []), (10, [1.0, 0.9]), (100, [1.0, 3.0]), (1, [])):
    each = jaxdl.replace(large, {"training.epochs": epochs}).for_spec(data.spec)
    likely.append(Tuner(measure=faked(seconds), worth=just_worth(large)).choose(each, trainer_of).described())
likely = {"chosen": likely, "tried": times[before:]}
told = {"found": found, "tried": tried, "hasty": hasty, "longer": longer, "middling": middling, "likely": likely}
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("tuning")
    built = cache_folder() / "native"  # what is chosen is kept in a folder of its own, but nothing is compiled again
    built.mkdir(parents=True, exist_ok=True)
    (folder / "jaxdl").mkdir()
    (folder / "jaxdl" / "native").symlink_to(built)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu", "XDG_CACHE_HOME": str(folder)}
    done = subprocess.run([sys.executable, "-c", CODE, folder], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found.pop("found") | found | {"hasty": {"tuning": found["hasty"]}}


def count(each: dict[str, Any]) -> int:
    assert each["tuning"]["devices"] == each["devices"][0]["count"]
    assert (each["layout"] or {"devices": 1})["devices"] == each["tuning"]["devices"]
    return int(each["tuning"]["devices"])


def test_devices_that_are_faster_share_the_batch_and_the_run_says_so(found):
    assert count(found["two"]) == 2
    assert found["two"]["in_config"] == 2
    seconds = {"1": 1.0, "2": 0.5}
    assert found["two"]["tuning"] == {"devices": 2, "library": "xla", "step_seconds": seconds, "reason": "measured"}
    assert found["two"]["loss"] == pytest.approx(found["short"]["loss"], rel=1e-4)


def test_what_was_measured_once_is_kept(found):
    assert count(found["kept"]) == 2
    assert found["kept"]["tuning"]["reason"] == "measured before"
    assert found["kept"]["calls"] == found["two"]["calls"] == 1


def test_a_gain_that_is_small_is_not_taken(found):
    assert count(found["one"]) == 1
    assert found["one"]["in_config"] is None
    assert found["one"]["layout"] is None


@pytest.mark.parametrize(("name", "reason"), [("short", "too short"), ("odd", "one device"), ("pinned", "from ")])
def test_nothing_is_measured_where_it_cannot_gain_or_is_known(found, name, reason):
    assert count(found[name]) == 1
    assert reason in found[name]["tuning"]["reason"]
    assert found[name]["tuning"]["step_seconds"] == {}


@pytest.mark.skipif(not can_be_built(), reason="needs a C++ compiler and the extra native")
def test_onednn_is_tried_for_convolutions_and_kept_with_the_run(found):
    assert found["tried"][-4] == ["1", "1 onednn", "2 onednn"]  # all at once before a long training
    assert found["native"]["tuning"]["step_seconds"] == {"1": 1.0, "1 onednn": 0.9, "2 onednn": 0.7}
    assert count(found["native"]) == 2
    assert found["native"]["library"] == found["native"]["tuning"]["library"] == "onednn"
    again = found["native again"]
    assert (again["library"], again["tuning"]["reason"][:5]) == ("onednn", "from ")
    assert again["loss"] == found["native"]["loss"]
    assert {each["library"] for name, each in found.items() if name in ("two", "kept", "one", "short")} == {"xla"}


@pytest.mark.skipif(not can_be_built(), reason="needs a C++ compiler and the extra native")
def test_more_devices_with_xla_are_tried_where_its_operations_are_faster(found):
    assert found["tried"][-3:-1] == [["1", "1 onednn", "2 onednn"], ["1", "2"]]
    seconds = {"1": 1.0, "1 onednn": 1.5, "2 onednn": 1.4, "2": 1.5}
    assert found["plain"]["tuning"]["step_seconds"] == seconds
    assert (found["plain"]["library"], count(found["plain"])) == ("xla", 1)


@pytest.mark.skipif(not can_be_built(), reason="needs a C++ compiler and the extra native")
def test_more_devices_are_not_tried_where_a_short_training_gains_less_than_that_takes(found):
    assert found["tried"][-1] == ["1", "1 onednn"]
    assert found["brief"]["tuning"]["step_seconds"] == {"1": 1e-6, "1 onednn": 0.9e-6}
    assert found["brief"]["library"] == "onednn" and count(found["brief"]) == 1


@pytest.mark.skipif(not can_be_built(), reason="needs a C++ compiler and the extra native")
def test_more_devices_are_not_tried_where_a_twentieth_of_the_training_is_less_than_that_takes(found):
    assert list(found["middling"]["tuning"]["step_seconds"]) == ["1", "1 onednn"]  # 0.15 s of 3 s, for 0.2 s and more


@pytest.mark.skipif(not can_be_built(), reason="needs a C++ compiler and the extra native")
def test_a_longer_training_of_the_same_steps_tries_more_devices_once(found):
    first, second = found["longer"]["chosen"]
    assert found["longer"]["tried"] == [["1 onednn", "2 onednn"]]
    assert first["step_seconds"] == second["step_seconds"] == {"1": 1e-6, "1 onednn": 0.9e-6, "2 onednn": 0.45e-6}
    assert [first["reason"], second["reason"]] == ["measured", "measured before"]
    assert (first["devices"], first["library"]) == (second["devices"], second["library"]) == (2, "onednn")


@pytest.mark.skipif(not can_be_built(), reason="needs a C++ compiler and the extra native")
@pytest.mark.skipif("avx512bw" not in processor_identity(), reason="native operations are less sure to be faster")
def test_xlas_operations_are_timed_only_before_a_long_training_where_products_are_large(found):
    short, middling, long, again = found["likely"]["chosen"]
    assert found["likely"]["tried"] == [["1 onednn", "2 onednn"], ["1 onednn", "1"]]
    assert (short["devices"], short["library"], short["step_seconds"]) == (1, "onednn", {})
    assert "likely" in short["reason"]
    assert middling["step_seconds"] == {"1 onednn": 1.0, "2 onednn": 0.9}
    assert long["step_seconds"] == again["step_seconds"] == {"1 onednn": 1.0, "2 onednn": 0.9, "1": 3.0}
    assert {(each["devices"], each["library"]) for each in (middling, long, again)} == {(2, "onednn")}
    assert again["reason"] == "measured before"


def test_short_steps_are_not_divided_however_many_there_are(found):
    assert found["hasty"]["tuning"]["reason"] == "one device divides the batch, or a step is too short for more"
    assert found["hasty"]["tuning"]["step_seconds"] == {}


def test_devices_that_the_recipe_names_are_not_chosen(found):
    assert found["named"]["tuning"] is None
    assert found["named"]["in_config"] == 1


def test_steps_are_really_timed(found):
    seconds = found["really"]["tuning"]["step_seconds"]
    assert list(seconds) == ["1", "2"]
    assert all(0 < each < 10 for each in seconds.values())
    fastest = "2" if seconds["2"] * 1.05 <= seconds["1"] else "1"
    assert count(found["really"]) == int(fastest)


class Clock:
    """The time of made-up trainings: it stands still for half a second in some of the calls for train steps."""

    def __init__(self, stands_still: set[int]):
        self.now, self.calls, self.stands_still = 0.0, 0, stands_still


class MadeUp:
    """A training whose steps take as long as they are said to, and each call for some of them 20 ms more."""

    total_steps = 100_000

    def __init__(self, clock: Clock, step_seconds: float):
        self.clock, self.step_seconds, self.programs, self.longest = clock, step_seconds, self, 0

    def compile(self, names: list[str]) -> None: ...

    def init_state(self) -> int:
        return 0

    def placed(self, state: int) -> int:
        return state

    def advance(self, state: int, count: int) -> tuple[int, None]:
        self.clock.calls, self.longest = self.clock.calls + 1, max(self.longest, count)
        self.clock.now += 0.02 + count * self.step_seconds + 0.5 * (self.clock.calls in self.clock.stands_still)
        return state + count, None


@pytest.mark.parametrize(
    "steps",
    [(1e-4, 1.5e-4), (1e-4, 0.5e-4), (0.02, 0.03), (0.02, 0.01), (0.02, 0.021), (0.09, 0.07), (0.09, 0.12)],
)
def test_the_faster_form_is_found_though_calls_cost_something_and_the_machine_stands_still(
    steps: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(stands_still: set[int]) -> tuple[dict[Form, float], int]:
        clock = Clock(stands_still)
        monkeypatch.setattr("jaxdl.training.tuning.time.perf_counter", lambda: clock.now)
        forms: Any = {form: MadeUp(clock, each) for form, each in zip((Form(1), Form(2)), steps, strict=True)}
        seconds = tuning.measure(forms)
        assert all(form.longest * form.step_seconds >= 0.05 for form in forms.values())
        return seconds, clock.calls

    _, calls = measured(set())
    # Once anywhere, or in two of the three measurements of the first form, which are every other one of the last six.
    for stands_still in (set(), *({call} for call in range(1, calls + 1)), {calls - 5, calls - 3}):
        seconds, _ = measured(stands_still)
        assert (seconds[Form(2)] < seconds[Form(1)]) == (steps[1] < steps[0]), stands_still
        assert seconds[Form(1)] == pytest.approx(steps[0], rel=0.25), stands_still


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "No such file"),
        ("{}", "not the record of such a run"),
        ('{"tuning": {"devices": "many"}}', "not the record of such a run"),
        ('{"tuning": {"devices": 1, "library": "mkl"}}', "not the record of such a run"),
        ('{"tuning": {"devices": 3}}', "chose 3 devices.*possible: 1"),
    ],
)
def test_a_choice_that_cannot_be_taken_is_refused(recipe, tmp_path, content, problem):
    file = tmp_path / "record.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UserError, match=problem):
        Tuner(file).choose(recipe, Cache(tmp_path, print).trainer, tmp_path / "run")


def test_a_run_that_is_resumed_keeps_its_choice(recipe, tmp_path):
    before = jaxdl.train(dataclasses.replace(recipe), run_dir=tmp_path / "run", notify=None)
    assert before["status"] == "completed"
    chosen = Tuner(tmp_path / "nothing").choose(recipe, Cache(tmp_path, print).trainer, tmp_path / "run")
    assert chosen is not None
    assert (chosen.form.devices, chosen.reason) == (1, "the run's own")
