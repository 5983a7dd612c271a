"""An experiment is a value: the model, the data, the objective, the optimizer and the training."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from flax import linen as nn

from jaxdl.augment import AUGMENTATIONS, Augmentation
from jaxdl.augment.augmenter import Augmenter
from jaxdl.data import DATA, Data, Spec
from jaxdl.errors import UserError, brief
from jaxdl.experiment import checks
from jaxdl.fields import (
    Affects,
    Field,
    above_zero,
    at_least,
    check_fields,
    described,
    fraction,
    part,
    replace,
    static,
    traced,
    walk,
)
from jaxdl.models import MODELS
from jaxdl.objectives import OBJECTIVES, Objective
from jaxdl.objectives.metrics import check_defined, check_metrics, default_metrics
from jaxdl.optim import OPTIMIZERS, Optimizer

# Read by the compiled programs, and by the loop between their calls.
_LOOP: tuple[Affects, ...] = ("programs", "result")
# Also shortens the data.
_CUT: tuple[Affects, ...] = ("data", "programs", "result")


@described
@dataclasses.dataclass(frozen=True)
class Checkpointing:
    """How often a run is saved, and how many checkpoints are kept. Results do not depend on it."""

    every: str = static(
        "30s",
        "time, steps or epochs between two checkpoints: 30s, 5min, 500steps, 1epoch; the end of the "
        "training is always saved",
        check=checks.interval,
    )
    keep: int = static(
        2,
        "how many of the last checkpoints to keep in addition to the best one; with two, if one is damaged "
        "on the disk, the other can be resumed from",
        check=at_least(1),
    )


@described
@dataclasses.dataclass(frozen=True)
class Training:
    """How long to train, the batch sizes, and which state to keep."""

    epochs: int = static(10, "passes over the train split", check=at_least(1), affects=_LOOP)
    batch_size: int = static(128, "examples in one train step", check=checks.batch_size, affects=_LOOP)
    accumulate: int = static(
        1,
        "compute a batch in this many parts, one after the other, and sum their gradients for one update: a part's "
        "memory with the batch's result, but batch statistics and dropout are those of each part; divides --batch_size",
        check=at_least(1),
        affects=_LOOP,
        since="0.3.0",
    )
    eval_batch_size: int = static(
        500,
        "examples in one eval step; speed and memory depend on it, results do not",
        check=checks.batch_size,
        affects=("speed",),
    )
    buckets: int = static(
        4,
        "for sequences of different lengths: the largest number of lengths to which a batch is cut, so that short ones "
        "do not pay for long ones; a batch then has sequences of similar length; 1: none is cut",
        check=at_least(1),
        affects=_LOOP,
        since="0.3.0",
    )
    watch: str = static(
        "validation/loss",
        "metric, as SPLIT/METRIC, that decides which checkpoint is the best and when to stop early",
        check=checks.watch,
        affects=("result",),
    )
    patience: int | None = static(
        None,
        "stop after this many epochs without a better --watch; none: never stop early",
        check=above_zero,
        affects=("result",),
    )
    final: Literal["last", "best"] = static(
        "last",
        "state to test and summarise at the end: after the last epoch, or the best by --watch",
        affects=("result",),
    )
    overfit_batches: int = static(
        0,
        "train and validate on the first N batches only, to see that the model can learn; 0 uses all",
        check=at_least(0),
        affects=_CUT,
    )
    precision: Literal["float32", "bfloat16", "float16"] = static(
        "float32",
        "dtype that the model computes in; parameters, optimizer, statistics and loss stay float32 "
        "(Micikevicius et al. 2018, Mixed precision training; losses are scaled in float16, which bfloat16 does not "
        "need); also bf16, bf16-mixed, fp16, 16-mixed, fp32, 32",
        aliases=checks.PRECISIONS,
    )
    ema: float = traced(
        0.0,
        "how much an exponential moving average of the parameters keeps at each update, such as 0.999; it is evaluated "
        "beside them (ema_loss), and predicts; 0: none",
        optional=True,
        check=fraction,
        affects=_LOOP,
        since="0.3.0",
    )
    nan: Literal["stop", "skip", "ignore"] = static(
        "stop",
        "if a loss, a gradient or a parameter is not finite any more: stop the run at that "
        "step and say where it began, skip the update and count it, or ignore it",
        affects=_LOOP,
    )
    class_weight: tuple[float, ...] | Literal["balanced"] | None = static(
        None,
        "how much each class counts in the loss: a number for each, or balanced, the number of train examples divided "
        "by that of the classes times that of the class's examples; multiplied by the data's weights where they have "
        "some, and the sum is divided by the sum of the weights; none: all classes count the same",
        check=checks.class_weight,
        since="0.3.0",
    )
    fast_dev_run: bool = static(
        False, "one small batch through train, validation, test, checkpoint and report", affects=_CUT
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "precision", checks.PRECISIONS.get(str(self.precision), self.precision))

    @property
    def scales_loss(self) -> bool:
        """Whether the loss is scaled in the backward pass, see `jaxdl.steps.scaling`."""
        return self.precision == "float16"


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
    seed: int = traced(
        0,
        "seed of the initial parameters, the order of the data, augmentation and dropout, in [0, 2**32)",
        check=checks.seed,
        affects=_LOOP,
    )

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
        self.check_parts()
        check_fields(self)
        self._check_accumulation()
        self.augmentation.check(spec)
        changes: dict[str, Any] = {"metrics": self.measured}
        if self.objective.of_inputs and spec.preprocess.cast == "none":
            raise UserError("a reconstruction needs inputs that are numbers, and those of these data are ids.")
        size = needed = outputs_for(self.objective, spec)
        outputs = next((field for field in walk(self) if follows_data(field)), None)
        if outputs is not None and outputs.value is None:
            changes[outputs.path] = needed
        elif outputs is not None and isinstance(outputs.value, int):
            size = outputs.value
            if size < needed and spec.class_names and not self.objective.of_inputs:
                raise UserError(f"{outputs.path}={size}: the data has {spec.outputs} classes; leave it out.")
        vocabulary = vocabulary_field(self)
        if vocabulary is not None and spec.vocabulary:
            if vocabulary.value is None:
                changes[vocabulary.path] = spec.vocabulary
            elif vocabulary.value < spec.vocabulary:
                raise UserError(
                    f"model.vocabulary={vocabulary.value}: the data have ids up to {spec.vocabulary - 1}; leave it out."
                )
        length = _field(self, "model.output_length")
        if length is not None and len(spec.target_shape) == 1:
            if length.value is None:
                changes[length.path] = spec.target_shape[0]
            elif length.value != spec.target_shape[0]:
                raise UserError(
                    f"model.output_length={length.value}: the targets have {spec.target_shape[0]} steps; leave it out."
                )
        check_defined(self.measured, self.objective, size)
        return replace(self, changes)

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

    def steps_per_epoch(self, examples: int) -> int:
        """Returns the number of train steps of an epoch with that many examples; the last batch is filled up."""
        return -(-examples // self.training.batch_size)


def vocabulary_field(experiment: Experiment) -> Field | None:
    """Returns the field of a model that says how many ids it knows, such as that of RNN; None if it has none."""
    return _field(experiment, "model.vocabulary")


def _field(experiment: Experiment, path: str) -> Field | None:
    return next((field for field in walk(experiment) if field.path == path), None)


def reads_targets(model: nn.Module) -> bool:
    """Returns whether a model's call takes ``targets`` in training: it then has the attribute ``reads_targets``."""
    return bool(getattr(type(model), "reads_targets", False))


