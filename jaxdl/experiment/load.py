"""The data of an experiment, cut to the examples that it uses."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxdl.backend.mesh import named_axes, ways_of
from jaxdl.data import Dataset, Notify, Split, examples
from jaxdl.data.folds import Rows
from jaxdl.data.named import of_view
from jaxdl.errors import UserError, brief
from jaxdl.experiment.recipe import Experiment
from jaxdl.experiment.weights import ClassWeights, class_weights
from jaxdl.fields import replace
from jaxdl.objectives.several import Several

_SMALL_BATCH = 8


def shortened(experiment: Experiment) -> Experiment:
    """Returns the experiment as ``--fast_dev_run`` runs it, one epoch of one small batch, if it is set.

    Raises:
        UserError: it is not an experiment, or a part is of another kind.
    """
    if not isinstance(experiment, Experiment):
        raise UserError(
            f"a jaxdl.Experiment is needed, not {brief(experiment)}; jaxdl.load_experiment(name, folder) reads one."
        )
    experiment.check_parts()
    if not experiment.training.fast_dev_run:
        return experiment
    axes, _ = named_axes(experiment.training.devices, experiment.training.mesh)
    small = max(ways_of(axes), min(_SMALL_BATCH, experiment.training.batch_size) // ways_of(axes) * ways_of(axes))
    changes = {"epochs": 1, "batch_size": small, "eval_batch_size": small}
    changes["accumulate"] = math.gcd(small, experiment.training.accumulate)
    return replace(experiment, {f"training.{name}": value for name, value in changes.items()})


def most_examples(experiment: Experiment) -> tuple[int, int] | None:
    """Returns how many examples of train, and of each other split, are used at most; None: all."""
    training = experiment.training
    if training.fast_dev_run:
        return training.batch_size, training.batch_size
    if training.overfit_batches:
        return training.overfit_batches * training.batch_size, sys.maxsize
    return None


def load_data(experiment: Experiment, data_dir: Path, notify: Notify) -> Dataset:
    """Loads the experiment's data set, shortened for ``--fast_dev_run`` or ``--overfit_batches``.

    With ``--overfit_batches`` the validation split becomes the train split, cut as that is. A data set that is cut has
    one pass over train in an epoch.

    Args:
        experiment: the recipe, as `shortened` returns it.
        data_dir: folder of prepared data sets and original archives.
        notify: takes messages.

    Raises:
        UserError: the data cannot be loaded, or train or test holds no example.
    """
    return _checked(experiment, experiment.data.load(data_dir, notify))


def load_folds(experiment: Experiment, data_dir: Path, notify: Notify) -> list[Dataset]:
    """Loads what `load_data` gives for each fold of the experiment's data set; the source is read once.

    Raises:
        UserError: as there, or there is no such fold.
    """
    data = experiment.data
    if data.fold is None or data.fold >= data.folds:
        raise UserError(f"data.fold={data.fold}: the folds are 0 to {data.folds - 1}.")
    return [_checked(experiment, dataset) for dataset in data.load_folds(data_dir, notify)]


def _checked(experiment: Experiment, dataset: Dataset) -> Dataset:
    splits = dict(dataset.splits)
    for name in ("train", "test"):
        if name not in splits or not examples(splits[name]):
            raise UserError(f"the {name} split of {dataset.used} has no example; check --data and --data.validation.")
    most = most_examples(experiment)
    if most is not None:
        train = _first(splits["train"], most[0])
        if experiment.training.overfit_batches:
            splits["validation"] = train
        splits = {name: _first(split, most[1]) for name, split in splits.items()} | {"train": train}
        rows = dataset.rows
        if rows is not None:
            of_validation = rows.train[: most[0]] if experiment.training.overfit_batches else rows.validation[: most[1]]
            rows = Rows(rows.train[: most[0]], of_validation)
        dataset = dataclasses.replace(dataset, splits=splits, passes=1, rows=rows)
    return dataset


def check_targets(experiment: Experiment, dataset: Dataset) -> None:
    """Raises `UserError` if the targets of a split are not those of the experiment's objective."""
    if isinstance(experiment.objective, Several):
        for name, spec in dataset.spec.targets:
            single = dataclasses.replace(experiment, objective=experiment.objective.parts[name], metrics=())
            named = dataclasses.replace(of_view(dataset, spec.of_input, name, spec), used=f"{dataset.used}, {name},")
            check_targets(single, named)
        return
    if experiment.objective.of_inputs:
        return
    for name, split in dataset.splits.items():
        targets = split["targets"]
        rows = targets.ndim > 1 and targets.shape[-1] == dataset.spec.outputs and not dataset.spec.class_names
        names = dataset.spec.class_names
        if experiment.objective.kind == "values" and not all(name.isdigit() for name in names):
            raise UserError(
                f"the targets of {dataset.used} are the classes {', '.join(names[:3])} and so on, but the objective "
                "needs numbers; take softmax_cross_entropy, for the command line --objective=softmax_cross_entropy."
            )
        values = targets.dtype.kind == "f" and dataset.spec.outputs == 1
        if experiment.objective.kind == "classes" and values and not rows:
            raise UserError(
                f"the targets of {dataset.used} are numbers from {targets.min():g} to {targets.max():g}, but the "
                "objective needs classes; take mean_squared_error, for the command line "
                "--objective=mean_squared_error."
            )
        problem = experiment.objective.problem(targets, rows)
        if problem:
            raise UserError(
                f"the {name} split of {dataset.used}: targets are from {targets.min()} to {targets.max()}, "
                f"but {problem}."
            )


