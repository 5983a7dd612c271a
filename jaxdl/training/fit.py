"""From arrays to a trained model in one statement: `fit` makes an experiment of them and trains it."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from flax import linen as nn

from jaxdl.augment import Augmentation
from jaxdl.augment.augmenter import Augmenter
from jaxdl.data import Arrays, default_data_dir
from jaxdl.errors import UserError, brief, unknown
from jaxdl.experiment import Experiment, Training
from jaxdl.experiment.config import to_config
from jaxdl.experiment.hooks import Moment
from jaxdl.fields.replacing import replace
from jaxdl.files.locks import LOCK
from jaxdl.files.paths import expanded
from jaxdl.inference import TrainedModel, evaluate, load_run, write_exported
from jaxdl.objectives import OBJECTIVES, Objective, loss
from jaxdl.objectives.objectives import Kind
from jaxdl.objectives.own import FromLoss
from jaxdl.objectives.several import losses
from jaxdl.optim import Optimizer
from jaxdl.record import read_metrics
from jaxdl.report.figures import curves_figure
from jaxdl.report.notebook import framed
from jaxdl.report.run import summary_sections
from jaxdl.report.terminal import announce
from jaxdl.training.divergence import Diverged
from jaxdl.training.run import train
from jaxdl.training.summary import Summary

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Arrayed = tuple[Any, Any] | tuple[Any, Any, Any] | Mapping[str, Any]
_LOSSES: Mapping[Kind, str] = {
    "classes": "softmax_cross_entropy",
    "questions": "sigmoid_cross_entropy",
    "values": "mean_squared_error",
}
_SHORT = {"mse": "mean_squared_error", "mae": "mean_absolute_error"}


@dataclasses.dataclass(frozen=True)
class Fit:
    """What `fit` returns: the run, its figures and its model.

    Attributes:
        experiment: the recipe that was trained.
        run_dir: the run directory; a temporary one is removed with this object.
        summary: the outcome, as ``summary.json`` has it.
    """

    experiment: Experiment
    run_dir: Path
    summary: Summary
    _folder: tempfile.TemporaryDirectory[str] | None = dataclasses.field(default=None, repr=False)

    def _repr_html_(self) -> str:
        """Returns the outcome and the learning curves, as a notebook shows them."""
        return framed(summary_sections(self.summary, self.run_dir))

    def plot(self, *metrics: str) -> Figure:
        """Returns the learning curves as a Matplotlib figure, a plot for each metric.

        Args:
            metrics: which ones, such as ``"loss"``; none: all.

        Raises:
            UserError: there is no such metric.
        """
        curves: dict[str, dict[str, list[float]]] = {}
        for name, values in self.history.items():
            split, _, metric = name.partition("/")
            curves.setdefault(metric, {})[split] = values
        for metric in metrics:
            if metric not in curves:
                raise unknown("metric", metric, curves)
        chosen = metrics or sorted(curves, key=lambda metric: (metric != "loss", metric))
        return curves_figure({metric: curves[metric] for metric in chosen})

    @functools.cached_property
    def history(self) -> dict[str, list[float]]:
        """The figures after each epoch, by ``SPLIT/METRIC``: ``train/loss``, ``validation/accuracy`` and the like."""
        history: dict[str, list[float]] = {}
        for entry in read_metrics(self.run_dir):
            for name, value in entry.items():
                if name not in ("step", "epoch", "split") and isinstance(value, float | int):
                    history.setdefault(f"{entry['split']}/{name}", []).append(value)
        return {name: values for name, values in history.items() if not name.startswith("test/")}

    @functools.cached_property
    def model(self) -> TrainedModel:
        """The trained model: that of the last epoch, or the best with ``final="best"``."""
        return load_run(self.run_dir, self.experiment)

    def predict(self, inputs: Any, lengths: Any = None) -> np.ndarray:
        """Returns predictions, see `TrainedModel.predict`: probabilities of classes, or numbers in their own unit."""
        return self.model.predict(inputs, lengths)

    def evaluate(self, inputs: Any, targets: Any, weights: Any = None) -> dict[str, Any]:
        """Returns the loss and the metrics over examples, by name.

        Args:
            inputs: (examples, ...) as those of the training.
            targets: (examples, ...) alike.
            weights: (examples,), used where the recipe has ``weighted_metrics``; None: all count the same.

        Raises:
            UserError: they are not of the shapes and kinds of the training.
        """
        given = {"inputs": inputs, "targets": targets} | ({} if weights is None else {"weights": weights})
        changes = {"data.test": given, "data.validate_on": "", "data.validation": 0.0}
        found = evaluate(self.run_dir, replace(self.experiment, changes), notify=_say_nothing)["metrics"]
        return {name.removeprefix("test/"): value for name, value in found.items()}

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Copies the run directory to `path` and returns that; `jaxdl.load_run` reads it.

        Raises:
            UserError: there is something already.
        """
        target = expanded(path)
        if target.exists():
            raise UserError(f"{target} exists already; give another path.")
        shutil.copytree(self.run_dir, target, ignore=shutil.ignore_patterns(LOCK))
        return target

    def export(
        self, path: str | os.PathLike[str], format: Literal["stablehlo", "onnx", "safetensors"] = "stablehlo"
    ) -> Path:
        """Writes the model for other programs, as ``--mode=export``: `jaxdl.load_program` reads a ``stablehlo``.

        Raises:
            UserError: a package is missing, the format does not support the model, or the name is of another format.
        """
        write_exported(self.model, self.run_dir, expanded(path), format)
        return expanded(path)


