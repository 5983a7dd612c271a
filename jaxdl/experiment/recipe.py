"""An experiment is a value: the model, the data, the objective, the optimizer and the training."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import optax
from flax import linen as nn

from jaxdl.augment import AUGMENTATIONS, Augmentation
from jaxdl.augment.augmenter import Augmenter
from jaxdl.data import DATA, Data, Spec
from jaxdl.errors import UserError, brief
from jaxdl.experiment import checks
from jaxdl.experiment.fitting import check_names, fitted
from jaxdl.experiment.hooks import Moment, check_hooks, taken_hooks
from jaxdl.experiment.taking import check_rate, taken, taken_metrics
from jaxdl.experiment.training import LOOP
from jaxdl.experiment.training import Checkpointing as Checkpointing
from jaxdl.experiment.training import Training as Training
from jaxdl.fields import (
    check_fields,
    check_given,
    described,
    enabled,
    part,
    replace,
    static,
    traced,
)
from jaxdl.fields.replacing import with_tuples
from jaxdl.models import MODELS
from jaxdl.objectives import OBJECTIVES, Objective
from jaxdl.objectives.metrics import check_defined, check_metrics, default_metrics
from jaxdl.objectives.several import with_kinds
from jaxdl.optim import OPTIMIZERS, Optimizer
from jaxdl.optim.groups import expression
from jaxdl.optim.schedules import SCHEDULES, Schedule
from jaxdl.record.trackers.tracker import Tracker, taken_trackers
from jaxdl.report.notebook import framed


@described
@dataclasses.dataclass(frozen=True)
class Experiment:
    """The whole recipe. `dataclasses.replace` or `jaxdl.replace` varies it; every field is a flag of ``launch.py``."""

    name: str = static(dataclasses.MISSING, "name of the experiment, and of its file in ``experiments/``", affects=())
    data: Data = part(
        DATA,
        "where examples come from: an embedded data set such as digits, table:FILE, or a TFDS name such as "
        "fashion_mnist",
        affects=("data", "programs"),
    )
    model: nn.Module = part(
        MODELS,
        "a Linen module called as ``model.apply(variables, inputs, train=..., lengths=...)``; if "
        "it has a field ``outputs`` that is None, the size of the last layer follows the data",
    )
    objective: Objective = part(OBJECTIVES, "loss to minimise")
    optimizer: Optimizer = part(OPTIMIZERS, "the optimizer with its learning-rate schedule")
    training: Training = part(None, "how long to train, the batch sizes, and which state to keep", default=Training())
    augmentation: Augmenter = part(
        AUGMENTATIONS,
        "random changes of the training examples; train metrics are measured on the changed ones",
        default=Augmentation(),
    )
    checkpoint: Checkpointing = part(None, "how often the run is saved", default=Checkpointing(), affects=("saving",))
    metrics: tuple[str, ...] | None = static(
        None,
        "names of the metrics measured on validation and test with the loss (see `jaxdl.objectives.metrics`); none: "
        "accuracy, or mean_absolute_error where targets are numbers",
        check=check_metrics,
    )
    weighted_metrics: bool = static(
        False,
        "weigh examples and classes in metrics, too, and in the loss of validation and test; the loss of training is "
        "weighted in any case, where the data have weights or class_weight is set",
        since="0.3.0",
    )
    init_from: str = static(
        "",
        "run directory or .safetensors file whose weights the training begins with, by name and shape: parameters and "
        "batch statistics, of a run those it predicts by; a table says which were taken; empty: none",
        affects=("result",),
        path=True,
        since="0.3.0",
    )
    init_only: str = static(
        "",
        "regular expression, as for --freeze, of the parameters and statistics that init_from takes, such as "
        "(?!output).*; empty: all that fit",
        check=expression,
        affects=("result",),
        since="0.3.0",
    )
    seed: int = traced(
        0,
        "seed of the initial parameters, the order of the data, augmentation and dropout, in [0, 2**32)",
        check=checks.seed,
        affects=LOOP,
    )
    hooks: tuple[str, ...] = static(
        (),
        "functions that are called between steps, see docs/hooks.md: own ones, or the names of shipped ones, such as "
        "save_predictions, weight_histograms, validate(every=100steps)",
        check=check_hooks,
        affects=(),
        since="0.3.0",
    )
    tracker: tuple[str, ...] = static(
        (),
        "tools that are given the run's figures while it trains, see docs/trackers.md: mlflow, wandb, aim, trackio, or "
        "a class of your own; TensorBoard's files are written in any case",
        check=checks.trackers,
        affects=(),
        since="0.3.0",
    )

    if TYPE_CHECKING:  # the parts, and what it takes in their place; at run time `dataclass` makes this

        def __init__(
            self,
            name: str,
            data: Data | str | Callable[[], Any] | Mapping[str, Any],
            model: nn.Module | str | Callable[..., Any],
            objective: Objective | str | Callable[..., Any] | Mapping[str, Any],
            optimizer: Optimizer | str | Callable[..., Any] | optax.GradientTransformation,
            training: Training = ...,
            augmentation: Augmenter | str | Callable[..., Any] | Mapping[str, Any] = ...,
            checkpoint: Checkpointing = ...,
            metrics: str | Callable[..., Any] | Sequence[Any] | Mapping[str, Any] | None = ...,
            weighted_metrics: bool = ...,
            init_from: str | os.PathLike[str] = ...,
            init_only: str = ...,
            seed: int = ...,
            hooks: str | Callable[[Moment], object] | Sequence[str | Callable[[Moment], object]] = ...,
            tracker: str | Callable[[], Tracker] | Sequence[str | Callable[[], Tracker]] = ...,
        ) -> None: ...

    def __post_init__(self) -> None:
        """Takes names, kinds of parts and functions for the parts that are meant by them; see `taken`.

        Raises:
            UserError: it is not clear what is meant, or a field has a value that is not allowed.
        """
        for name, (kind, example) in _PARTS.items():
            value = getattr(self, name)
            if not isinstance(value, kind) or isinstance(value, type):
                value = taken(name, value, kind, _FAMILIES.get(name), example)
            object.__setattr__(self, name, with_tuples(value))
        check_rate(self.optimizer)
        schedule = self.optimizer.schedule
        if not isinstance(schedule, Schedule) or isinstance(schedule, type):
            example = "jaxdl.Cosine(warmup=0.1)"
            meant = taken("optimizer.schedule", schedule, Schedule, SCHEDULES, example)
            object.__setattr__(self, "optimizer", dataclasses.replace(self.optimizer, schedule=meant))
        if self.metrics is not None:
            object.__setattr__(self, "metrics", taken_metrics(self.metrics))
        if isinstance(self.init_from, os.PathLike):
            object.__setattr__(self, "init_from", os.fspath(self.init_from))
        object.__setattr__(self, "hooks", taken_hooks(self.hooks))
        object.__setattr__(self, "tracker", taken_trackers(self.tracker))
        check_given(self)

    def _repr_html_(self) -> str:
        """Returns the recipe as a notebook shows it: what is set, and under it all fields."""
        from jaxdl.experiment.shown import recipe_sections  # here, since it imports this module

        return framed(recipe_sections(self))

    @property
    def measured(self) -> tuple[str, ...]:
        """Names of the metrics that are measured: `metrics`, or those that follow from the objective."""
        return default_metrics(self.objective) if self.metrics is None else self.metrics

    def for_spec(self, spec: Spec) -> Experiment:
        """Returns the experiment with the model's output size taken from the data, if the recipe does not set it.

        So is the model's ``vocabulary``, where it has such a field and the data are ids, and its ``output_length``,
        where it has one and the targets have steps.

        The metrics are named, too: those that follow from the objective, where the recipe names none.

        Raises:
            UserError: a field has a value that is not allowed, the recipe's own size is too small for the data's
                classes or its vocabulary for their ids, its augmentation does not fit the data, or a metric does not
                fit the objective or the outputs.
        """
        if getattr(self, "_fitted_to", None) is spec:
            return self
        self.check_parts()
        self = self._with_kind(spec)
        check_fields(self)
        self._check_accumulation()
        self._check_average()
        if self.init_only and not self.init_from:
            raise UserError(f"init_only={self.init_only} says what init_from takes: give init_from, too.")
        check_names(self, spec)
        if self.objective.of_inputs and spec.preprocess.cast == "none":
            raise UserError("a reconstruction needs inputs that are numbers, and those of these data are ids.")
        changes, sizes = fitted(self, spec)
        check_defined(self.measured, self.objective, sizes)
        experiment = replace(self, {"metrics": self.measured} | changes)
        # Neither of them changes. It is no field: a copy with other values has it not, and is fitted anew.
        object.__setattr__(experiment, "_fitted_to", spec)
        return experiment

    def _with_kind(self, spec: Spec) -> Experiment:
        """Returns the experiment with the kinds of its targets, where its loss is its user's own and names none."""
        kinds = {name: "classes" if each.class_names else "values" for name, each in spec.by_target.items()}
        objective = with_kinds(self.objective, kinds)
        return self if objective is self.objective else dataclasses.replace(self, objective=objective)

    def check_parts(self) -> None:
        """Raises `UserError` for a part of another kind, such as a name in the place of an optimizer."""
        for name, (kind, example) in _PARTS.items():
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise UserError(f"Experiment({name}=...) must be a part such as {example}, not {brief(value)}.")

    def _check_accumulation(self) -> None:
        """Raises `UserError` if a batch cannot be divided into equal parts."""
        size, parts = self.training.batch_size, self.training.accumulate
        if size % parts:
            below, above = size // parts * parts, -(-size // parts) * parts
            nearest = f"{below} or {above}" if below else f"{above}"
            raise UserError(
                f"training.accumulate={parts} does not divide training.batch_size={size}; the nearest sizes are "
                f"{nearest}."
            )

    def _check_average(self) -> None:
        """Raises `UserError` for two averages of the parameters, or one over more epochs than there are."""
        training = self.training
        if training.swa and enabled(training.ema):
            raise UserError(f"training.swa={training.swa} and training.ema={training.ema} are two averages: give one.")
        if training.swa > training.epochs and not training.fast_dev_run:
            raise UserError(
                f"training.swa={training.swa} averages over the last epochs, and there are only {training.epochs}: "
                "lower it, or raise --epochs."
            )

    def steps_per_epoch(self, examples: int) -> int:
        """Returns the number of train steps of an epoch with that many examples; the last batch is filled up."""
        return -(-examples // self.training.batch_size)


def reads_targets(model: nn.Module) -> bool:
    """Returns whether a model's call takes ``targets`` in training: it then has the attribute ``reads_targets``."""
    return bool(getattr(type(model), "reads_targets", False))


_PARTS: Mapping[str, tuple[type, str]] = {
    "data": (Data, "jaxdl.Digits(), or jaxdl.Arrays(train=(x, y), test=(x, y)) for arrays of your own"),
    "model": (nn.Module, "jaxdl.MLP(features=(128,))"),
    "objective": (Objective, "jaxdl.SoftmaxCrossEntropy()"),
    "optimizer": (Optimizer, "jaxdl.Adam(learning_rate=1e-3)"),
    "training": (Training, "jaxdl.Training(epochs=10)"),
    "augmentation": (Augmenter, "jaxdl.Augmentation(shift=2)"),
    "checkpoint": (Checkpointing, 'jaxdl.Checkpointing(every="1epoch")'),
}

_FAMILIES = {
    "data": DATA,
    "model": MODELS,
    "objective": OBJECTIVES,
    "optimizer": OPTIMIZERS,
    "augmentation": AUGMENTATIONS,
}
