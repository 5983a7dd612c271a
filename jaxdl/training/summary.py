"""What ``summary.json`` says of a training, and `jaxdl.train` returns."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, TypedDict, cast

import jax

from jaxdl.backend.mesh import devices_of
from jaxdl.backend.rates import known_rates, share_of_peak
from jaxdl.data import Dataset
from jaxdl.experiment.load import data_summary
from jaxdl.report.notebook import framed
from jaxdl.report.run import summary_sections
from jaxdl.training.divergence import Divergence
from jaxdl.training.early_stopping import EarlyStopping
from jaxdl.training.figures import Figures
from jaxdl.training.loop import Trainer

Status = Literal["completed", "preempted", "failed", "diverged"]


class Best(TypedDict):
    """The best epoch by ``--watch``: the metric as ``SPLIT/METRIC``, its value, and the train steps done then."""

    metric: str | None
    value: float | None
    step: int | None


class Summary(TypedDict):
    """The outcome of a training; times in seconds, compilation left out of the examples per second.

    ``step``, ``epoch`` and all metrics belong to the tested state: with ``--final=best`` that of the best epoch.
    ``last_step`` and ``last_epoch`` say where the training ended. The device waits for examples only where these are
    brought to it in parts. ``train_flops_per_second`` counts the operations that the train steps' products and
    convolutions ask for, see `jaxdl.backend.jaxprs.product_flops`; ``train_flops_share`` is their share of the peak
    that `jaxdl.look_at_devices` measured on this machine, None where it was not measured. ``stopped`` says which hook
    ended the training, and why; None: none did. ``seconds_in_hooks`` is no part of the examples per second. ``error``
    names what a run with the status ``failed`` failed by.
    """

    experiment: str
    status: Status
    step: int
    epoch: int
    last_step: int
    last_epoch: int
    metrics: dict[str, Any]
    best: Best
    divergence: dict[str, Any] | None
    data: dict[str, Any]
    train_examples_per_second: float
    train_flops_per_second: float
    train_flops_share: float | None
    compile_seconds: float
    seconds_to_first_step: float | None
    wall_seconds: float
    seconds_waiting_for_examples: float
    seconds_in_hooks: float
    stopped: str | None
    error: str | None
    parameters: int
    params_sha256: str


class _Shown(dict[str, Any]):
    """A summary that a notebook shows as a table."""

    def _repr_html_(self) -> str:
        return framed(summary_sections(self))


def shown(summary: Summary) -> Summary:
    """Returns a summary that a notebook shows as a table."""
    return cast(Summary, _Shown(summary))


class _Achieved(TypedDict):
    train_flops_per_second: float
    train_flops_share: float | None


def make_summary(
    status: Status,
    trainer: Trainer,
    dataset: Dataset,
    figures: Figures,
    stopping: EarlyStopping,
    divergence: Divergence | None,
    *,
    params_sha256: str,
    seconds_to_first_step: float | None,
    wall_seconds: float,
    seconds_in_hooks: float = 0.0,
    stopped: str | None = None,
    error: str | None = None,
) -> Summary:
    """Returns the summary of a training that ended.

    Args:
        status: how it ended.
        trainer: what was trained.
        dataset: on what.
        figures: what was measured.
        stopping: what followed the best epoch.
        divergence: where it diverged, None where it did not.
        params_sha256: digest of the final parameters, empty where there are none.
        seconds_to_first_step: from the start until the first metrics were on the host.
        wall_seconds: from the start until now.
        seconds_in_hooks: in the hooks of the recipe.
        stopped: which of them ended the training, and why.
        error: what a failed one failed by, in one line.
    """
    last_step, last_epoch = figures.trained or (figures.step, figures.epoch)
    return {
        "experiment": trainer.experiment.name,
        "status": status,
        "step": figures.step,
        "epoch": figures.epoch,
        "last_step": last_step,
        "last_epoch": last_epoch,
        "metrics": figures.latest,
        "best": {"metric": stopping.metric, "value": stopping.best, "step": stopping.best_step},
        "divergence": dataclasses.asdict(divergence) if divergence else None,
        "data": data_summary(dataset, trainer.experiment),
        "train_examples_per_second": figures.examples_per_second,
        **_achieved(trainer, figures),
        "compile_seconds": trainer.compile_seconds,
        "seconds_to_first_step": seconds_to_first_step,
        "wall_seconds": wall_seconds,
        "seconds_waiting_for_examples": trainer.feed.waited,
        "seconds_in_hooks": seconds_in_hooks,
        "stopped": stopped,
        "error": error,
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(trainer.state_shapes().params)),
        "params_sha256": params_sha256,
    }


def _achieved(trainer: Trainer, figures: Figures) -> _Achieved:
    """Returns the rate of floating-point operations, and its share of the measured peak."""
    if not figures.train_examples:
        return {"train_flops_per_second": 0.0, "train_flops_share": None}
    flops = trainer.programs.step_flops
    # The last batch of an epoch is filled up, and asks for as many operations as any other.
    epochs = figures.train_examples / trainer.feed.examples_per_epoch
    seconds = figures.train_seconds / (epochs * trainer.steps_per_epoch)
    rates, layout = known_rates(), trainer.layout
    # The devices of a CPU share its cores, so that one of them alone reaches the peak of all.
    devices = 1 if layout is None or jax.default_backend() == "cpu" else devices_of(layout.axes)
    return {
        "train_flops_per_second": sum(flops.values()) / seconds,
        "train_flops_share": share_of_peak(flops, seconds, rates, devices) if rates is not None else None,
    }