def outputs_for(objective: Objective, spec: Spec) -> int:
    """Returns the size of a model's last layer for an objective and data; for a reconstruction that of the inputs."""
    if objective.of_inputs:
        return spec.model_shape[-1]
    return objective.outputs(spec.outputs, len(spec.class_names))


_PARTS: Mapping[str, tuple[type, str]] = {
    "data": (Data, "jaxdl.Digits(), or jaxdl.Arrays(train=(x, y), test=(x, y)) for arrays of your own"),
    "model": (nn.Module, "jaxdl.MLP(features=(128,))"),
    "objective": (Objective, "jaxdl.SoftmaxCrossEntropy()"),
    "optimizer": (Optimizer, "jaxdl.Adam(learning_rate=1e-3)"),
    "training": (Training, "jaxdl.Training(epochs=10)"),
    "augmentation": (Augmenter, "jaxdl.Augmentation(shift=2)"),
    "checkpoint": (Checkpointing, 'jaxdl.Checkpointing(every="1epoch")'),
}


def follows_data(field: Field) -> bool:
    """Returns whether None in this field of an experiment is replaced by the number of outputs for the data.

    True for a field of the model that is declared with ``from_data``, and for any model's ``outputs``.
    """
    holder, _, name = field.path.rpartition(".")
    return holder == "model" and (field.declaration.from_data or name == "outputs")
