"""Convolution, pooling, dropout, normalisation, recurrences, trees and image transformations: pure and fast functions.

Each has one signature; if platforms need different forms, the choice is made when a program is lowered. Values and
gradients equal those of JAX's own operations, where they exist.
"""

from jaxdl.ops.colours import saturate, turn_hue
from jaxdl.ops.convolution import convolution
from jaxdl.ops.dropout import dropout
from jaxdl.ops.images import (
    crop_and_resize,
    crop_and_resize_masks,
    rotate_and_zoom,
    rotate_and_zoom_masks,
    shift,
)
from jaxdl.ops.normalization import moments
from jaxdl.ops.pooling import average_pool, max_pool
from jaxdl.ops.product import product
from jaxdl.ops.recurrence import bidirectional, gru, gru_reset_before, lstm, simple_rnn
from jaxdl.ops.stage import convolution_max_pool
from jaxdl.ops.tree import Forest, tree_lstm

__all__ = [
    "Forest",
    "average_pool",
    "bidirectional",
    "convolution",
    "convolution_max_pool",
    "crop_and_resize",
    "crop_and_resize_masks",
    "dropout",
    "gru",
    "gru_reset_before",
    "lstm",
    "max_pool",
    "moments",
    "product",
    "rotate_and_zoom",
    "rotate_and_zoom_masks",
    "saturate",
    "shift",
    "simple_rnn",
    "tree_lstm",
    "turn_hue",
]