def about_batch(experiment: Experiment, dataset: Dataset) -> str | None:
    """Returns a message on a batch that is larger than the train split, None if it is not.

    The batch is filled up, so that a step takes the examples several times, some once more than others: slower than a
    batch of all, and no better.
    """
    size, count = experiment.training.batch_size, examples(dataset.splits["train"]) * dataset.passes
    if size <= count:
        return None
    times = size // count
    often = f"{times} times" if size == times * count else f"{times} or {times + 1} times"
    return (
        f"--batch_size={size} is larger than the {count:,} train examples of {dataset.used}: an epoch is one step, "
        f"which takes each of them {often}; --batch_size={count} takes each once."
    )


def _first(split: Split, count: int) -> Split:
    return {name: array[:count] for name, array in split.items()}


def data_summary(dataset: Dataset, experiment: Experiment) -> dict[str, Any]:
    """Returns ``data`` of ``summary.json``.

    ``train_examples`` counts the source's own train split; ``validation_examples`` of them were held out. ``best_loss``
    is the smallest loss that any model can reach in expectation; None where it is not known, or where the objective is
    no cross-entropy, since it bounds no other loss. ``class_weight``, only where the recipe has one, is what it comes
    to: a number for each class. ``baselines``, only where the source knows any, are the figures of forecasts that need
    no model, as far as the recipe measures them: by their name, by ``SPLIT/METRIC``. ``class_names_of``, only where
    there are several targets, are the names of the classes of each.
    """
    weights = class_weights(experiment, dataset)
    return {
        "requested": dataset.requested,
        "used": dataset.used,
        "substituted": dataset.substituted,
        "train_examples": dataset.train_examples,
        "validation_examples": examples(dataset.splits["validation"]) if "validation" in dataset.splits else 0,
        "test_examples": examples(dataset.splits["test"]),
        "best_loss": dataset.spec.best_loss if experiment.objective.bounded_by_entropy else None,
        "class_names": [] if dataset.spec.targets else list(dataset.spec.class_names),
        "fingerprint": dataset.fingerprint,
        **({"class_names_of": of_targets} if (of_targets := _class_names_of(dataset)) else {}),
        **({} if weights is None else {"class_weight": _listed(weights)}),
        **({"baselines": baselines} if (baselines := _baselines(dataset, experiment)) else {}),
    }


def _listed(weights: ClassWeights) -> Any:
    return {name: list(each) for name, each in weights.items()} if isinstance(weights, Mapping) else list(weights)


def _class_names_of(dataset: Dataset) -> dict[str, list[str]]:
    """Returns the names of the classes of each of several targets that has some."""
    return {name: list(spec.class_names) for name, spec in dataset.spec.targets if spec.class_names}


def _baselines(dataset: Dataset, experiment: Experiment) -> dict[str, dict[str, float]]:
    """Returns the baselines of the data in the metrics that the recipe measures."""
    measured = ("loss", *experiment.measured)
    found = {
        name: {figure: value for figure, value in figures.items() if figure.partition("/")[2] in measured}
        for name, figures in dataset.baselines.items()
    }
    return {name: figures for name, figures in found.items() if figures}
