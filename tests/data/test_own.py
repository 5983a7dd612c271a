"""Data sources of one's own: fields, config, flags by name, and a run that goes on and is reproduced."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxdl
from jaxdl.checkpoint import Checkpoints
from jaxdl.cli.flags import parse_command_line
from tests.training.stopped import Stopped

CALLS: list[dict[str, Any]] = []


@jaxdl.source
def spiral(*, n: int = 80, noise: float = 0.1, turns: int = 1) -> dict[str, Any]:
    """Points of two arms; the class is the arm."""
    CALLS.append({"n": n, "noise": noise, "turns": turns})
    random = np.random.default_rng(turns)
    arm = np.arange(n) % 2
    angle = 6 * turns * random.random(n)
    points = np.stack([angle * np.cos(angle + np.pi * arm), angle * np.sin(angle + np.pi * arm)], 1)
    points += noise * random.normal(size=points.shape)
    half = n // 2
    return {"train": (points[:half], arm[:half]), "test": {"inputs": points[half:], "targets": arm[half:]}}


def recipe(data: Any, **changes: Any) -> jaxdl.Experiment:
    parts: dict[str, Any] = {"training": jaxdl.Training(epochs=2, batch_size=8), **changes}
    return jaxdl.Experiment(
        name="own_data",
        data=data,
        model=jaxdl.MLP(features=(4,)),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(),
        **parts,
    )


def test_it_loads_what_the_function_gives_once() -> None:
    source = spiral(n=60, validation=0.0)  # type: ignore[call-arg]
    CALLS.clear()
    spec, dataset = source.spec(Path()), source.load(Path(), print)
    assert CALLS == [{"n": 60, "noise": 0.1, "turns": 1}]
    given = spiral.function(n=60)
    np.testing.assert_allclose(dataset.splits["train"]["inputs"], given["train"][0], rtol=1e-6)
    np.testing.assert_array_equal(dataset.splits["test"]["targets"], given["test"]["targets"])
    assert spec.outputs == 2 and spec.input_shape == (2,) and dataset.requested == "spiral"
    alike = jaxdl.Arrays(train=given["train"], test=given["test"], validation=0.0).load(Path(), print)
    assert dataset.fingerprint == alike.fingerprint


def test_its_fields_stand_in_the_config_and_only_the_recipe_can_load_it() -> None:
    experiment = recipe(spiral(noise=0.5, turns=2))
    config = jaxdl.to_config(experiment)
    named = {"type": "spiral", "n": 80, "noise": 0.5, "turns": 2}
    assert named.items() <= config["data"].items() and "data" in config["code"]
    assert jaxdl.from_config(json.loads(json.dumps(config)), recipe(spiral())) == experiment
    with pytest.raises(jaxdl.UserError, match="'spiral' is not a part of jaxdl"):
        jaxdl.from_config(config)
    assert jaxdl.replace(experiment, {"data.noise": 0.2}).data == spiral(noise=0.2, turns=2)


def test_a_run_on_it_is_recorded_and_goes_on_to_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = recipe(spiral, checkpoint=jaxdl.Checkpointing(every="1epoch"))
    whole = jaxdl.train(experiment, run_dir=tmp_path / "whole", notify=None)
    save = Checkpoints.save

    def once(self: Checkpoints, *arguments: Any, **options: Any) -> None:
        save(self, *arguments, **options)
        self.wait()
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", once)
        with pytest.raises(Stopped):
            jaxdl.train(experiment, run_dir=tmp_path / "stopped", notify=None)
    other = dataclasses.replace(experiment, data=spiral(noise=0.2))
    with pytest.raises(jaxdl.UserError, match=r"data.noise=0\.2 \(not 0\.1\)"):
        jaxdl.train(other, run_dir=tmp_path / "stopped", notify=None)
    again = jaxdl.train(experiment, run_dir=tmp_path / "stopped", notify=None)
    assert again["params_sha256"] == whole["params_sha256"]
    assert whole["data"]["used"] == "spiral"
    assert jaxdl.load_run(tmp_path / "whole", experiment).experiment.data == spiral()


def test_mistakes_name_the_function() -> None:
    @jaxdl.source
    def alone(*, n: int = 4) -> Any:
        return np.zeros(n)

    with pytest.raises(jaxdl.UserError, match=r"alone \(test_own.py:\d+\) must return {\"train\": \(inputs, targets\)"):
        alone().load(Path(), print)

    def scaled(*, scale: float = 1.0) -> Any:
        return {}

    with pytest.raises(jaxdl.UserError, match=r"scale is a field of every source"):
        jaxdl.source(scaled)
    with pytest.raises(jaxdl.UserError, match="the argument n needs a default"):
        jaxdl.source(lambda n: {})  # type: ignore[call-arg]


def test_its_fields_are_flags() -> None:
    _, experiment = parse_command_line(["--experiment=own_data", "--noise=0.5", "--data.turns=2"], recipe(spiral()))
    assert experiment is not None and experiment.data == spiral(noise=0.5, turns=2)
    _, other = parse_command_line(["--experiment=own_data", "--data=digits"], recipe(spiral()))
    assert other is not None and other.data == jaxdl.Digits()
