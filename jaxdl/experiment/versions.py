"""Versions of ``config.json``, and how a config of an earlier one becomes one of the present.

| version | written by | what changed after it |
|---|---|---|
| 1 | jaxdl 0.1 and 0.2, which wrote no version | metrics follow from the objective; they were ``accuracy`` for all |
| 2 | jaxdl 0.3 | |

A field that came later is no change of format: it is absent, and gets the default of its type, under which jaxdl does
what it did before. A field that is renamed, moved or removed, or whose values get another meaning, is one: raise
`VERSION` then, add a line here and a `Migration`, and a config of the release before to ``tests/experiment/older``.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from jaxdl.errors import UserError, brief
from jaxdl.experiment.recipe import Experiment
from jaxdl.objectives.metrics import defined
from jaxdl.record.encoding import VERSION as NUMBER
from jaxdl.record.encoding import WRITER

VERSION = 2


def _same_config(config: dict[str, Any]) -> dict[str, Any]:
    return config


def _same_experiment(experiment: Experiment) -> Experiment:
    return experiment


class Migration(NamedTuple):
    """What leads from one version to the next.

    Attributes:
        of_config: returns the config with fields renamed, moved or left out.
        of_experiment: returns what was read from it with values that had another meaning.
    """

    of_config: Callable[[dict[str, Any]], dict[str, Any]] = _same_config
    of_experiment: Callable[[Experiment], Experiment] = _same_experiment


def _metrics_of_the_objective(experiment: Experiment) -> Experiment:
    """Accuracy was the default, whatever the targets were, so no one asked for it."""
    if experiment.metrics == ("accuracy",) and not defined("accuracy", experiment.objective):
        return dataclasses.replace(experiment, metrics=None)
    return experiment


# By the version that each leads away from.
MIGRATIONS: Mapping[int, Migration] = {1: Migration(of_experiment=_metrics_of_the_objective)}


def versioned(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a config of the present version with its number and who writes it, as it goes into a file."""
    return {NUMBER: VERSION, WRITER: str(sys.modules["jaxdl"].__version__), **config}


def migrated(config: Mapping[str, Any]) -> tuple[dict[str, Any], Sequence[Callable[[Experiment], Experiment]]]:
    """Returns a config of any version as one of the present, without the number of its version.

    Returns:
        The config; and functions that the experiment which is read from it goes through, one after another.

    Raises:
        UserError: it is of a newer version, or its version is none.
    """
    version = config.get(NUMBER, 1)
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise UserError(f"config: {NUMBER} must be a whole number from 1, not {brief(version)}: the file is damaged.")
    if version > VERSION:
        writer = config.get(WRITER)
        which = f"use jaxdl {brief(writer)[1:-1]}, which wrote it" if isinstance(writer, str) else "use a later jaxdl"
        raise UserError(
            f"config: it is of version {version}, and jaxdl {sys.modules['jaxdl'].__version__} reads versions up to "
            f"{VERSION}: {which}."
        )
    found = without_version(config)
    steps = [MIGRATIONS[each] for each in range(version, VERSION)]
    for step in steps:
        found = step.of_config(found)
    return found, [step.of_experiment for step in steps]


def without_version(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a config without the number of its version and the name of its writer."""
    return {name: value for name, value in config.items() if name not in (NUMBER, WRITER)}
