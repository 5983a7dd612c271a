"""The parts of an experiment that say how long to train, in what precision and batches, and how often to save."""

from __future__ import annotations

import dataclasses
from typing import Literal

from jaxdl.experiment import checks
from jaxdl.fields import Affects, above_zero, at_least, described, enabled, fraction, static, traced

# Read by the compiled programs, and by the loop between their calls.
LOOP: tuple[Affects, ...] = ("programs", "result")
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

    epochs: int = static(10, "passes over the train split", check=at_least(1), affects=LOOP)
    batch_size: int = static(128, "examples in one train step", check=checks.batch_size, affects=LOOP)
    accumulate: int = static(
        1,
        "compute a batch in this many parts, one after the other, and sum their gradients for one update: a part's "
        "memory with the batch's result, but batch statistics and dropout are those of each part; divides --batch_size",
        check=at_least(1),
        affects=LOOP,
        since="0.3.0",
    )
    remat: bool = static(
        False,
        "keep only what lies between blocks of the model's layers for the backward pass, and compute each block again "
        "there: less memory for at most a third more operations (Chen et al. 2016, arXiv:1604.06174); also named "
        "gradient or activation checkpointing",
        affects=LOOP,
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
        affects=LOOP,
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
    min_delta: float = static(
        0.0,
        "by how much --watch is to be better than the last value that was, to count for --patience",
        check=at_least(0),
        affects=("result",),
        since="0.3.0",
    )
    start_from_epoch: int = static(
        0,
        "epochs that do not count for --patience, at the start",
        check=at_least(0),
        affects=("result",),
        since="0.3.0",
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
        affects=LOOP,
        since="0.3.0",
    )
    l1: float = traced(
        0.0,
        "what the loss of training has in addition, times the sum of the sizes of all weights, without biases and "
        "scales (Tibshirani 1996); 0: nothing",
        optional=True,
        check=at_least(0),
        since="0.3.0",
    )
    l2: float = traced(
        0.0,
        "the same, times the sum of their squares, as Keras's regularizer; unlike weight_decay it enters the gradients",
        optional=True,
        check=at_least(0),
        since="0.3.0",
    )
    swa: int = static(
        0,
        "average the parameters at the end of each of the last so many epochs (Izmailov et al. 2018, "
        "arXiv:1803.05407); the average is evaluated beside them (swa_loss), with batch statistics measured for it on "
        "train, and predicts; before these epochs it is the parameters themselves; 0: none",
        check=at_least(0),
        affects=LOOP,
        since="0.3.0",
    )
    nan: Literal["stop", "skip", "ignore"] = static(
        "stop",
        "if a loss, a gradient or a parameter is not finite any more: stop the run at that "
        "step and say where it began, skip the update and count it, or ignore it",
        affects=LOOP,
    )
    norms: bool = static(
        False,
        "measure after each train step the Euclidean norms of the gradients before clipping, of the update and of the "
        "parameters, each over all arrays: train metrics gradient_norm, update_norm, parameter_norm",
        since="0.3.0",
    )
    class_weight: tuple[float, ...] | Literal["balanced"] | None = static(
        None,
        "how much each class counts in the loss: a number for each, or balanced, the number of train examples divided "
        "by that of the classes times that of the class's examples; multiplied by the data's weights where they have "
        "some, and the sum is divided by the sum of the weights; none: all classes count the same",
        check=checks.class_weight,
        since="0.3.0",
    )
    devices: int | None = static(
        None,
        "devices that share each batch; results do not depend on it, up to rounding; none: the most of this machine's "
        "devices that divide the batch (a CPU is one device, unless JAX is told otherwise)",
        check=above_zero,
        affects=(),
        since="0.3.0",
    )
    library: Literal["xla", "onednn"] = static(
        "xla",
        "what computes convolutions of images, LSTMs, large dense layers and Adam's step on a CPU: xla, the "
        "compiler's own operations; or onednn, operations that are built on this machine at their first use (they "
        "need the extra native and a C++ compiler); results do not depend on it, up to rounding",
        affects=("programs",),
        since="0.3.0",
    )
    mesh: str | None = static(
        None,
        "the same by the axes of a mesh, such as data:4,model:2: batches are divided along data, and with shard=rules "
        "the parameters of a layer along model; none: data alone, of all devices",
        check=checks.mesh,
        affects=(),
        since="0.3.0",
    )
    shard: Literal["replicated", "fsdp", "rules"] = static(
        "replicated",
        "where parameters and the optimizer's state lie: all of them on each device; fsdp: divided among the devices "
        "of data, for less memory (Zhao et al. 2023, PyTorch FSDP); rules: along the axis model, as the layers say "
        "(Shoeybi et al. 2019, Megatron-LM)",
        affects=(),
        since="0.3.0",
    )
    fast_dev_run: bool = static(
        False, "one small batch through train, validation, test, checkpoint and report", affects=_CUT
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "precision", checks.PRECISIONS.get(str(self.precision), self.precision))
        object.__setattr__(self, "class_weight", checks.listed_weights(self.class_weight))

    @property
    def averages(self) -> Literal["", "ema", "swa"]:
        """Which average of the parameters is kept; empty: none."""
        return "swa" if self.swa else "ema" if enabled(self.ema) else ""

    @property
    def scales_loss(self) -> bool:
        """Whether the loss is scaled in the backward pass, see `jaxdl.steps.scaling`."""
        return self.precision == "float16"