def fit(
    model: nn.Module | Callable[..., Any] | str,
    data: Arrayed,
    *,
    validation: Arrayed | float | None = None,
    test: Arrayed | None = None,
    loss: str | Objective | Callable[..., Any] | Mapping[str, Any] | None = None,
    loss_weights: Mapping[str, float] | None = None,
    optimizer: str | Optimizer | Callable[..., Any] = "adam",
    epochs: int = 10,
    batch_size: int = 128,
    metrics: Sequence[Any] | Mapping[str, Any] | None = None,
    augmentation: Augmenter | Mapping[str, Any] | None = None,
    hooks: Sequence[str | Callable[[Moment], object]] = (),
    seed: int = 0,
    name: str = "fit",
    run_dir: str | os.PathLike[str] | None = None,
    notify: Callable[[str], None] | None = announce,
    **fields: Any,
) -> Fit:
    """Trains a model on arrays, as `train` trains an experiment.

    Args:
        model: a Linen module, the name of one of jaxdl's, or a function as for `jaxdl.model`.
        data: ``(inputs, targets)``, ``(inputs, targets, weights)`` or a mapping, as for a split of `Arrays`. Several
            inputs, and several targets, are a dictionary by their names, and the arguments below that are of one are
            then dictionaries, too.
        validation: the same for validation; or the fraction of `data` that is split off for it; None: no validation.
        test: the same for the figures at the end; None: those are of validation, or else of the train examples.
        loss: an objective, its name (``mse`` and ``mae`` are short ones), or a function of outputs and targets, see
            `jaxdl.loss`. None: what the targets need, which is said: integers and texts are classes, several columns of
            only 0 and 1 are yes-or-no questions, other numbers are values.
        loss_weights: of several outputs, how much each loss counts in their sum; 1 where it is not given.
        optimizer: an optimizer, its name, or what else `Experiment` takes.
        epochs: passes over the train examples.
        batch_size: examples in one train step.
        metrics: names, and metrics of one's own; None: one that fits the targets.
        augmentation: random changes of the train examples.
        hooks: functions that are called between steps, see `jaxdl.hook`; a function alone is called after each epoch.
        seed: of everything random.
        name: of the experiment.
        run_dir: folder for the run, in which a training that was stopped goes on; None: a temporary one, in which one
            that was stopped goes on, too, where the same process calls `fit` with the same again.
        notify: called with messages; None: nothing is shown.
        **fields: any other field of the experiment, as for `jaxdl.replace`: by its last name, as a flag has it, or its
            path: ``learning_rate=1e-2``, ``schedule="cosine"``, ``patience=3``, ``class_weight="balanced"``.

    Raises:
        Diverged: a number is no longer finite, and the recipe says to stop then.
        UserError: the arrays, the model and the parts do not fit each other, or a field has no such name.
    """
    say = _say_nothing if notify is None else notify
    train_on = _named("data", data)
    objective = _objective(loss, loss_weights, train_on, bool(fields.get("ids")), say)
    share = validation if isinstance(validation, float | int) else 0.0
    validating = None if validation is None or isinstance(validation, float | int) else _named("validation", validation)
    testing = None if test is None else _named("test", test)
    if testing is None:
        testing = validating or train_on
        say(f"fit: without test= the test figures are those of {'validation' if validating else 'the train examples'}.")
    source = Arrays(train=train_on, test=testing, validate_on=validating or "", validation=share)
    chosen: dict[str, Any] = {} if validating or share else {"watch": "train/loss"}
    experiment = Experiment(
        name=name,
        data=source,
        model=model,  # type: ignore[arg-type]  # Experiment takes names, too
        objective=objective,
        optimizer=optimizer,  # type: ignore[arg-type]
        training=Training(epochs=epochs, batch_size=batch_size, **chosen),
        augmentation=augmentation or Augmentation(),  # type: ignore[arg-type]
        metrics=metrics,  # type: ignore[arg-type]
        hooks=hooks,  # type: ignore[arg-type]
        seed=seed,
    )
    experiment = replace(experiment, fields)
    folder = _folder_of(experiment, say) if run_dir is None else None
    path = Path(folder.name) / "run" if folder is not None else expanded(run_dir or "")
    try:
        summary = train(experiment, run_dir=path, notify=notify)
    except Diverged as error:
        error.folder = folder
        raise
    except KeyboardInterrupt:
        if folder is not None:
            _STOPPED[_identity(experiment)] = folder
        raise
    return Fit(experiment, path, summary, folder)


