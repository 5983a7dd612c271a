"""Weights of Keras models give Keras's outputs; the expected ones are those of keras 3.15.1, see `tests.foreign`.

The layers here are stand-ins with the names, settings and arrays that Keras's have.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flax import linen as nn

import jaxdl
from jaxdl.errors import UserError
from jaxdl.inference.keras_weights import _check_convolution
from jaxdl.inference.layer_order import fitted, layers_of
from tests.foreign import IMAGES, SEQUENCES, some, variances


class Weighted:
    """What `jaxdl.from_keras` reads of a layer."""

    def __init__(self, arrays: list[np.ndarray], **settings: Any) -> None:
        self.arrays = arrays
        self.name = type(self).__name__.lower()
        vars(self).update(settings)

    def get_weights(self) -> list[np.ndarray]:
        return self.arrays


class Model:
    """A Keras model of layers by their class names, with the shapes of their arrays, all filled."""

    def __init__(self, *layers: tuple[Any, ...], **settings: Any) -> None:
        count, self.layers = 0, []
        for kind, *shapes in layers:
            arrays = []
            for place, shape in enumerate(shapes):
                is_variance = kind == "BatchNormalization" and place == 3
                arrays.append((variances if is_variance else some)(count, shape))
                count += 1
            own: dict[str, Any] = {"epsilon": 1e-3} if kind.endswith("Normalization") else {}
            own |= {"reset_after": True} if kind == "GRU" else {}
            own |= {"strides": (1, 1), "padding": "valid", "kernel_size": (3, 3)} if kind == "Conv2D" else {}
            self.layers.append(type(kind, (Weighted,), {})(arrays, **(own | settings)))

    def two_ways(self) -> Model:
        """Makes one bidirectional layer of the first two."""
        forward, backward, *rest = self.layers
        pair = {"forward_layer": forward, "backward_layer": backward}
        self.layers = [type("Bidirectional", (Weighted,), {})([], **pair), *rest]
        return self


CONVOLUTION = ("Conv2D", (3, 3, 2, 3), (3,))
DENSE = ("Dense", (4, 2), (2,))
GRU = ("GRU", (3, 6), (2, 6), (2, 6))


@pytest.mark.parametrize(
    ("keras_model", "model", "inputs", "expected"),
    [
        (
            Model(
                CONVOLUTION,
                ("BatchNormalization", *[(3,)] * 4),
                ("ReLU",),
                ("Dense", (12, 4), (4,)),
                ("BatchNormalization", *[(4,)] * 4),
                ("Dense", (4, 3), (3,)),
            ),
            jaxdl.CNN(features=(3,), pool_after=(1,), dense=(4,), normalization="batch", outputs=3),
            IMAGES,
            [
                [-0.18321487307548523, 0.6361957788467407, 0.5235781073570251],
                [-0.1824696660041809, 0.6331367492675781, 0.5211963057518005],
            ],
        ),
        (
            Model(*[("LSTM", (3, 8), (2, 8), (8,))] * 2, DENSE).two_ways(),
            jaxdl.RNN(features=(2,), cell="lstm", bidirectional=True, outputs=2),
            SEQUENCES,
            [[0.32333773374557495, 0.4351617395877838], [0.30827924609184265, 0.445376455783844]],
        ),
        (
            Model(GRU, GRU, DENSE).two_ways(),
            jaxdl.RNN(features=(2,), cell="gru", bidirectional=True, outputs=2),
            SEQUENCES,
            [[0.45308154821395874, 0.5361513495445251], [0.41763073205947876, 0.5475032329559326]],
        ),
        (
            Model(("SimpleRNN", (3, 2), (2, 2), (2,)), ("Dense", (2, 2), (2,))),
            jaxdl.RNN(features=(2,), cell="simple", outputs=2),
            SEQUENCES,
            [[-0.4101059138774872, -0.5944360494613647], [-0.37109488248825073, -0.6105204820632935]],
        ),
    ],
    ids=["cnn", "lstm", "gru", "simple"],
)
def test_outputs_are_those_of_keras(keras_model: Any, model: nn.Module, inputs: np.ndarray, expected: Any) -> None:
    variables = jaxdl.from_keras(keras_model, model, inputs.shape[1:])
    np.testing.assert_allclose(model.apply(variables, inputs), expected, atol=1e-5, rtol=0)


def test_a_stride_with_the_padding_of_keras_is_refused() -> None:
    network = jaxdl.ResNet(depth=8, features=(2, 2, 2), shortcut="B", outputs=2)
    layers, _ = layers_of(*fitted(network, (8, 8, 1)))
    strided = next(layer for layer in layers if layer.stride == 2)
    theirs = Model(("Conv2D", (3, 3, 2, 2)), strides=(2, 2), padding="same").layers[0]
    with pytest.raises(UserError, match=r"pads even sizes otherwise than stage_2_block_1/convolution_1.*ZeroPadding2D"):
        _check_convolution(strided, theirs)
    theirs.padding = "valid"
    _check_convolution(strided, theirs)


def test_what_is_another_function_is_refused() -> None:
    gru = jaxdl.RNN(features=(2,), cell="gru", outputs=2)
    other = Model(GRU, ("Dense", (2, 2), (2,)))
    other.layers[0].reset_after = False
    with pytest.raises(UserError, match=r"gru has reset_after=False, which is another function"):
        jaxdl.from_keras(other, gru, (5, 3))
    with pytest.raises(UserError, match=r"dense is Dense, and comes where the model has forward_1, which is gru"):
        jaxdl.from_keras(Model(DENSE, DENSE), gru, (5, 3))
    linear = jaxdl.CNN(features=(3,), dense=(), pool_after=(1,), outputs=3)
    with pytest.raises(UserError, match=r"conv2d has channels first"):
        first = Model(CONVOLUTION, ("Dense", (12, 3), (3,)), data_format="channels_first")
        jaxdl.from_keras(first, linear, (6, 6, 2))
    for settings, message in (({"padding": "same"}, "padding='same', and .* VALID"), ({"strides": (2, 2)}, "strides")):
        with pytest.raises(UserError, match=message):
            jaxdl.from_keras(Model(CONVOLUTION, ("Dense", (12, 3), (3,)), **settings), linear, (6, 6, 2))
    layer = jaxdl.MLP(features=(4,), normalization="layer", outputs=2)
    with pytest.raises(UserError, match=r"adds 1e-06 to the variance here and 0\.001 there"):
        jaxdl.from_keras(Model(("Dense", (3, 4), (4,)), ("LayerNormalization", (4,), (4,)), DENSE), layer, (3,))
