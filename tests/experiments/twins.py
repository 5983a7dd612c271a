"""A tiny twin of each experiment: the same recipe on less data and smaller layers, done in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jaxdl

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"

# What each twin changes, and the figure on test that it must reach to show that it learns: see `FIGURES`.
TWINS: dict[str, tuple[dict[str, Any], float]] = {
    "mnist_cnn": (
        {"data": jaxdl.Digits(), "model.features": (16, 16), "model.dense": (64,), "training.batch_size": 16},
        0.85,
    ),
    "mnist_cnn_small": ({"data": jaxdl.Digits(), "model.features": (8, 16), "model.padding": "SAME"}, 0.85),
    "mnist_mlp": ({"data": jaxdl.Digits(), "model.features": (32,)}, 0.85),
    "mnist_rnn": ({"data": jaxdl.Digits(), "model.features": (32,), "training.batch_size": 32}, 0.85),
    "digits_cnn": ({"model.features": (8, 16), "training.epochs": 10}, 0.85),
    "digits_mlp": ({"model.features": (32,), "training.epochs": 5}, 0.85),
    "cifar10_resnet": (
        {
            "data": jaxdl.Shapes(kinds=3, size=16, train_examples=600, test_examples=200),
            "model.depth": 8,
            "model.features": (8, 16, 32),
            "augmentation.shift": 1,
            "training.epochs": 40,
            "training.batch_size": 32,
        },
        0.7,
    ),
    "segmentation_unet": (
        {
            "data": jaxdl.Shapes(masks=True, size=16, kinds=2, shapes=1, train_examples=600, test_examples=100),
            "model.features": (8, 16),
            "training.epochs": 10,
            "training.batch_size": 8,
        },
        0.5,
    ),
    "mnist_autoencoder": (
        {
            "data": jaxdl.Digits(),
            "model.features": (32, 16),
            "training.batch_size": 32,
            "metrics": ("mean_squared_error", "r_squared"),
        },
        0.5,
    ),
    "image_folder_cnn": ({"data": jaxdl.Digits(), "model.features": (16,), "model.dense": (32,)}, 0.85),
    "iris_mlp": ({"training.epochs": 20}, 0.85),
    "diabetes_mlp": ({"training.epochs": 20}, 0.35),
    "temperature_rnn": (
        {
            "data": jaxdl.Sine(rows=1000, window=20, period=20),
            "model.features": (8,),
            "training.epochs": 12,
            "metrics": ("r_squared",),
        },
        0.8,
    ),
    "adding_rnn": (
        {
            "data": jaxdl.Adding(length=8, train_examples=2000, test_examples=200),
            "model.features": (16,),
            "optimizer.learning_rate": 0.02,
            "metrics": ("r_squared",),
        },
        0.8,
    ),
    "addition_seq2seq": (
        {
            "data": jaxdl.Addition(digits=2, train_examples=2000, test_examples=200),
            "model.units": 32,
            "model.embed": 16,
            "optimizer.learning_rate": 0.01,
            "training.batch_size": 32,
            "training.epochs": 8,
        },
        0.5,
    ),
    "spoken_digit_rnn": (
        {"data": jaxdl.Vowels(bands=16, train_examples=500, test_examples=100), "model.features": (16,)},
        0.85,
    ),
    "sst_tree": (
        {
            "data": jaxdl.Subtraction(leaves=5, train_examples=1500, test_examples=200),
            "model.features": 32,
            "model.embed": 16,
            "model.dropout": 0.0,
            "optimizer.learning_rate": 1e-2,
            "training.epochs": 12,
        },
        0.9,
    ),
    "sentiment_lstm": (
        {"model.features": (16,), "model.embed": 16, "optimizer.learning_rate": 1e-2, "training.epochs": 4},
        0.85,
    ),
    "shakespeare_lstm": ({"model.features": (48,), "model.embed": 16, "training.epochs": 4}, 0.6),
    "bits_rnn": ({"data": jaxdl.Bits(train_examples=2000, test_examples=200), "training.epochs": 6}, 0.85),
}

# The figure, where it is not the accuracy.
FIGURES = {
    "sst_tree": "root_accuracy",
    "segmentation_unet": "mean_iou",
    "mnist_autoencoder": "r_squared",
    "diabetes_mlp": "r_squared",
    "temperature_rnn": "r_squared",
    "adding_rnn": "r_squared",
}


def twin(name: str) -> jaxdl.Experiment:
    """Returns the tiny twin of an experiment."""
    return jaxdl.replace(jaxdl.load_experiment(name, EXPERIMENTS), TWINS[name][0])
