"""jaxdl: pure-function Flax models, compiled training and experiment definitions that are values.

Each name is imported at its first use, so that importing jaxdl is fast; it starts no backend.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

__version__ = "0.3.0"  # the one place: pyproject.toml reads it here

if TYPE_CHECKING:
    from jaxdl.augment import AudioAugmentation, Augmentation, SeriesAugmentation, TableAugmentation, TextAugmentation
    from jaxdl.augment.own import augmentation
    from jaxdl.augment.several import augmentations
    from jaxdl.backend.devices import look_at_devices
    from jaxdl.backend.settings import configure
    from jaxdl.checkpoint.digest import params_sha256
    from jaxdl.comparison.compare import Comparison, compare
    from jaxdl.comparison.following import follow
    from jaxdl.comparison.runs import Run, Runs, find_runs
    from jaxdl.data import (
        Adding,
        Addition,
        ArrayFile,
        Arrays,
        Audio,
        Bits,
        BreastCancer,
        CopyMemory,
        Data,
        Dataset,
        Diabetes,
        Digits,
        Folder,
        Iris,
        Parity,
        Preprocess,
        Series,
        Shapes,
        Sine,
        Spec,
        SpokenDigit,
        Subtraction,
        Table,
        Text,
        Tfds,
        Trees,
        Vowels,
        Wine,
        default_data_dir,
    )
    from jaxdl.data.own import source
    from jaxdl.errors import UserError
    from jaxdl.experiment import Checkpointing, Experiment, Training
    from jaxdl.experiment.config import from_config, to_config
    from jaxdl.experiment.hooks import Hook, Moment, hook
    from jaxdl.experiment.looking import look_at_data
    from jaxdl.experiment.registry import list_experiments, load_experiment
    from jaxdl.fields import static, traced
    from jaxdl.fields.replacing import replace
    from jaxdl.inference import (
        Program,
        TrainedModel,
        evaluate,
        export_program,
        from_keras,
        from_torch,
        load_program,
        load_run,
        save_weights,
    )
    from jaxdl.inference.serving import Limits, serve, serving_app
    from jaxdl.models import CNN, MLP, RNN, Attention, Autoencoder, Embed, ResNet, Seq2Seq, TreeLSTM, UNet, pool_time
    from jaxdl.models.own import model
    from jaxdl.objectives import (
        CTC,
        CosineSimilarity,
        Focal,
        Hinge,
        Huber,
        KLDivergence,
        LogCosh,
        MeanAbsoluteError,
        MeanSquaredError,
        MulticlassHinge,
        Objective,
        Poisson,
        Reconstruction,
        SigmoidCrossEntropy,
        SigmoidFocal,
        SoftmaxCrossEntropy,
        loss,
        metric,
    )
    from jaxdl.objectives.answers import ctc_decode
    from jaxdl.objectives.several import losses
    from jaxdl.optim import (
        SGD,
        Adadelta,
        Adafactor,
        Adagrad,
        Adam,
        Adamax,
        AdamW,
        AMSGrad,
        Lamb,
        Lion,
        Muon,
        Optimizer,
        RAdam,
        RMSprop,
        optimizer,
        schedule,
    )
    from jaxdl.optim.schedules import (
        Constant,
        Cosine,
        CosineRestarts,
        Exponential,
        InverseSquareRoot,
        OneCycle,
        Piecewise,
        Plateau,
        Polynomial,
        Schedule,
    )
    from jaxdl.record.notes import annotate
    from jaxdl.record.trackers.tracker import TrackedRun, Tracker
    from jaxdl.steps.functions import Steps, TrainState, hyperparameters, make_steps
    from jaxdl.sweeps.api import sweep
    from jaxdl.sweeps.asking import Asked, Search
    from jaxdl.sweeps.executors.execution import Execution
    from jaxdl.sweeps.results.results import SweepResults, load_sweep
    from jaxdl.training.divergence import Diverged
    from jaxdl.training.epoch import Epoch, Pause
    from jaxdl.training.fit import Fit, fit
    from jaxdl.training.loop import Trainer
    from jaxdl.training.reproduce import reproduce, verify_resume
    from jaxdl.training.run import train
    from jaxdl.training.summary import Summary
    from jaxdl.training.tuning import Tuner

# fmt: off
__all__ = [
    "CNN", "CTC", "MLP", "RNN", "SGD", "AMSGrad", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax",
    "Adding", "Addition", "ArrayFile", "Arrays", "Asked", "Attention", "Audio", "AudioAugmentation", "Augmentation",
    "Autoencoder", "Bits", "BreastCancer", "Checkpointing", "Comparison", "Constant", "CopyMemory", "Cosine",
    "CosineRestarts", "CosineSimilarity", "Data", "Dataset", "Diabetes", "Digits", "Diverged", "Embed", "Epoch",
    "Execution", "Experiment", "Exponential", "Fit", "Focal", "Folder", "Hinge", "Hook", "Huber",
    "InverseSquareRoot", "Iris", "KLDivergence", "Lamb", "Limits", "Lion", "LogCosh", "MeanAbsoluteError",
    "MeanSquaredError", "Moment", "MulticlassHinge", "Muon", "Objective", "OneCycle", "Optimizer", "Parity",
    "Pause", "Piecewise", "Plateau", "Poisson", "Polynomial", "Preprocess", "Program", "RAdam", "RMSprop",
    "Reconstruction", "ResNet", "Run", "Runs", "Schedule", "Search", "Seq2Seq", "Series", "SeriesAugmentation",
    "Shapes", "SigmoidCrossEntropy", "SigmoidFocal", "Sine", "SoftmaxCrossEntropy", "Spec", "SpokenDigit", "Steps",
    "Subtraction", "Summary", "SweepResults", "Table", "TableAugmentation", "Text", "TextAugmentation", "Tfds",
    "TrackedRun", "Tracker", "TrainState", "TrainedModel", "Trainer", "Training", "TreeLSTM", "Trees", "Tuner",
    "UNet", "UserError", "Vowels", "Wine", "annotate", "augmentation", "augmentations", "compare", "configure",
    "ctc_decode", "default_data_dir", "evaluate", "export_program", "find_runs", "fit", "follow", "from_config",
    "from_keras", "from_torch", "hook", "hyperparameters", "list_experiments", "load_experiment", "load_program",
    "load_run", "load_sweep", "look_at_data", "look_at_devices", "loss", "losses", "make_steps", "metric", "model",
    "optimizer", "params_sha256", "pool_time", "replace", "reproduce", "save_weights", "schedule", "serve",
    "serving_app", "source", "static", "sweep", "to_config", "traced", "train", "verify_resume",
]
# fmt: on

_NAMES = {
    "jaxdl.augment": "AudioAugmentation Augmentation SeriesAugmentation TableAugmentation TextAugmentation",
    "jaxdl.augment.several": "augmentations",
    "jaxdl.checkpoint.digest": "params_sha256",
    "jaxdl.comparison.compare": "Comparison compare",
    "jaxdl.comparison.following": "follow",
    "jaxdl.comparison.runs": "Run Runs find_runs",
    "jaxdl.experiment.config": "from_config to_config",
    "jaxdl.data": "Adding Addition ArrayFile Arrays Audio Bits BreastCancer CopyMemory Data Dataset Diabetes Digits "
    "Folder Iris Parity Preprocess Series Shapes Sine Spec SpokenDigit Subtraction Table Text Tfds Trees Vowels Wine "
    "default_data_dir",
    "jaxdl.augment.own": "augmentation",
    "jaxdl.data.own": "source",
    "jaxdl.errors": "UserError",
    "jaxdl.experiment": "Checkpointing Experiment Training",
    "jaxdl.fields": "static traced",
    "jaxdl.fields.replacing": "replace",
    "jaxdl.inference": "Program TrainedModel evaluate export_program from_keras from_torch load_program load_run "
    "save_weights",
    "jaxdl.inference.serving": "Limits serve serving_app",
    "jaxdl.training.divergence": "Diverged",
    "jaxdl.training.epoch": "Epoch Pause",
    "jaxdl.training.loop": "Trainer",
    "jaxdl.training.tuning": "Tuner",
    "jaxdl.models": "Attention Autoencoder CNN Embed MLP ResNet RNN Seq2Seq TreeLSTM UNet pool_time",
    "jaxdl.models.own": "model",
    "jaxdl.objectives": "CTC CosineSimilarity Focal Hinge Huber KLDivergence LogCosh MeanAbsoluteError "
    "MeanSquaredError MulticlassHinge Objective Poisson Reconstruction SigmoidCrossEntropy SigmoidFocal "
    "SoftmaxCrossEntropy loss metric",
    "jaxdl.objectives.answers": "ctc_decode",
    "jaxdl.objectives.several": "losses",
    "jaxdl.optim": "AMSGrad Adadelta Adafactor Adagrad Adam AdamW Adamax Lamb Lion Muon Optimizer RAdam RMSprop SGD "
    "optimizer schedule",
    "jaxdl.experiment.hooks": "Hook Moment hook",
    "jaxdl.experiment.looking": "look_at_data",
    "jaxdl.experiment.registry": "list_experiments load_experiment",
    "jaxdl.backend.devices": "look_at_devices",
    "jaxdl.backend.settings": "configure",
    "jaxdl.optim.schedules": "Constant Cosine CosineRestarts Exponential InverseSquareRoot OneCycle Piecewise "
    "Plateau Polynomial Schedule",
    "jaxdl.record.notes": "annotate",
    "jaxdl.record.trackers.tracker": "TrackedRun Tracker",
    "jaxdl.steps.functions": "Steps TrainState hyperparameters make_steps",
    "jaxdl.sweeps.api": "sweep",
    "jaxdl.sweeps.asking": "Asked Search",
    "jaxdl.sweeps.results.results": "SweepResults load_sweep",
    "jaxdl.sweeps.executors.execution": "Execution",
    "jaxdl.training.fit": "Fit fit",
    "jaxdl.training.run": "train",
    "jaxdl.training.summary": "Summary",
    "jaxdl.training.reproduce": "reproduce verify_resume",
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names.split()}

if not TYPE_CHECKING:  # so that a type checker reports any other name

    def __getattr__(name: str) -> Any:
        """Imports a public name from its module, or a module of this package."""
        if name in _MODULES:
            value = getattr(importlib.import_module(_MODULES[name]), name)
            globals()[name] = value  # so that this runs once for each name
            return value
        if not name.startswith("_") and importlib.util.find_spec(f"{__name__}.{name}"):
            return importlib.import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
