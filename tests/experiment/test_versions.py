"""Configs of earlier versions are read as what they meant; those of newer ones are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.experiment import versions
from jaxdl.experiment.versions import MIGRATIONS, VERSION, Migration, migrated, versioned
from jaxdl.record import read_config
from jaxdl.record.encoding import flattened

# What each release wrote for its experiments.
OLDER = [
    pytest.param(config, id=f"{file.stem}-{config['name']}")
    for file in sorted((Path(__file__).parent / "older").glob("*.json"))
    for config in json.loads(file.read_text())
]


@pytest.mark.parametrize("config", OLDER)
def test_a_config_of_an_older_release_keeps_every_value(config: dict[str, Any]) -> None:
    experiment = jaxdl.from_config(config)
    now = flattened(jaxdl.to_config(experiment))
    assert {path: now.get(path) for path in flattened(config)} == flattened(config)
    assert jaxdl.from_config(versioned(jaxdl.to_config(experiment))) == experiment


def test_each_earlier_version_has_a_migration_and_older_configs_are_of_the_first() -> None:
    assert sorted(MIGRATIONS) == list(range(1, VERSION))
    assert len(OLDER) >= 14 and not any("config_version" in each.values[0] for each in OLDER)  # type: ignore[operator]


def test_metrics_of_version_1_that_were_the_default_of_any_objective_follow_from_the_objective() -> None:
    squares = jaxdl.to_config(
        jaxdl.Experiment("r", jaxdl.Diabetes(), jaxdl.MLP(features=(2,)), jaxdl.MeanSquaredError(), jaxdl.Adam())
    )
    asked = squares | {"metrics": ["accuracy"]}
    assert jaxdl.from_config(asked).metrics is None
    assert jaxdl.from_config(versioned(asked)).metrics == ("accuracy",)  # someone asked for it


def test_migrations_follow_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    def renamed(old: str, new: str) -> Migration:
        return Migration(lambda config: {new if name == old else name: value for name, value in config.items()})

    monkeypatch.setattr(versions, "VERSION", 4)
    monkeypatch.setattr(versions, "MIGRATIONS", {1: renamed("a", "b"), 2: renamed("b", "c"), 3: renamed("c", "d")})
    assert migrated({"a": 1})[0] == {"d": 1}
    assert migrated({"config_version": 3, "jaxdl": "0.9.0", "c": 1})[0] == {"d": 1}
    assert migrated({"config_version": 4, "c": 1})[0] == {"c": 1}
    assert len(migrated({"config_version": 2})[1]) == 2


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"config_version": VERSION + 1, "jaxdl": "9.8.7"}, rf"version {VERSION + 1}, .*use jaxdl 9.8.7, which wrote"),
        ({"config_version": VERSION + 1}, "use a later jaxdl"),
        ({"config_version": "2"}, "config_version must be a whole number from 1, not '2'"),
        ({"config_version": True}, "config_version must be a whole number"),
        ({"config_version": 0}, "config_version must be a whole number"),
    ],
)
def test_a_version_that_cannot_be_read_is_refused(header: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        jaxdl.from_config({**OLDER[0].values[0], **header})  # type: ignore[dict-item]


def test_a_run_says_its_version_and_a_newer_one_is_neither_resumed_nor_changed(tmp_path: Path) -> None:
    recipe = jaxdl.Experiment("r", jaxdl.Iris(), jaxdl.MLP(features=(2,)), jaxdl.SoftmaxCrossEntropy(), jaxdl.Adam())
    recipe = jaxdl.replace(recipe, {"training.epochs": 1})
    jaxdl.train(recipe, run_dir=tmp_path / "a", data_dir=tmp_path, notify=None)
    config = read_config(tmp_path / "a")
    assert (config["config_version"], config["jaxdl"]) == (VERSION, jaxdl.__version__)
    assert jaxdl.load_run(tmp_path / "a").experiment.model == recipe.model.clone(outputs=3)
    [found] = jaxdl.find_runs(tmp_path / "a")
    assert "config_version" not in found.config and "jaxdl" not in found.config
    newer = json.dumps(config | {"config_version": VERSION + 1, "jaxdl": "9.8.7"})
    (tmp_path / "a" / "config.json").write_text(newer)
    for act in (
        lambda: jaxdl.train(recipe, run_dir=tmp_path / "a", data_dir=tmp_path, notify=None),
        lambda: jaxdl.load_run(tmp_path / "a", recipe),
    ):
        with pytest.raises(UserError, match="use jaxdl 9.8.7, which wrote it"):
            act()
    assert (tmp_path / "a" / "config.json").read_text() == newer
