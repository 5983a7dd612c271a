"""One recipe whose every part is the user's own: named, resumed to the bit after kills, swept as one program."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import optax
import pytest

import jaxdl
from jaxdl.fields.function import code_digest
from jaxdl.record import read_config, read_record
from jaxdl.training.reproduce import compare, reproduce

ROOT = Path(__file__).resolve().parents[2]
FILE = '''
"""A recipe of own parts only."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxdl

STEEPNESS = 1.0


@jaxdl.source
def rings(*, n=256, noise=0.1):
    random = np.random.default_rng(0)
    label = np.arange(n) % 2
    angle = random.uniform(0, 2 * np.pi, n)
    radius = 1 + label + noise * random.normal(size=n)
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).astype(np.float32)
    return {"train": (points[::2], label[::2]), "test": (points[1::2], label[1::2])}


@jaxdl.augmentation
def jitter(inputs, key, *, sigma=0.05):
    return inputs + sigma * jax.random.normal(key, inputs.shape)


def bent(x):
    return jnp.tanh(STEEPNESS * x)


class Net(nn.Module):
    """Two layers."""

    width: int = jaxdl.static(8, "units")
    dropout: float = jaxdl.traced(0.1, "rate")
    outputs: int | None = jaxdl.static(None, "size of the last layer")

    @nn.compact
    def __call__(self, inputs, *, train=False, lengths=None):
        hidden = bent(nn.Dense(self.width)(inputs))
        hidden = nn.Dropout(0.5, deterministic=not train)(hidden) * (1 - self.dropout)
        return nn.Dense(self.outputs)(hidden)


@jaxdl.loss
def focal(outputs, targets, *, gamma=2.0):
    losses = optax.losses.softmax_cross_entropy_with_integer_labels(outputs, targets)
    return (1 - jnp.exp(-losses)) ** gamma * losses


@jaxdl.metric
def margin(outputs, targets, *, scale=100.0):
    return scale * (outputs.max(1) - outputs.min(1))


@jaxdl.metric
class balance:
    def sums(self, outputs, targets, weights):
        return {"said": (weights * outputs.argmax(-1)).sum(), "all": weights.sum()}

    def value(self, sums):
        return sums["said"] / sums["all"]


@jaxdl.optimizer
def sign_momentum(learning_rate, *, momentum=0.9):
    return optax.chain(optax.trace(momentum), optax.scale_by_sign(), optax.scale(-learning_rate))


@jaxdl.schedule
def falling(step, steps, *, offset=10):
    return (offset / (offset + step)) ** 0.5


@jaxdl.hook(every="7steps")
def watch(now):
    now.log("first", now.predict(np.ones((1, 2), np.float32))[0, 1])


def own() -> jaxdl.Experiment:
    return jaxdl.Experiment(
        name="own",
        data=rings(noise=0.2, validation=0.25),
        model=Net(width=16),
        objective=focal(gamma=1.5),
        optimizer=sign_momentum(learning_rate=1e-3, schedule=falling()),
        augmentation=jitter(),
        metrics=("accuracy", margin, balance),
        hooks=(watch,),
        training=jaxdl.Training(epochs=40, batch_size=8),
        checkpoint=jaxdl.Checkpointing(every="5steps"),
    )
