"""jaxdl: pure-function Flax models, compiled training and experiment definitions that are values.

Importing it starts no backend and imports neither TensorFlow, TFDS, scikit-learn nor matplotlib.
"""

from jaxdl.config import from_config, to_config
from jaxdl.data import Bits, Data, Dataset, Digits, Spec, Tfds, default_data_dir
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment, Training
from jaxdl.fields import replace, static, traced
from jaxdl.inference import TrainedModel, evaluate, export_program, load_run
from jaxdl.loop import Epoch, Trainer
from jaxdl.metrics import metric
from jaxdl.models import CNN, MLP, RNN
from jaxdl.objectives import (
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    Objective,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
)
from jaxdl.optim import SGD, Adadelta, Adagrad, Adam, AdamW, Lamb, Lion, Optimizer, RMSprop
from jaxdl.registry import list_experiments, load_experiment
from jaxdl.runtime import configure
from jaxdl.schedules import Constant, Cosine, Exponential, OneCycle, Piecewise, Schedule
from jaxdl.step import Steps, TrainState, hyperparameters, make_steps
from jaxdl.training import train

__all__ = [
    "CNN",
    "MLP",
    "RNN",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Bits",
    "Constant",
    "Cosine",
    "Data",
    "Dataset",
    "Digits",
    "Epoch",
    "Experiment",
    "Exponential",
    "Huber",
    "Lamb",
    "Lion",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Objective",
    "OneCycle",
    "Optimizer",
    "Piecewise",
    "RMSprop",
    "Schedule",
    "SigmoidCrossEntropy",
    "SoftmaxCrossEntropy",
    "Spec",
    "Steps",
    "Tfds",
    "TrainState",
    "TrainedModel",
    "Trainer",
    "Training",
    "UserError",
    "configure",
    "default_data_dir",
    "evaluate",
    "export_program",
    "from_config",
    "hyperparameters",
    "list_experiments",
    "load_experiment",
    "load_run",
    "make_steps",
    "metric",
    "replace",
    "static",
    "to_config",
    "traced",
    "train",
]
