"""The loss that targets need, where `jaxdl.fit` is given none: whether they are classes, questions or values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from jaxdl.data import Dataset, Spec
from jaxdl.errors import UserError, unknown
from jaxdl.objectives import OBJECTIVES, Objective, loss
from jaxdl.objectives.objectives import Kind
from jaxdl.objectives.own import FromLoss
from jaxdl.objectives.several import losses

_LOSSES: Mapping[Kind, str] = {
    "classes": "softmax_cross_entropy",
    "questions": "sigmoid_cross_entropy",
    "values": "mean_squared_error",
}
_SHORT = {"mse": "mean_squared_error", "mae": "mean_absolute_error"}
_Inferred = tuple[Kind, str]
_Infer = Callable[[], _Inferred]


def objective_for_arrays(
    given: Any, weights: Mapping[str, float] | None, data: Mapping[str, Any], ids: bool, say: Callable[[str], None]
) -> Any:
    """Returns the objective that is meant for arrays: of several targets one for each, by their names.

    Args:
        given: an objective, its name, a function, or of several targets a dictionary of them; None: what they need.
        weights: how much each of several losses counts.
        data: ``inputs`` and ``targets``, as for a split of `jaxdl.Arrays`.
        ids: whether integer inputs are ids.
        say: told what was inferred.

    Raises:
        UserError: there are no targets, or the names are not theirs.
    """
    if "targets" not in data:
        raise UserError("fit: the data have no targets.")
    targets = data["targets"]
    if not isinstance(targets, Mapping):
        return _of_single(given, weights, lambda: _kind(_beside(data, targets), targets, ids), say)
    each = {name: _later(_beside(data, array), array, ids) for name, array in targets.items()}
    return _of_several(given, weights, each, say)


def objective_for_source(
    given: Any, weights: Mapping[str, float] | None, dataset: Callable[[], Dataset], say: Callable[[str], None]
) -> Any:
    """Returns the objective that is meant for a data source; see `objective_for_arrays`.

    Args:
        given: the same as there.
        weights: the same.
        dataset: loads the source; called only where something is to be inferred.
        say: told what was inferred.

    Raises:
        UserError: the names are not those of the targets.
    """
    if isinstance(given, str | Objective) and not weights:
        return _meant(given, lambda: ("values", ""), say, "")
    found = dataset()
    if not found.spec.targets:
        return _of_single(given, weights, lambda: _kind_of(found, "", found.spec), say)
    each = {name: _of_target(found, name, spec) for name, spec in found.spec.targets}
    return _of_several(given, weights, each, say)


def _later(inputs: Any, targets: Any, ids: bool) -> _Infer:
    return lambda: _kind(inputs, targets, ids)


def _of_target(found: Dataset, name: str, spec: Spec) -> _Infer:
    return lambda: _kind_of(found, name, spec)


def _of_single(given: Any, weights: Mapping[str, float] | None, infer: _Infer, say: Callable[[str], None]) -> Any:
    if weights or isinstance(given, Mapping):
        raise UserError("fit: losses by name need targets by name: give a dictionary of targets.")
    return _meant(given, infer, say, "")


def _of_several(
    given: Any, weights: Mapping[str, float] | None, each: Mapping[str, _Infer], say: Callable[[str], None]
) -> Any:
    if given is not None and not isinstance(given, Mapping):
        raise UserError(
            f"fit: there are several targets; give loss={{{', '.join(f'{name!r}: ...' for name in each)}}}."
        )
    for name in given or {}:
        if name not in each:
            raise unknown("target in loss:", name, each)
    return losses({name: _meant((given or {}).get(name), infer, say, name) for name, infer in each.items()}, weights)


def _meant(given: Any, infer: _Infer, say: Callable[[str], None], name: str) -> Any:
    """Returns the objective of one target; one of a user's own function gets the inferred kind."""
    if given is None:
        kind, why = infer()
        say(f"fit: {name + ': ' if name else ''}{why}; loss={_LOSSES[kind]}.")
        return OBJECTIVES.make(_LOSSES[kind])
    if isinstance(given, str):
        return OBJECTIVES.make(_SHORT.get(given, given))
    if isinstance(given, type) and issubclass(given, FromLoss):
        given = given()
    elif callable(given) and not isinstance(given, Objective | type):
        given = loss(given)()
    return given.of_kind(infer()[0]) if isinstance(given, FromLoss) else given


def _beside(data: Mapping[str, Any], targets: Any) -> Any:
    """Returns the inputs that targets belong to: of several, those that have as many steps, or the first."""
    inputs = data["inputs"]
    if not isinstance(inputs, Mapping):
        return inputs
    steps = np.shape(targets[0])[:1]
    alike = [array for array in inputs.values() if steps and np.shape(array[0])[:1] == steps]
    return next(iter(alike or inputs.values()))


def _kind(inputs: Any, given: Any, ids: bool) -> _Inferred:
    """Returns what arrays of targets are, and why."""
    ragged = isinstance(given, list | tuple) and len({np.shape(each)[:1] for each in given}) > 1
    targets = np.concatenate([np.asarray(each) for each in given]) if ragged else np.asarray(given)
    if targets.dtype.kind in "UO":
        return "classes", "texts are classes"
    # As `Arrays` has it: whole numbers of as many columns as sequences have steps are a class for each step.
    first = np.shape(inputs[0])
    per_step = first[:1] == targets.shape[1:] and (len(first) > 1 or ids)
    if not per_step and (columns := _of_columns(targets)):
        return columns
    if targets.dtype.kind in "iub":
        return "classes", f"whole numbers up to {int(targets.max(initial=0))} are classes"
    return "values", "numbers with a fraction are values to predict"


def _kind_of(found: Dataset, name: str, spec: Spec) -> _Inferred:
    """Returns what the targets of a source are, and why."""
    used, targets = found.used, found.splits["train"][f"targets/{name}" if name else "targets"]
    if spec.class_names:
        return "classes", f"the targets of {used} are {len(spec.class_names)} classes"
    columns = _of_columns(targets) if spec.target_shape == (spec.outputs,) and not spec.vocabulary else None
    if columns:
        return columns
    if targets.dtype.kind in "iub" and (spec.outputs > 1 or spec.coding is not None):
        return "classes", f"the targets of {used} are one of {spec.outputs:,} classes"
    if targets.dtype.kind in "iub":
        return "questions", f"the targets of {used} are 0 or 1"
    return "values", f"the targets of {used} are numbers to predict"


def _of_columns(targets: Any) -> _Inferred | None:
    """Returns what several columns of only 0 and 1 are."""
    if targets.ndim != 2 or targets.shape[1] < 2 or not bool(np.isin(targets, (0, 1)).all()):
        return None
    if (np.asarray(targets).sum(1) == 1).all():
        return "classes", "rows with one 1 are classes"
    return "questions", f"{targets.shape[1]} columns of 0 and 1 are yes-or-no questions"