# The temporary folders of trainings that were stopped in this process, each with what was trained.
_STOPPED: dict[str, tempfile.TemporaryDirectory[str]] = {}


def _folder_of(experiment: Experiment, say: Callable[[str], None]) -> tempfile.TemporaryDirectory[str]:
    """Returns the temporary folder of the same training, where it was stopped, or a new one."""
    stopped = _STOPPED.pop(_identity(experiment), None) if _STOPPED else None
    if stopped is None:
        return tempfile.TemporaryDirectory(prefix="jaxdl-fit-")
    say("fit: goes on with the same training, which was stopped.")
    return stopped


def _identity(experiment: Experiment) -> str:
    """Returns what tells a training from another: its recipe, with the code of own parts, and its data."""
    found = experiment.data.load(default_data_dir(), _say_nothing)
    return json.dumps(to_config(experiment.for_spec(found.spec))) + found.fingerprint


def _say_nothing(text: str) -> None:
    pass


def _named(what: str, given: Any) -> dict[str, Any]:
    if isinstance(given, Mapping):
        return dict(given)
    if isinstance(given, tuple | list) and len(given) in (2, 3):
        return dict(zip(("inputs", "targets", "weights"), given, strict=False))
    raise UserError(
        f"fit: {what} must be (inputs, targets), (inputs, targets, weights) or a mapping of these names, not "
        f"{brief(given)}."
    )


def _kind(data: Mapping[str, Any], ids: bool) -> tuple[Kind, str]:
    """Returns what the targets are, and why."""
    given = data["targets"]
    ragged = isinstance(given, list | tuple) and len({np.shape(each)[:1] for each in given}) > 1
    targets = np.concatenate([np.asarray(each) for each in given]) if ragged else np.asarray(given)
    if targets.dtype.kind in "UO":
        return "classes", "texts are classes"
    # As `Arrays` has it: whole numbers of as many columns as sequences have steps are a class for each step.
    first = np.shape(data["inputs"][0])
    per_step = first[:1] == targets.shape[1:] and (len(first) > 1 or ids)
    columns = targets.ndim == 2 and targets.shape[1] > 1 and not per_step
    if columns and bool(np.isin(targets, (0, 1)).all()):
        if (targets.sum(1) == 1).all():
            return "classes", "rows with one 1 are classes"
        return "questions", f"{targets.shape[1]} columns of 0 and 1 are yes-or-no questions"
    if targets.dtype.kind in "iub":
        return "classes", f"whole numbers up to {int(targets.max(initial=0))} are classes"
    return "values", "numbers with a fraction are values to predict"


def _objective(
    given: Any, weights: Mapping[str, float] | None, data: Mapping[str, Any], ids: bool, say: Callable[[str], None]
) -> Any:
    """Returns the objective that is meant: of several targets one for each, by their names."""
    if "targets" not in data:
        raise UserError("fit: the data have no targets.")
    targets = data["targets"]
    if not isinstance(targets, Mapping):
        if weights or isinstance(given, Mapping):
            raise UserError("fit: losses by name need targets by name: give a dictionary of targets.")
        return _single(given, {**data, "inputs": _beside(data, targets)}, ids, say, "")
    if given is not None and not isinstance(given, Mapping):
        raise UserError(
            f"fit: there are several targets; give loss={{{', '.join(f'{name!r}: ...' for name in targets)}}}."
        )
    for name in given or {}:
        if name not in targets:
            raise unknown("target in loss:", name, targets)
    each = {
        name: _single((given or {}).get(name), {"inputs": _beside(data, array), "targets": array}, ids, say, name)
        for name, array in targets.items()
    }
    return losses(each, weights)


def _beside(data: Mapping[str, Any], targets: Any) -> Any:
    """Returns the inputs that targets belong to: of several, those that have as many steps, or the first."""
    inputs = data["inputs"]
    if not isinstance(inputs, Mapping):
        return inputs
    steps = np.shape(targets[0])[:1]
    alike = [array for array in inputs.values() if steps and np.shape(array[0])[:1] == steps]
    return next(iter(alike or inputs.values()))


def _single(given: Any, data: Mapping[str, Any], ids: bool, say: Callable[[str], None], name: str) -> Any:
    """Returns the objective of one target; one of a user's own function gets the inferred kind."""
    kind, why = _kind(data, ids)
    if given is None:
        say(f"fit: {name + ': ' if name else ''}{why}; loss={_LOSSES[kind]}.")
        return OBJECTIVES.make(_LOSSES[kind])
    if isinstance(given, str):
        return OBJECTIVES.make(_SHORT.get(given, given))
    if isinstance(given, type) and issubclass(given, FromLoss):
        given = given()
    elif callable(given) and not isinstance(given, Objective | type):
        given = loss(given)()
    return given.of_kind(kind) if isinstance(given, FromLoss) else given
