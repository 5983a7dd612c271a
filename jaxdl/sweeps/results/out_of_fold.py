"""Out-of-fold predictions: for each example what the model predicts that was not trained on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from jaxdl.files.atomic import replace_file
from jaxdl.inference.inputs import read_spec
from jaxdl.inference.predictions import Predictions, predictions_table
from jaxdl.objectives import SigmoidCrossEntropy
from jaxdl.sweeps.definition import FOLD
from jaxdl.sweeps.trials.trial import Trial, trial_dir
from jaxdl.training.held_out import read_held_out

if TYPE_CHECKING:
    from pathlib import Path

    from jaxdl.sweeps.results.results import SweepResults

OUT_OF_FOLD = "out_of_fold.csv"


def out_of_fold(sweep_dir: Path, trials: Sequence[Trial]) -> dict[str, np.ndarray]:
    """Returns the predictions of the folds of one combination, in the order of the examples, as means over its seeds.

    Returns:
        ``examples`` (examples,), their numbers in the source; ``folds`` (examples,); ``predictions`` and ``targets``,
        as `jaxdl.training.held_out` writes them.

    Raises:
        UserError: what a fold has predicted cannot be read.
    """
    by_fold: dict[int, list[dict[str, np.ndarray]]] = {}
    for trial in trials:
        by_fold.setdefault(trial.values[FOLD], []).append(read_held_out(trial_dir(sweep_dir, trial.number)))
    parts = []
    for fold, seeds in sorted(by_fold.items()):
        means = {
            name: np.mean([each[name] for each in seeds], axis=0, dtype=np.float64).astype(array.dtype)
            for name, array in seeds[0].items()
            if name.partition("/")[0] == "predictions"
        }
        parts.append({**seeds[0], **means, "folds": np.full(len(seeds[0]["examples"]), fold)})
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(joined["examples"], kind="stable")
    return {name: array[order] for name, array in joined.items()}


def write_out_of_fold(results: SweepResults) -> None:
    """Writes ``out_of_fold.csv`` for the best combination of a sweep of folds: the columns of ``--mode=predict``.

    In the place of ``file`` stand ``example``, ``fold`` and ``target``. Nothing is written for several outputs.
    """
    best = results.groups[0] if results.groups else None
    if best is None or not best.complete or not best.trials:
        return
    trials = [results.trials[number] for number in best.trials]
    if any(FOLD not in trial.values for trial in trials):
        return
    found = out_of_fold(results.sweep_dir, trials)
    if "predictions" not in found or "targets" not in found or found["targets"].ndim > 1:
        return
    spec = read_spec(trial_dir(results.sweep_dir, trials[0].number))
    objective = results.definition.experiment.objective
    exclusive = not isinstance(objective, SigmoidCrossEntropy)
    names = [str(number) for number in found["examples"]]
    table = predictions_table(names, found["predictions"], spec.class_names, exclusive)
    targets = found["targets"]
    if spec.class_names and targets.dtype.kind in "iu" and targets.max() < len(spec.class_names):
        shown = [spec.class_names[target] for target in targets]
    else:
        shown = [f"{target:.9g}" for target in targets]
    head = ["example", "fold", "target", *table.head[1:]]
    lines = [
        [row[0], int(fold), target, *row[1:]]
        for row, fold, target in zip(table.rows, found["folds"], shown, strict=True)
    ]
    replace_file(results.sweep_dir / OUT_OF_FOLD, Predictions(head, lines).csv())
