"""Several inputs and outputs of a prediction: from a dictionary or a file of arrays, to a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxdl.data import Spec
from jaxdl.errors import UserError, brief
from jaxdl.inference.predictions import counted_steps, predictions_csv
from jaxdl.objectives import SigmoidCrossEntropy
from jaxdl.objectives.several import Several


def of_input(spec: Spec, name: str, inputs: Any, lengths: Any) -> tuple[Any, Any]:
    """Returns what is given for one of several inputs, and its lengths; for a single one all that is given.

    Args:
        spec: describes the data of the training.
        name: the input; empty where there is a single one.
        inputs: a mapping by the names of the inputs.
        lengths: a mapping by the names of those that have lengths; or None.

    Raises:
        UserError: the names are others, or there are not as many examples of each.
    """
    if not name:
        return inputs, lengths
    names = [each for each, _ in spec.inputs]
    for what, given in (("inputs", inputs), ("lengths", {} if lengths is None else lengths)):
        if not isinstance(given, Mapping) or set(given) - set(names) or (what == "inputs" and len(given) < len(names)):
            shown = ", ".join(map(str, given)) if isinstance(given, Mapping) else brief(given)
            raise UserError(f"{what} must be a dictionary of {', '.join(names)}, not {shown}.")
    counts = {each: len(given) for each, given in inputs.items()}
    if len(set(counts.values())) > 1:
        raise UserError(f"inputs need one entry for each example, and their numbers are {counts}.")
    return inputs[name], (lengths or {}).get(name)


def named_arrays(arrays: Mapping[str, np.ndarray], spec: Spec, path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the inputs by their names, and lengths by the names of the inputs that have them.

    Args:
        arrays: those of a file, ``NAME`` or ``inputs/NAME``, and ``lengths/NAME``.
        spec: describes the data of the training.
        path: the file, for the message.

    Raises:
        UserError: an array is missing, or is none of these.
    """
    names = [name for name, _ in spec.inputs]
    with_lengths = [name for name, each in spec.inputs if each.lengths]
    given = {key.removeprefix("inputs/"): array for key, array in arrays.items()}
    wanted = [*names, *(f"lengths/{name}" for name in with_lengths)]
    if set(given) != set(wanted):
        raise UserError(
            f"--input={path} holds {', '.join(arrays) or 'no array'}; the model reads {', '.join(wanted)} of an .npz "
            "file."
        )
    return {name: given[name] for name in names}, {name: given[f"lengths/{name}"] for name in with_lengths}


def named_csv(
    names: Sequence[str], predictions: Mapping[str, np.ndarray], objective: Several, spec: Spec, lengths: Any
) -> str:
    """Returns the predictions of several outputs as CSV: the columns of each, after its name and a slash.

    Args:
        names: (examples,) the values of the column ``file``.
        predictions: of each output, see `predictions_csv`.
        objective: of the outputs.
        spec: describes the data of the training.
        lengths: of the inputs, as `TrainedModel.predict` takes them.
    """
    rows: list[list[str]] = [["file"], *([name] for name in names)]
    for name, of_target in spec.targets:
        found, own = predictions[name], lengths.get(of_target.of_input) if isinstance(lengths, Mapping) else lengths
        exclusive = not isinstance(objective.parts[name], SigmoidCrossEntropy)
        counted = counted_steps(of_target, found, own)
        text = predictions_csv(names, found, of_target.class_names, exclusive, (), counted)
        for number, (row, more) in enumerate(zip(rows, csv.reader(io.StringIO(text)), strict=True)):
            row.extend(f"{name}/{column}" for column in more[1:]) if not number else row.extend(more[1:])
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows(rows)
    return table.getvalue()
