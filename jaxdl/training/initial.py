"""The weights that a training begins with, where they come from another run or a file (``init_from``).

They are taken by name and shape. Which ones were is printed as a table and written into ``record.json``, with a digest
of what was taken: a run that begins again, or that is reproduced, is told where its source has changed since. A run
that has a checkpoint no longer needs the source.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxdl.backend.keys import is_key
from jaxdl.backend.mesh import placed
from jaxdl.checkpoint.digest import named_leaves, params_sha256
from jaxdl.checkpoint.weights import Weights, read_weights
from jaxdl.errors import UserError, nearest
from jaxdl.experiment import Experiment
from jaxdl.files.paths import expanded
from jaxdl.optim.groups import check_chooses, matches
from jaxdl.record import RECORD, read_record
from jaxdl.steps.functions import TrainState

_FIELD, ENTRY = "init_from", "initial"
_NEAR = 3
# What may become of an array, in the order of the table.
_TAKEN, _OTHER, _MISSING, _NOT_CHOSEN, _LEFT = "taken", "another shape", "not there", "not chosen", "left"
_MEANING = {
    _TAKEN: "the run begins with these",
    _OTHER: "these are new",
    _MISSING: "these are new",
    _NOT_CHOSEN: "by init_only; these are new",
    _LEFT: "not in this model",
}


@dataclasses.dataclass(frozen=True)
class Initial:
    """The weights that a training begins with.

    Attributes:
        source: where they come from.
        only: the regular expression of the parameters to take; empty: all.
        taken: arrays by their names in this model, ``COLLECTION/PATH``, in the dtypes of the model.
        rows: what became of each array, with its name and a note, in the order of the table.
    """

    source: Weights
    only: str
    taken: Mapping[str, np.ndarray]
    rows: Sequence[tuple[str, str, str]]

    @property
    def sha256(self) -> str:
        """Digest of what was taken, see `params_sha256`."""
        return params_sha256(dict(self.taken))

    def names(self, kind: str) -> list[str]:
        """Returns the arrays of which a kind of thing became."""
        return [name for found, name, _ in self.rows if found == kind]

    def record(self) -> dict[str, Any]:
        """Returns what ``record.json`` says of it."""
        return {
            "from": str(self.source.path.absolute()),
            "step": self.source.step,
            "only": self.only,
            "sha256": self.sha256,
            **{kind.replace(" ", "_"): self.names(kind) for kind in _MEANING},
        }

    def table(self) -> str:
        """Returns the table for the user: a line for each module and what became of it."""
        at = "" if self.source.step is None else f" (step {self.source.step:,})"
        in_model = sum(kind != _LEFT for kind, *_ in self.rows)
        lines = [f"{_FIELD} {self.source.path}{at}: {len(self.taken)} of the {in_model} arrays of this model are its"]
        for kind, meaning in _MEANING.items():
            of_modules = _by_module([row for row in self.rows if row[0] == kind])
            lines += [f"  {kind} ({meaning})"] if of_modules else []
            lines += [f"    {module:<24} {', '.join(names)}" for module, names in of_modules.items()]
        return "\n".join(lines)

    def put(self, state: TrainState) -> tuple[Any, Any]:
        """Returns the parameters and the other variables of a state with what was taken in their places."""

        def of(path: Any, leaf: Any) -> Any:
            name = jax.tree_util.keystr(path, simple=True, separator="/")
            return placed(self.taken[name], leaf.sharding) if name in self.taken else leaf

        found = jax.tree_util.tree_map_with_path(of, _of_state(state))
        return found.pop("params"), found


def initial_weights(experiment: Experiment, like: TrainState) -> Initial | None:
    """Returns the weights that a training begins with; None without ``init_from``.

    Args:
        experiment: the recipe.
        like: the shapes of its state.

    Raises:
        UserError: the source cannot be read, or nothing of it fits.
    """
    if not experiment.init_from:
        return None
    source = read_weights(expanded(experiment.init_from), _FIELD)
    wanted = {name: leaf for name, leaf in named_leaves(_of_state(like)).items() if not is_key(leaf)}
    only = experiment.init_only
    if only:
        check_chooses("init_only", only, [_path(name) for name in wanted])
    rows, taken, used = [], {}, set()
    for name, leaf in wanted.items():
        found = next((each for each in (name, _path(name)) if each in source.arrays), None)
        used |= {found}
        if only and not matches(only, _path(name)):
            rows.append((_NOT_CHOSEN, name, ""))
        elif found is None:
            rows.append((_MISSING, name, ""))
        elif not _fits(source.arrays[found], leaf):
            rows.append((_OTHER, name, f"{_shown(source.arrays[found])} there, {_shown(leaf)} here"))
        else:
            rows.append((_TAKEN, name, _shown(leaf)))
            taken[name] = np.asarray(source.arrays[found]).astype(leaf.dtype)
    rows += [(_LEFT, name, _shown(array)) for name, array in source.arrays.items() if name not in used]
    if not taken:
        raise _nothing_fits(source, wanted, rows)
    return Initial(source, only, taken, rows)


def check_same_source(run_dir: Path, initial: Initial) -> None:
    """Raises `UserError` where a run was begun with other weights than its source has now.

    Args:
        run_dir: the run directory, which may be new.
        initial: what is taken now.
    """
    before = read_record(run_dir).get(ENTRY) if (run_dir / RECORD).exists() else None
    if isinstance(before, Mapping) and before.get("sha256") != initial.sha256:
        raise UserError(
            f"{_FIELD}={initial.source.path} has changed since {run_dir} was begun: it gives other weights now "
            f"(digest {initial.sha256[:12]}, then {str(before.get('sha256'))[:12]}). Restore it, or begin a new run."
        )


def _of_state(state: TrainState) -> dict[str, Any]:
    """Returns the collections of a model's variables."""
    return {"params": state.params, **state.model_state}


