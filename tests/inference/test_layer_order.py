"""The layers of a model in the order in which they compute."""

from __future__ import annotations

import numpy as np
import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.inference.layer_order import fitted, layers_of, rows_by_position


def test_layers_come_in_the_order_of_the_computation() -> None:
    model = jaxdl.CNN(features=(4, 3), pool_after=(1,), dense=(5,), normalization="batch", outputs=2)
    layers, shapes = layers_of(*fitted(model, (8, 8, 1)))
    assert [(layer.name, layer.kind, layer.channels) for layer in layers] == [
        ("convolution_1", "convolution", 0),
        ("normalize_1/batch", "batch", 0),
        ("convolution_2", "convolution", 0),
        ("normalize_2/batch", "batch", 0),
        ("dense_1", "dense", 3),
        ("normalize_dense_1/batch", "batch", 0),
        ("output", "dense", 0),
    ]
    assert sorted(shapes) == ["batch_stats", "params"]


def test_a_residual_block_has_its_shortcut_last() -> None:
    model = jaxdl.ResNet(depth=8, features=(2, 2, 2), shortcut="B", outputs=2)
    layers, _ = layers_of(*fitted(model, (8, 8, 1)))
    block = [layer.path[1] for layer in layers if layer.path[0] == "stage_2_block_1"]
    assert block == [
        "convolution_1",
        "normalize_1",
        "convolution_2",
        "normalize_2",
        "projection",
        "normalize_projection",
    ]


def test_an_experiment_says_the_sizes() -> None:
    model = jaxdl.MLP(features=(3,))
    recipe = jaxdl.Experiment("some", jaxdl.Digits(), model, jaxdl.SoftmaxCrossEntropy(), jaxdl.Adam())
    network, example = fitted(recipe, None)
    assert (network.outputs, example.shape) == (10, (1, 8, 8, 1))


def test_weights_without_a_counterpart_are_refused() -> None:
    model = jaxdl.Seq2Seq(units=2, embed=2, outputs=3, output_length=2)
    with pytest.raises(UserError, match=r"Seq2Seq: the weights of .* have no counterpart"):
        layers_of(*fitted(model, (4, 2)))


def test_rows_are_reordered_from_channels_first() -> None:
    images = np.random.default_rng(0).normal(size=(5, 2, 3, 4))
    kernel = np.random.default_rng(1).normal(size=(24, 6))
    last = images.transpose(0, 2, 3, 1).reshape(5, -1)
    np.testing.assert_allclose(last @ rows_by_position(kernel, 2), images.reshape(5, -1) @ kernel)
