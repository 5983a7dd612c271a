"""What else changes with a chosen part: ``optimizer=adam,sgd`` also changes the learning rate and the schedule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxdl.experiment import Experiment
from jaxdl.fields import show, walk
from jaxdl.sweeps.space.limits import Values, leaves
from jaxdl.sweeps.space.space import Space, apply


def also_changed(experiment: Experiment, space: Space, trials: Sequence[Values]) -> list[Values]:
    """Returns for each trial the fields that differ between the trials although the sweep does not name them.

    Each chosen part brings its own values: SGD another learning rate than Adam. A field that only some of the parts
    have belongs to the part's name, and is left out.

    Args:
        experiment: the recipe that is varied.
        space: the fields that are varied.
        trials: the values of each trial.
    """
    plain = {field.path for field in walk(experiment) if field.declaration.family is None}
    chosen = [axis.path for axis in space.axes if axis.path not in plain]
    varied = {axis.path for axis in space.axes}
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    keys = []
    for values in trials:
        key = tuple(show(values.get(path)) for path in chosen)
        keys.append(key)
        if key not in found:
            found[key] = leaves(apply(experiment, {path: values[path] for path in chosen if path in values}))
    every = list(found.values())
    shared = [path for path in (every[0] if every else ()) if all(path in leaves for leaves in every)]
    differ = [path for path in shared if path not in varied and len({show(leaves[path]) for leaves in every}) > 1]
    return [{path: found[key][path] for path in differ} for key in keys]
