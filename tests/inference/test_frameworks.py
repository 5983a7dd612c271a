"""Weights of real models of PyTorch and Keras with random numbers, where the extra ``bench`` is installed.

Other tests compare with outputs of these frameworks that were kept; here any version of them is asked again.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import jaxdl
from jaxdl.errors import UserError

pytestmark = pytest.mark.slow
RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.normal(size=(3, 12, 12, 2)).astype(np.float32)
SEQUENCES = RANDOM.normal(size=(3, 5, 4)).astype(np.float32)
IDS = RANDOM.integers(0, 11, (3, 5)).astype(np.int32)


@pytest.fixture
def keras() -> Any:
    return pytest.importorskip("keras", reason="pip install -c constraints.txt -e '.[bench]' brings it")


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch", reason="pip install -c constraints.txt -e '.[bench]' brings it")


def randomised(keras_model: Any) -> Any:
    """Gives a Keras model random weights everywhere, positive ones to variances."""
    for layer in keras_model.layers:
        arrays = [RANDOM.normal(size=array.shape, scale=0.3).astype(np.float32) for array in layer.get_weights()]
        if type(layer).__name__ == "BatchNormalization":
            arrays[3] = np.abs(arrays[3]) + 0.5
        layer.set_weights(arrays)
    return keras_model


def equal(variables: Any, model: Any, inputs: np.ndarray, expected: Any) -> None:
    np.testing.assert_allclose(model.apply(variables, inputs), expected, atol=1e-5, rtol=1e-5)


def test_keras_images(keras: Any) -> None:
    layers = keras.layers
    theirs = randomised(
        keras.Sequential(
            [
                keras.Input((12, 12, 2)),
                layers.Conv2D(4, 3),
                layers.BatchNormalization(),
                layers.ReLU(),
                layers.MaxPooling2D(2),
                layers.Flatten(),
                layers.Dense(6),
                layers.BatchNormalization(),
                layers.ReLU(),
                layers.Dense(3),
            ]
        )
    )
    ours = jaxdl.CNN(features=(4,), pool_after=(1,), dense=(6,), normalization="batch", outputs=3)
    equal(jaxdl.from_keras(theirs, ours, (12, 12, 2)), ours, IMAGES, theirs(IMAGES, training=False))
    with pytest.raises(UserError, match="channels first|channels last"):
        first = [keras.Input((2, 12, 12)), layers.Conv2D(4, 3, data_format="channels_first"), layers.Flatten()]
        linear = jaxdl.CNN(features=(4,), pool_after=(), dense=(), outputs=3)
        jaxdl.from_keras(keras.Sequential([*first, layers.Dense(3)]), linear, (12, 12, 2))


def keras_resnet(keras: Any, padding: str) -> tuple[Any, list[Any]]:
    """Returns the network of `jaxdl.ResNet(depth=8, features=(2, 3, 4), shortcut="B")`, and its layers in order."""
    layers, made = keras.layers, list[Any]()

    def convolution(x: Any, features: int, size: int, stride: int) -> Any:
        if size > 1 and stride > 1 and padding == "explicit":
            x = layers.ZeroPadding2D(1)(x)
        how = "same" if stride == 1 or padding == "same" else "valid"
        made.extend([layers.Conv2D(features, size, stride, how, use_bias=False), layers.BatchNormalization()])
        return made[-1](made[-2](x))

    inputs = x = keras.Input((12, 12, 2))
    x = layers.ReLU()(convolution(x, 2, 3, 1))
    for features, stride in ((2, 1), (3, 2), (4, 2)):
        hidden = convolution(layers.ReLU()(convolution(x, features, 3, stride)), features, 3, 1)
        shortcut = x if stride == 1 else convolution(x, features, 1, stride)
        x = layers.ReLU()(layers.Add()([hidden, shortcut]))
    made.append(layers.Dense(3))
    return randomised(keras.Model(inputs, made[-1](layers.GlobalAveragePooling2D()(x)))), made


def test_keras_residual_networks(keras: Any) -> None:
    ours = jaxdl.ResNet(depth=8, features=(2, 3, 4), shortcut="B", outputs=3)
    theirs, in_order = keras_resnet(keras, "explicit")
    variables = jaxdl.from_keras(SimpleNamespace(layers=in_order), ours, (12, 12, 2))
    equal(variables, ours, IMAGES, theirs(IMAGES, training=False))
    # Keras itself lists the layers of both branches by their depth.
    with pytest.raises(UserError, match="comes where the model has stage_2_block_1"):
        jaxdl.from_keras(theirs, ours, (12, 12, 2))
    _, in_order = keras_resnet(keras, "same")
    with pytest.raises(UserError, match="pads even sizes otherwise"):
        jaxdl.from_keras(SimpleNamespace(layers=in_order), ours, (12, 12, 2))


@pytest.mark.parametrize("cell", ["simple", "lstm", "gru"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_keras_sequences(keras: Any, cell: str, bidirectional: bool) -> None:
    layer = {"simple": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[cell](3)
    wrapped = keras.layers.Bidirectional(layer) if bidirectional else layer
    theirs = randomised(keras.Sequential([keras.Input((5, 4)), wrapped, keras.layers.Dense(2)]))
    ours = jaxdl.RNN(features=(3,), cell=cell, bidirectional=bidirectional, outputs=2)
    equal(jaxdl.from_keras(theirs, ours, (5, 4)), ours, SEQUENCES, theirs(SEQUENCES, training=False))


def test_keras_ids(keras: Any) -> None:
    layers = keras.layers
    theirs = randomised(keras.Sequential([keras.Input((5,)), layers.Embedding(11, 4), layers.LSTM(3), layers.Dense(2)]))
    ours = jaxdl.RNN(features=(3,), cell="lstm", embed=4, vocabulary=11, outputs=2)
    equal(jaxdl.from_keras(theirs, ours, (5,), ids=True), ours, IDS, theirs(IDS, training=False))


def torch_resnet(torch: Any) -> Any:
    """Returns the network of `jaxdl.ResNet(depth=8, features=(2, 3, 4), shortcut="B")`, in the order of its layers."""
    nn = torch.nn

    class Block(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, before: int, features: int, stride: int) -> None:
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(before, features, 3, stride, 1, bias=False), nn.BatchNorm2d(features)
            self.conv2, self.bn2 = nn.Conv2d(features, features, 3, 1, 1, bias=False), nn.BatchNorm2d(features)
            projection = nn.Conv2d(before, features, 1, stride, bias=False)
            self.downsample = nn.Sequential(*([projection, nn.BatchNorm2d(features)] if stride > 1 else []))

        def forward(self, x: Any) -> Any:
            hidden = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
            return torch.relu(hidden + self.downsample(x))

    first = [nn.Conv2d(2, 2, 3, 1, 1, bias=False), nn.BatchNorm2d(2), nn.ReLU()]
    blocks = [Block(2, 2, 1), Block(2, 3, 2), Block(3, 4, 2)]
    return nn.Sequential(*first, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))


def torch_outputs(torch: Any, module: Any, inputs: np.ndarray) -> Any:
    """Gives a module random weights everywhere, positive ones to variances; returns what it computes."""
    module.load_state_dict(
        {
            name: torch.from_numpy(np.asarray(
                np.abs(RANDOM.normal(size=tuple(tensor.shape))) + 0.5
                if name.endswith("running_var")
                else RANDOM.normal(size=tuple(tensor.shape), scale=0.3)
            )).to(tensor.dtype)
            for name, tensor in module.state_dict().items()
        }
    )  # fmt: skip
    with torch.inference_mode():
        return module.eval()(torch.from_numpy(inputs.transpose(0, 3, 1, 2).copy())).numpy()


def test_torch_residual_networks(torch: Any) -> None:
    module = torch_resnet(torch)
    expected = torch_outputs(torch, module, IMAGES)
    ours = jaxdl.ResNet(depth=8, features=(2, 3, 4), shortcut="B", outputs=3)
    equal(jaxdl.from_torch(module.state_dict(), ours, (12, 12, 2)), ours, IMAGES, expected)


def test_torch_group_normalisation(torch: Any) -> None:
    nn = torch.nn
    module = nn.Sequential(
        *[nn.Conv2d(2, 8, 3), nn.GroupNorm(2, 8, eps=1e-6), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(200, 3)]
    )
    expected = torch_outputs(torch, module, IMAGES)
    ours = jaxdl.CNN(features=(8,), pool_after=(1,), dense=(), normalization="group", outputs=3)
    variables = jaxdl.from_torch(module.state_dict(), ours, (12, 12, 2), epsilon=1e-6)
    equal(variables, ours, IMAGES, expected)
    with pytest.raises(UserError, match="adds 1e-06 to the variance here"):
        jaxdl.from_torch(module.state_dict(), ours, (12, 12, 2))
