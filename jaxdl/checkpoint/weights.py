"""The weights of a finished training, by name: those of a run directory, or of a safetensors file, which is also
written here."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxdl.checkpoint.checkpoints import Checkpoints
from jaxdl.checkpoint.digest import named_leaves
from jaxdl.errors import UserError, needed
from jaxdl.files.atomic import named_cause
from jaxdl.record import CONFIG, read_config

SAFETENSORS = ".safetensors"


@dataclasses.dataclass(frozen=True)
class Weights:
    """Arrays by name.

    Attributes:
        path: the run directory or file that they are from.
        step: train steps done by the run; None for a file.
        arrays: on the host; of a run under ``COLLECTION/PATH``, such as ``params/dense_1/kernel`` or
            ``batch_stats/normalize_1/batch/mean``, of a file under the names in it, with ``/`` for each point.
    """

    path: Path
    step: int | None
    arrays: Mapping[str, np.ndarray]


def read_weights(path: Path, field: str) -> Weights:
    """Reads the weights by which a run predicts, or all arrays of a safetensors file; executes nothing.

    Of a run those are the parameters and variables of its last checkpoint, or of the best if its recipe tests the best;
    and where it keeps an average of them, the average.

    Args:
        path: a run directory, or a file whose name ends in ``.safetensors``.
        field: how messages begin, such as ``init_from``.

    Raises:
        UserError: there is no such thing, it is damaged, or a package is missing.
    """
    if path.is_dir() and (path / CONFIG).exists():
        return _of_run(path)
    if path.suffix == SAFETENSORS and path.is_file():
        return _of_file(path, field)
    if not path.exists():
        raise UserError(f"{field}={path}: there is nothing; give a run directory or a {SAFETENSORS} file.")
    kind = "no run directory (it has no config.json)" if path.is_dir() else f"no {SAFETENSORS} file"
    raise UserError(
        f"{field}={path}: this is {kind}. Weights are read from a run directory or a {SAFETENSORS} file, never from a "
        "pickle, which executes code."
    )


def safetensors_file(trees: Mapping[str, Any], metadata: Mapping[str, str]) -> bytes:
    """Returns a safetensors file of arrays, which `read_weights` reads with the names that a run has.

    Args:
        trees: by collection, such as ``params``; the names are the paths joined by points: ``params.dense_1.kernel``.
        metadata: texts for the file's header.

    Raises:
        UserError: the package is missing.
    """
    save = needed("safetensors.numpy", "weights", "writing safetensors").save
    arrays = {name.replace("/", "."): np.ascontiguousarray(array) for name, array in named_leaves(trees).items()}
    return bytes(save(arrays, dict(metadata)))


def _of_run(path: Path) -> Weights:
    training = read_config(path).get("training")
    best = isinstance(training, Mapping) and training.get("final") == "best"
    with Checkpoints(path / "checkpoints", read_only=True) as checkpoints:
        state = checkpoints.restore(None, "best" if best else "last")
    own, average = state, _average(state["opt_state"])
    if average is not None:
        own = average
    trees = {"params": own["params"], **(own["model_state"] or {})}
    return Weights(path, int(state["step"]), {name: np.asarray(array) for name, array in named_leaves(trees).items()})


def _average(opt_state: Any) -> Mapping[str, Any] | None:
    """Returns the average of a state, see `jaxdl.steps.averages`, where it has one that was moved."""
    average = opt_state.get("average") if isinstance(opt_state, Mapping) else None
    return average if isinstance(average, Mapping) and int(average["updates"]) else None


def _of_file(path: Path, field: str) -> Weights:
    load_file = needed("safetensors.numpy", "weights", f"reading {field}={path}").load_file
    with named_cause(path, "read"):
        try:
            arrays = load_file(path)
        except OSError:
            raise
        except Exception as error:  # it has a class for its errors in compiled code alone, and gives KeyError too
            raise UserError(f"{field}={path}: the file is damaged ({' '.join(str(error).split())}).") from error
    return Weights(path, None, {name.replace(".", "/"): array for name, array in arrays.items()})
