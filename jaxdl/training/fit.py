"""From data to a trained model in one statement: `fit` makes an experiment of them and trains it."""

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
from jaxdl.data import Arrays, Data, default_data_dir
from jaxdl.errors import UserError, unknown
from jaxdl.experiment import Experiment, Training
from jaxdl.experiment.config import to_config
from jaxdl.experiment.hooks import Moment
from jaxdl.fields.replacing import replace
from jaxdl.files.locks import LOCK
from jaxdl.files.paths import expanded
from jaxdl.inference import TrainedModel, evaluate, load_run, write_exported
from jaxdl.objectives import Objective
from jaxdl.optim import Optimizer
from jaxdl.record import read_metrics
from jaxdl.report.figures import curves_figure
from jaxdl.report.notebook import framed
from jaxdl.report.run import summary_sections
from jaxdl.report.terminal import announce, say_nothing
from jaxdl.training.divergence import Diverged
from jaxdl.training.given import Given
from jaxdl.training.run import train
from jaxdl.training.summary import Summary

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Arrayed = tuple[Any, Any] | tuple[Any, Any, Any] | Mapping[str, Any]


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
            UserError: they are not of the shapes and kinds of the training, or it was none on arrays.
        """
        if not isinstance(self.experiment.data, Arrays):
            raise UserError(
                f"evaluate takes arrays after a training on arrays, and this one was on "
                f"{self.experiment.data.requested}: its figures on test are in summary['metrics'], and those on other "
                "data are found by jaxdl.evaluate(run_dir, experiment) with these in the experiment."
            )
        given = {"inputs": inputs, "targets": targets} | ({} if weights is None else {"weights": weights})
        changes = {"data.test": given, "data.validate_on": "", "data.validation": 0.0}
        found = evaluate(self.run_dir, replace(self.experiment, changes), notify=None)["metrics"]
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
    data: Arrayed | Data | str | Callable[[], Any],
    *,
    validation: Arrayed | float | None = None,
    test: Arrayed | None = None,
    loss: str | Objective | Callable[..., Any] | Mapping[str, Any] | None = None,
    loss_weights: Mapping[str, float] | None = None,
    optimizer: str | Optimizer | Callable[..., Any] = "adam",
    epochs: int = 10,
    batch_size: int = 128,
    metrics: Sequence[Any] | Callable[..., Any] | Mapping[str, Any] | None = None,
    augmentation: Augmenter | Mapping[str, Any] | None = None,
    hooks: Sequence[str | Callable[[Moment], object]] = (),
    seed: int = 0,
    name: str = "fit",
    run_dir: str | os.PathLike[str] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    notify: Callable[[str], None] | None = announce,
    **fields: Any,
) -> Fit:
    """Trains a model on arrays or a data source, as `train` trains an experiment.

    Args:
        model: a Linen module, the name of one of jaxdl's, or a function as for `jaxdl.model`.
        data: ``(inputs, targets)``, ``(inputs, targets, weights)`` or a mapping, as for a split of `Arrays`. Several
            inputs, and several targets, are a dictionary by their names, and the arguments below that are of one are
            then dictionaries, too. Or a data source with splits of its own: ``jaxdl.Folder(PATH)``, what `jaxdl.source`
            makes of a function, or a name such as ``"digits"`` or that of a set of TFDS.
        validation: the same for validation; or the fraction of `data` that is split off for it; None: no validation,
            and of a data source what it says itself.
        test: the same for the figures at the end; None: those are of validation, or else of the train examples. A data
            source has its own.
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
        data_dir: folder of prepared data sets and original archives; None: TFDS's own.
        notify: called with messages; None: nothing is shown.
        **fields: any other field of the experiment, as for `jaxdl.replace`: by its last name, as a flag has it, or its
            path: ``learning_rate=1e-2``, ``schedule="cosine"``, ``patience=3``, ``class_weight="balanced"``.

    Raises:
        Diverged: a number is no longer finite, and the recipe says to stop then.
        UserError: the arrays, the model and the parts do not fit each other, or a field has no such name.
    """
    folder_of_data = default_data_dir() if data_dir is None else expanded(data_dir)
    given = Given(data, validation, test, loss, loss_weights, folder_of_data, notify or say_nothing)
    training = Training(epochs=epochs, batch_size=batch_size)
    parts = {"name": name, "model": model, "optimizer": optimizer, "metrics": metrics, "hooks": hooks, "seed": seed}
    experiment = given.experiment(training, fields, augmentation=augmentation or Augmentation(), **parts)
    return _trained(experiment, run_dir, folder_of_data, notify)


def _trained(
    experiment: Experiment,
    run_dir: str | os.PathLike[str] | None,
    data_dir: Path,
    notify: Callable[[str], None] | None,
) -> Fit:
    """Trains an experiment, in a temporary folder where no run directory is given; see `fit`."""
    folder = _folder_of(experiment, data_dir, notify or say_nothing) if run_dir is None else None
    path = Path(folder.name) / "run" if folder is not None else expanded(run_dir or "")
    try:
        summary = train(experiment, run_dir=path, data_dir=data_dir, notify=notify)
    except Diverged as error:
        error.folder = folder
        raise
    except KeyboardInterrupt:
        if folder is not None:
            _STOPPED[_identity(experiment, data_dir)] = folder
        raise
    return Fit(experiment, path, summary, folder)


# The temporary folders of trainings that were stopped in this process, each with what was trained.
_STOPPED: dict[str, tempfile.TemporaryDirectory[str]] = {}


def _folder_of(experiment: Experiment, data_dir: Path, say: Callable[[str], None]) -> tempfile.TemporaryDirectory[str]:
    """Returns the temporary folder of the same training, where it was stopped, or a new one."""
    stopped = _STOPPED.pop(_identity(experiment, data_dir), None) if _STOPPED else None
    if stopped is None:
        return tempfile.TemporaryDirectory(prefix="jaxdl-fit-")
    say("fit: goes on with the same training, which was stopped.")
    return stopped


def _identity(experiment: Experiment, data_dir: Path) -> str:
    """Returns what tells a training from another: its recipe, with the code of own parts, and its data."""
    found = experiment.data.load(data_dir, None)
    return json.dumps(to_config(experiment.for_spec(found.spec))) + found.fingerprint
