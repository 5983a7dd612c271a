"""What evaluation reports, by name; what a name means depends on the objective.

The objective says what targets are: classes, yes-or-no questions or numbers. Each metric names the kinds of targets
that it is defined for, and is refused for another before anything is trained.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
from collections.abc import Mapping, Sequence
from typing import Literal

from jaxdl.errors import UserError, unknown
from jaxdl.objectives import losses
from jaxdl.objectives.agreement import Agreement, Average, Averaged, balanced_accuracy, cohen_kappa, matthews
from jaxdl.objectives.answers import LabelErrorRate
from jaxdl.objectives.calibration import CalibrationError
from jaxdl.objectives.classes import in_top
from jaxdl.objectives.measures import (
    Confusion,
    ExactMatch,
    Mean,
    MeanOfLast,
    Metric,
    PerClass,
    RSquared,
    cross_entropy,
    exponential,
    in_bits,
    is_right,
    plain,
    root,
)
from jaxdl.objectives.objectives import (
    CTC,
    OBJECTIVES,
    Kind,
    MeanSquaredError,
    Objective,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
)
from jaxdl.objectives.own import FromLoss, OwnMetric
from jaxdl.objectives.ranking import Ranking, average_precision, precision_recall_area, roc_area
from jaxdl.objectives.several import OfOutput, Several, metric_of, total_loss

Direction = Literal["minimize", "maximize"]
_DEFAULTS: Mapping[Kind, str] = {
    "classes": "accuracy",
    "questions": "accuracy",
    "values": "mean_absolute_error",
    "answers": "label_error_rate",
}
_IN_WORDS: Mapping[Kind | None, str] = {
    "classes": "classes",
    "questions": "answers to yes-or-no questions",
    "values": "numbers",
    "answers": "answers with steps of their own",
    None: "of a kind that it does not state",
}


def metric(name: str, objective: Objective | None = None) -> Metric:
    """Returns the metric of that name; the message for an unknown name lists all.

    Names with a number are ``top_K`` for any K from 1, and ``fB``, ``fB_micro`` and ``fB_weighted`` for any B, such as
    ``f2`` and ``f0.5``.

    Args:
        name: its name, or a metric of one's own; of one of several outputs ``OUTPUT/METRIC``.
        objective: what outputs and targets mean; None: the commonest of those that the metric is defined for, such as
            `SoftmaxCrossEntropy`.

    Raises:
        UserError: there is no such metric, or it is not defined for the objective.
    """
    if isinstance(objective, Several):
        return metric_of(name, objective, metric)
    if objective is None and not isinstance(name, OwnMetric):
        name = name.rpartition("/")[2]  # of whichever output
    if isinstance(name, OwnMetric):
        return name.measured(MeanSquaredError() if objective is None else objective.for_evaluation())
    if top := re.fullmatch(r"top_([1-9]\d*)", name):
        k = int(top[1])
        values = plain(functools.partial(in_top, k))
        found: Metric = Mean(name, True, ("classes",), _SOFTMAX, values, "in_" + name, fewest_outputs=k)
    elif name in _METRICS:
        found = _METRICS[name]
    elif (f := re.fullmatch(r"f(\d+(?:\.\d+)?)(?:_(micro|weighted))?", name)) and float(f[1]):
        found = Averaged(name, True, _CHOICES, _SOFTMAX, float(f[1]), _AVERAGES.get(f[2], "macro"))
    else:
        raise unknown("metric", name, (*_METRICS, *_WITH_NUMBERS))
    if objective is None or (isinstance(objective, FromLoss) and objective.kind is None):
        return found  # the kind of an own loss follows from data that are not loaded yet
    if objective.kind not in found.kinds:
        raise UserError(f"metrics={name}: {_undefined(name, objective)}")
    return dataclasses.replace(found, objective=objective.for_evaluation())


def _undefined(name: str, objective: Objective) -> str:
    fitting = [
        known.name for known in (*_METRICS.values(), *map(metric, _WITH_NUMBERS)) if objective.kind in known.kinds
    ]
    way_out = f"choose from: {', '.join(fitting)}" if fitting else "declare its kind, see jaxdl.Objective"
    return (
        f"not defined for the objective {OBJECTIVES.name_of(objective)}, whose targets are "
        f"{_IN_WORDS[objective.kind]}; {way_out}."
    )


def default_metrics(objective: Objective) -> tuple[str, ...]:
    """Returns the names of the metrics that are measured where a recipe names none: one that fits the targets."""
    if isinstance(objective, Several):
        return tuple(f"{output}/{name}" for output, each in objective.parts.items() for name in default_metrics(each))
    return () if objective.kind is None else (_DEFAULTS[objective.kind],)


def defined(name: str, objective: Objective) -> bool:
    """Returns whether the metric of that name is defined for an objective; see `metric`."""
    return objective.kind in metric(name).kinds


def check_defined(names: Sequence[str], objective: Objective, outputs: Mapping[str, int]) -> None:
    """Checks that metrics are defined for an objective, and for a model with that many outputs.

    Args:
        names: names of the metrics.
        objective: the objective.
        outputs: the size of the model's last axis, by the names of several outputs; that of one has an empty name.

    Raises:
        UserError: one of them is not.
    """
    for name in names:
        found = metric(name, objective)
        size, fewest = outputs[found.output if isinstance(found, OfOutput) else ""], found.fewest_outputs
        if size < fewest:
            raise UserError(f"metrics={name}: the model has {size} outputs, but this metric needs {fewest} or more.")


def loss(objective: Objective) -> Metric:
    """Returns the mean loss as a metric, named ``loss``; of several outputs, see `TotalLoss`."""
    if isinstance(objective, Several):
        return total_loss(objective, loss)
    return Mean("loss", False, (), objective, lambda of, outputs, targets: of.losses(outputs, targets), "loss")


def direction(figure: str, among: Sequence[str] = ()) -> Direction | None:
    """Returns whether smaller or larger values of a figure are better; None if its values have no order.

    Args:
        figure: ``SPLIT/METRIC``, or only the metric; ``loss`` is allowed, and so is ``ema_`` or ``swa_`` before the
            metric, for that of averaged parameters.
        among: metrics that are measured, where some of one's own are known.

    Raises:
        UserError: there is no such metric.
    """
    name = (figure.partition("/")[2] or figure).removeprefix("ema_").removeprefix("swa_")
    known = next((each for each in among if each == name), name)
    higher_is_better = False if name.rpartition("/")[2] == "loss" else metric(known).higher_is_better
    return None if higher_is_better is None else "maximize" if higher_is_better else "minimize"


def training_metrics(names: Sequence[str], objective: Objective) -> list[Mean | OfOutput]:
    """Returns those of the named metrics that are also measured while training, on the batch of each step.

    Raises:
        UserError: one of them is not defined for the objective.
    """
    known = (metric(name, objective) for name in names)
    found: list[Mean | OfOutput] = []
    for each in known:
        own = each.metric if isinstance(each, OfOutput) else each
        if isinstance(own, Mean) and own.in_training and isinstance(each, Mean | OfOutput):
            found.append(each)
    return found


def check_metrics(names: Sequence[str] | None) -> str | None:
    """Checks a list of metrics' names, as the check of a field: returns what is wrong with the list.

    None stands for `default_metrics`.

    Raises:
        UserError: one of the names is unknown.
    """
    for name in names or ():
        metric(name)
    return None if names is None or len(set(names)) == len(names) else "must not name a metric twice"


_CHOICES: tuple[Kind, ...] = ("classes", "questions")
_SOFTMAX, _SIGMOID, _SQUARES = SoftmaxCrossEntropy(), SigmoidCrossEntropy(), MeanSquaredError()
_AVERAGES: Mapping[str, Average] = {"micro": "micro", "weighted": "weighted"}
_METRICS: Mapping[str, Metric] = {
    known.name: known
    for known in (
        Mean("accuracy", True, _CHOICES, _SOFTMAX, is_right, "correct", "answers", in_training=True),
        MeanOfLast("root_accuracy", True, ("classes",), _SOFTMAX, is_right, "correct_roots", "roots"),
        ExactMatch("exact_match", True, ("questions", "classes"), _SIGMOID),
        Mean("perplexity", False, _CHOICES, _SOFTMAX, cross_entropy, "cross_entropy", after=exponential),
        Mean("bits_per_step", False, _CHOICES, _SOFTMAX, cross_entropy, "cross_entropy", after=in_bits),
        Mean("mean_squared_error", False, ("values",), _SQUARES, plain(losses.squared_error), "squared_error"),
        Mean(
            *("root_mean_squared_error", False, ("values",), _SQUARES, plain(losses.squared_error), "squared_error"),
            after=root,
        ),
        Mean("mean_absolute_error", False, ("values",), _SQUARES, plain(losses.absolute_error), "absolute_error"),
        Confusion("confusion", None, _CHOICES, _SOFTMAX),
        PerClass("precision", True, _CHOICES, _SOFTMAX),
        PerClass("recall", True, _CHOICES, _SOFTMAX),
        PerClass("f1", True, _CHOICES, _SOFTMAX),
        PerClass("mean_iou", True, _CHOICES, _SOFTMAX, figure="iou"),
        Mean(
            *("mean_absolute_percentage_error", False, ("values",), _SQUARES),
            *(plain(losses.absolute_percentage_error), "absolute_percentage_error"),
        ),
        RSquared("r_squared", True, ("values",), _SQUARES),
        Ranking("auc", True, _CHOICES, _SOFTMAX, roc_area),
        Ranking("pr_auc", True, _CHOICES, _SOFTMAX, precision_recall_area),
        Ranking("average_precision", True, _CHOICES, _SOFTMAX, average_precision),
        *(
            Averaged(f"{name}_{average}", True, _CHOICES, _SOFTMAX, beta, average)
            for name, beta in (("precision", 0.0), ("recall", math.inf), ("f1", 1.0))
            for average in _AVERAGES.values()
        ),
        Agreement("balanced_accuracy", True, _CHOICES, _SOFTMAX, balanced_accuracy),
        Agreement("matthews", True, _CHOICES, _SOFTMAX, matthews),
        Agreement("cohen_kappa", True, _CHOICES, _SOFTMAX, cohen_kappa),
        CalibrationError("calibration_error", False, _CHOICES, _SOFTMAX),
        LabelErrorRate("label_error_rate", False, ("answers",), CTC()),
    )
}
_WITH_NUMBERS = ("top_5", "f2")  # examples of the names that have a number in them
# A run's report is made without the experiment and looks these up by the names in its files.
REPORT_SECTIONS = {name: known.report_section for name, known in _METRICS.items()}