def _path(name: str) -> str:
    """Returns a name without its collection: ``params/dense_1/kernel`` is ``dense_1/kernel``."""
    return name.partition("/")[2]


def _fits(array: np.ndarray, leaf: Any) -> bool:
    """Returns whether an array has the shape and the kind of numbers of one of the model."""
    floating = [jax.numpy.issubdtype(each.dtype, jax.numpy.floating) for each in (array, leaf)]
    return array.shape == leaf.shape and (all(floating) or array.dtype == leaf.dtype)


def _shown(array: Any) -> str:
    return f"{np.dtype(array.dtype).name}{list(array.shape)}"


def _by_module(rows: Sequence[tuple[str, str, str]]) -> dict[str, list[str]]:
    """Returns the arrays of each module with their notes, in order."""
    found: dict[str, list[str]] = {}
    for kind, name, note in rows:
        module, _, array = (_path(name) or name).rpartition("/")
        found.setdefault(module or "-", []).append(f"{array} ({note})" if kind == _OTHER else array)
    return found


def _nothing_fits(source: Weights, wanted: Mapping[str, Any], rows: Sequence[tuple[str, str, str]]) -> UserError:
    """Returns the error that says what is near."""
    near = [f"{_path(name)} is {note}" for kind, name, note in rows if kind == _OTHER]
    near += list(_like_named(source, [name for kind, name, _ in rows if kind == _MISSING], wanted))
    said = "; ".join(near[:_NEAR]) or f"it has {', '.join(list(source.arrays)[:_NEAR]) or 'no arrays'}"
    return UserError(
        f"{_FIELD}={source.path}: nothing of its {len(source.arrays)} arrays has name and shape of one of this model "
        f"(of {len(wanted)}), so nothing would be taken. Near: {said}."
    )


def _like_named(source: Weights, names: Sequence[str], wanted: Mapping[str, Any]) -> Iterator[str]:
    for name in names:
        other = nearest(_path(name), source.arrays)
        if other is not None:
            yield f"{_path(name)} {_shown(wanted[name])} here, {other} {_shown(source.arrays[other])} there"