'''


def recipe(file: Path) -> jaxdl.Experiment:
    """Returns the recipe of a file, imported under a name of its own."""
    name = f"own_parts_{abs(hash(str(file)))}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    made: jaxdl.Experiment = module.own()
    return made


def command(folder: Path, run_dir: str) -> tuple[list[str], dict[str, Any]]:
    words = [sys.executable, "-m", "jaxdl", "--experiment=own.py", f"--run_dir={run_dir}", "--quiet", "--tuning=off"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    return words, {"cwd": folder, "env": environment, "stderr": subprocess.PIPE}


def killed(folder: Path, run_dir: str, seed: int) -> bool:
    """Starts the training and kills it at a random moment after its first step here; returns whether it was."""
    words, how = command(folder, run_dir)
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, **how) as process:
        calls, before = folder / run_dir / "hooks.jsonl", 0
        if calls.exists():
            before = calls.stat().st_size
        while process.poll() is None and not (calls.exists() and calls.stat().st_size > before):
            time.sleep(0.01)
        time.sleep(random.Random(seed).uniform(0.0, 0.3))
        process.send_signal(signal.SIGKILL)
    return process.returncode == -signal.SIGKILL


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the file ``own.py`` and, in ``whole``, a run of it that nothing stopped."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own.py").write_text(FILE)
    words, how = command(folder, "whole")
    done = subprocess.run(words, stdout=subprocess.DEVNULL, check=False, **how)
    assert done.returncode == 0, done.stderr.decode()
    return folder


@pytest.mark.nightly
@pytest.mark.slow
def test_a_run_that_is_killed_at_random_steps_ends_with_the_same_bits(folder: Path) -> None:
    assert any([killed(folder, "cut", seed) for seed in range(2)])
    words, how = command(folder, "cut")
    done = subprocess.run(words, stdout=subprocess.DEVNULL, check=False, **how)
    assert done.returncode == 0, done.stderr.decode()
    assert compare(folder / "whole", folder / "cut") == []
    steps = [json.loads(line)["step"] for line in (folder / "cut" / "hooks.jsonl").read_text().splitlines()]
    assert steps == sorted(set(steps))  # the hook was called once for each


@pytest.mark.nightly
@pytest.mark.slow
def test_config_record_and_report_name_every_part(folder: Path) -> None:
    run = folder / "whole"
    config, own = read_config(run), read_record(run)["own_parts"]
    named = {path: config[path]["type"] for path in ("data", "model", "objective", "optimizer", "augmentation")}
    assert named == {
        "data": "rings",
        "model": "Net",
        "objective": "focal",
        "optimizer": "sign_momentum",
        "augmentation": "jitter",
    }
    assert (config["objective"]["gamma"], config["data"]["noise"], config["model"]["width"]) == (1.5, 0.2, 16)
    assert config["optimizer"]["schedule"]["type"] == "falling"
    assert (config["metrics"], config["hooks"]) == (["accuracy", "margin", "balance"], ["watch(every=7steps)"])
    paths = {*named, "optimizer.schedule", "metrics.margin", "metrics.balance"}
    assert config["code"].keys() == paths and own.keys() == paths | {"hooks.watch"}
    assert all(place.endswith(")") and " (own.py:" in place for place in own.values())
    report = (run / "report.html").read_text()
    assert all(place in report for place in own.values())
    assert {"test/margin", "test/balance", "hooks/first"} <= json.loads((run / "summary.json").read_text())[
        "metrics"
    ].keys()


@pytest.mark.nightly
@pytest.mark.slow
def test_a_sweep_over_all_traced_fields_of_own_parts_is_one_program(folder: Path, tmp_path: Path) -> None:
    fields = {
        "gamma": "1,2",
        "momentum": "0.5,0.9",
        "learning_rate": "1e-3,2e-3",
        "sigma": "0.01,0.1",
        "model.dropout": "0.1,0.2",
        "seed": "0:2",
    }
    short = jaxdl.replace(recipe(folder / "own.py"), {"training.epochs": 1, "hooks": ()})
    found = jaxdl.sweep(
        short, fields, mode="random", trials=6, sweep_dir=tmp_path / "sweep", notify=lambda line: None,
        execution=jaxdl.Execution(batch="off"),
    )  # fmt: skip
    assert (found.count("completed"), found.compiled) == (6, {"train": 1, "eval": 1})
    assert len({trial.objective for trial in found.trials}) == 6


CHANGES = {
    "focal": ("** gamma * losses", "** gamma * losses * 2.0"),
    "sign_momentum": ("optax.scale(-learning_rate)", "optax.scale(-2 * learning_rate)"),
    "falling": ("** 0.5", "** 0.25"),
    "jitter": ("inputs + sigma", "inputs - sigma"),
    "margin": ("outputs.max(1) - outputs.min(1)", "outputs.max(1)"),
    "balance": ('sums["said"] / sums["all"]', 'sums["said"]'),
    "Net": ("* (1 - self.dropout)", "* (2 - self.dropout)"),
    "Net, by a function that it calls": ("jnp.tanh(", "jnp.sin("),
    "Net, by a number that it uses": ("STEEPNESS = 1.0", "STEEPNESS = 2.0"),
}


@pytest.mark.parametrize("changed", CHANGES)
def test_code_that_has_changed_is_told_whichever_part_it_is(changed: str, tmp_path: Path) -> None:
    before, after = CHANGES[changed]
    assert FILE.count(before) == 1
    (tmp_path / "own.py").write_text(FILE)
    (tmp_path / "changed").mkdir()
    (tmp_path / "changed" / "own.py").write_text(FILE.replace(before, after).replace('"""Two', '"""Three'))
    config = jaxdl.to_config(recipe(tmp_path / "own.py"))
    same = tmp_path / "same.py"
    same.write_text(
        FILE.replace('"""Two layers."""', '"""Two."""').replace("    return (off", "    # By and by.\n    return (off")
    )
    from jaxdl.experiment.config import changed_code

    assert changed_code(config, recipe(same)) == []
    (told,) = changed_code(config, recipe(tmp_path / "changed" / "own.py"))
    assert told.startswith(f"{changed.partition(',')[0]} (own.py:")


@pytest.mark.slow
def test_a_finished_run_is_used_with_changed_code_only_after_a_word(tmp_path: Path) -> None:
    """What predicts and measures says so, and what compares bits, or goes on with a sweep, refuses."""
    (tmp_path / "own.py").write_text(FILE)
    (tmp_path / "changed").mkdir()
    (tmp_path / "changed" / "own.py").write_text(FILE.replace(*CHANGES["Net"]))
    short = {"training.epochs": 1, "hooks": ()}
    same, other = (jaxdl.replace(recipe(tmp_path / name / "own.py"), short) for name in (".", "changed"))
    run, sweep, lines = tmp_path / "run", tmp_path / "sweep", list[str]()
    jaxdl.train(same, run_dir=run, notify=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = jaxdl.load_run(run, same).predict(np.ones((1, 2), np.float32))
    with pytest.warns(UserWarning, match=r"the code of Net \(own.py:\d+\) has changed since .*run was trained") as told:
        after = jaxdl.load_run(run, other).predict(np.ones((1, 2), np.float32))
    assert (before != after).any() and [each.filename for each in told] == [__file__]
    jaxdl.evaluate(run, other, notify=lines.append)
    assert [line.split(" (")[0] for line in lines] == ["the code of Net"]
    with pytest.raises(jaxdl.UserError, match=r"was trained with other code of Net"):
        reproduce(run, tmp_path / "again", other)
    assert not (tmp_path / "again").exists()
    alone = jaxdl.Execution(batch="off")
    jaxdl.sweep(same, {"gamma": "1,2"}, sweep_dir=sweep, notify=lines.append, execution=alone)
    with pytest.raises(jaxdl.UserError, match=r"sweep was begun with other code of Net"):
        jaxdl.sweep(other, {"gamma": "1,2"}, sweep_dir=sweep, notify=lines.append, execution=alone)


def unnamed(rate: float = 1e-3, times: float = 1.0) -> jaxdl.Experiment:
    """Returns a recipe of what has no name; the lambda is the same in each, and the numbers around it are not."""
    return jaxdl.Experiment(
        name="unnamed",
        data="digits",  # type: ignore[arg-type]
        model=jaxdl.MLP(features=[8]),  # type: ignore[arg-type]
        objective=lambda outputs, targets: abs(outputs.sum(-1) - targets), optimizer=optax.adam(rate), seed=int(times),  # type: ignore[arg-type]
    )  # fmt: skip


def test_what_has_no_name_is_marked_in_the_config() -> None:
    recipe = unnamed()
    config = jaxdl.to_config(recipe)
    assert config["unnamed"] == ["objective", "optimizer"] and config["model"]["features"] == [8]
    assert "unnamed" not in jaxdl.to_config(jaxdl.replace(recipe, objective="huber", optimizer="sgd"))
    assert jaxdl.from_config(config, recipe) == recipe
    assert jaxdl.to_config(unnamed()) == config
    with pytest.raises(jaxdl.UserError, match="objective '<lambda>' is not a part of jaxdl"):
        jaxdl.from_config(config)


def test_the_digest_of_a_lambda_is_of_nothing_around_it() -> None:
    given, other = (lambda x: x + 1), [lambda x: x + 1, "beside it"][0]
    assert code_digest(given) == code_digest(other) != code_digest(lambda x: x + 2)
    assert code_digest(lambda x: np.sin(x)) != code_digest(lambda x: np.cos(x))
    assert code_digest(lambda x: [each + 1 for each in x]) == code_digest(lambda x: [each + 1 for each in x])


def test_a_config_is_read_without_importing_the_file_that_it_names(tmp_path: Path) -> None:
    """Neither its path nor its module is looked for; without the recipe, the run is refused by the part's name."""
    trap = tmp_path / "trap.py"
    trap.write_text("raise SystemExit('imported')")
    (tmp_path / "own.py").write_text(FILE)
    config = jaxdl.to_config(recipe(tmp_path / "own.py"))
    text = json.dumps(config).replace('"Net"', '"trap.Net"').replace('"focal"', f'"{trap}:focal"')
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        for each in (config, json.loads(text)):
            with pytest.raises(jaxdl.UserError, match=r"rings|Net|focal"):
                jaxdl.from_config(each)
    assert "trap" not in sys.modules
