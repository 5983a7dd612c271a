"""Convolution, pooling, dropout, recurrences and moves of images as pure functions, in the form that runs fast.

The caller sees one signature; where platforms need different forms, the choice is made when a program is lowered.
Values and gradients are those of JAX's own operations, where it has them.
"""

from jaxdl.ops.convolution import convolution
from jaxdl.ops.dropout import dropout
from jaxdl.ops.images import rotate_and_zoom, shift
from jaxdl.ops.pooling import average_pool, max_pool
from jaxdl.ops.recurrence import bidirectional, gru, lstm, simple_rnn
from jaxdl.ops.stage import convolution_max_pool

__all__ = [
    "average_pool",
    "bidirectional",
    "convolution",
    "convolution_max_pool",
    "dropout",
    "gru",
    "lstm",
    "max_pool",
    "rotate_and_zoom",
    "shift",
    "simple_rnn",
]
