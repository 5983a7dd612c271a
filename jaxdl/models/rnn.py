"""Recurrent network for sequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxdl import ops
from jaxdl.fields import above_zero, at_least, described, enabled, fraction, static, traced
from jaxdl.models.layers import Dropout, Initializer, initial_values, initializer_field, orthogonal, output_size
from jaxdl.models.sequence import Attention, Embed, Pooling, pool_time
from jaxdl.ops.replicated import replicated, whole_rows

Cell = Literal["simple", "lstm", "gru"]
# For each kind, the number of gates and the function.
CELLS: dict[str, tuple[int, Callable[..., tuple[jax.Array, tuple[jax.Array, ...]]]]] = {
    "simple": (1, ops.simple_rnn),
    "lstm": (4, ops.lstm),
    "gru": (3, ops.gru),
}


def _reset_after() -> Any:
    return static(
        True,
        "for a GRU: apply the reset gate after the product with the state, as cuDNN does, which is faster; or before "
        "it, as first published",
        since="0.3.0",
    )


def _recurrent_dropout() -> Any:
    return traced(
        0.0,
        "fraction of the state that is dropped in training where it enters the gates, the same at each step (Gal and "
        "Ghahramani 2016, arXiv:1512.05287)",
        optional=True,
        check=fraction,
        since="0.3.0",
    )


@described
class RecurrentLayer(nn.Module):
    """One recurrence over time; `jaxdl.ops.recurrence` has the equations.

    Parameters: ``kernel`` (features, gates * units), ``recurrent_kernel`` (units, gates * units), orthogonal in each
    gate (Saxe et al. 2014), ``bias`` (gates * units,), and for the GRU with `reset_after` ``recurrent_bias`` like it.
    Blocks are i, f, g, o for the LSTM, whose forget gate starts with bias 1 (Jozefowicz et al. 2015); r, z, n for the
    GRU.
    """

    units: int = static(128, "size of the state", check=at_least(1))
    cell: Cell = static("lstm", "kind of the recurrence: simple (tanh), LSTM or GRU")
    reset_after: bool = _reset_after()
    recurrent_dropout: float = _recurrent_dropout()
    initializer: Initializer = initializer_field("recurrent kernels are orthogonal")

    @nn.compact
    def weights(self, inputs: jax.Array) -> list[jax.Array]:
        """Returns the parameters in the order of the function's arguments, in the dtype to compute in for these inputs.

        Args:
            inputs: (batch, time, features).
        """
        gates, _ = self._kind()
        shape = (self.units, gates * self.units)
        initial_bias = _forget_nothing if self.cell == "lstm" else nn.initializers.zeros_init()
        parameters = [
            self.param("kernel", initial_values(self.initializer), (inputs.shape[-1], shape[1]), jnp.float32),
            self.param("recurrent_kernel", _orthogonal_gates, shape, jnp.float32),
            self.param("bias", initial_bias, shape[1:], jnp.float32),
        ]
        if self.cell == "gru" and self.reset_after:
            parameters.append(self.param("recurrent_bias", initial_bias, shape[1:], jnp.float32))
        # Gates lie side by side in one axis: where that is divided among devices, the parts belong to different gates,
        # so each device collects the whole.
        return [replicated(parameter) for parameter in nn.dtypes.promote_dtype(inputs, *parameters)[1:]]

    def __call__(
        self, inputs: jax.Array, lengths: jax.Array | None = None, train: bool = False
    ) -> tuple[jax.Array, jax.Array]:
        """Returns the state after each step, (batch, time, units), and the final state, (batch, units).

        Args:
            inputs: (batch, time, features).
            lengths: (batch,) integers, number of valid steps; None: all are valid.
            train: whether to drop parts of the state where it enters the gates.
        """
        inputs = whole_rows(inputs)
        mask = self.recurrent_mask(inputs, train)
        masked = {} if mask is None else {"recurrent_mask": mask}
        outputs, final = self._kind()[1](inputs, *self.weights(inputs), lengths=lengths, **masked)
        return whole_rows(outputs), whole_rows(final[0])

    def recurrent_mask(self, inputs: jax.Array, train: bool) -> jax.Array | None:
        """Returns by what the state is multiplied where it enters the gates, (batch, units); None: by nothing.

        It is the same at each step (Gal and Ghahramani 2016, arXiv:1512.05287).
        """
        if not train or not enabled(self.recurrent_dropout):
            return None
        ones = jnp.ones((len(inputs), self.units), inputs.dtype)
        return ops.dropout(ones, self.recurrent_dropout, self.make_rng("dropout"))

    def advance(self, inputs: jax.Array, state: tuple[jax.Array, ...]) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        """Returns the state after each step, (batch, time, units), and the whole state after the last one.

        Args:
            inputs: (batch, time, features).
            state: before the first step, an array (batch, units) for each that the recurrence has, see `jaxdl.ops`.
        """
        return self._kind()[1](inputs, *self.weights(inputs), initial=state)

    def beside(
        self, other: RecurrentLayer, inputs: jax.Array, lengths: jax.Array | None = None, train: bool = False
    ) -> tuple[jax.Array, jax.Array]:
        """Runs this layer forward and another one of its kind backward.

        Returns:
            The states of both, joined along the last axis, this layer's first; otherwise as `__call__`.
        """
        inputs = whole_rows(inputs)  # along the steps, devices would have to tell each other about each
        weights, of_other = self.weights(inputs), other.weights(inputs)
        one, two = self.recurrent_mask(inputs, train), other.recurrent_mask(inputs, train)
        masks = None if one is None or two is None else (one, two)
        forward, backward = ops.bidirectional(
            self._kind()[1], inputs, weights, of_other, lengths=lengths, recurrent_masks=masks
        )
        (outputs, final), (other_outputs, other_final) = forward, backward
        both = jnp.concatenate([outputs, other_outputs], -1), jnp.concatenate([final[0], other_final[0]], -1)
        return whole_rows(both[0]), whole_rows(both[1])

    def _kind(self) -> tuple[int, Callable[..., tuple[jax.Array, tuple[jax.Array, ...]]]]:
        if self.cell not in CELLS:
            raise ValueError(f"cell={self.cell!r}: must be one of {', '.join(CELLS)}")
        if self.cell == "gru" and not self.reset_after:
            return 3, ops.gru_reset_before
        return CELLS[self.cell]


@described
class RNN(nn.Module):
    """Stacked recurrent layers, and a dense output layer on the last valid step or on every step."""

    features: tuple[int, ...] = static(
        (128,), "units of each layer, and of each direction if there are two", check=at_least(1)
    )
    outputs: int | None = static(
        None, "size of the last layer; none: follows the experiment's data", check=above_zero, from_data=True
    )
    cell: Cell = static("lstm", "kind of the recurrence: simple (tanh), LSTM or GRU")
    bidirectional: bool = static(
        False,
        "also run each layer from the last valid step to the first; the states of both directions are "
        "joined, forward first",
    )
    every_step: bool = static(
        False,
        "outputs for every step instead of one for the whole sequence, which is computed from the last "
        "state of each direction: after the last valid step and, backward, after the first",
    )
    dropout: float = traced(
        0.0, "fraction of each layer's outputs that are dropped in training", optional=True, check=fraction
    )

    embed: int = static(
        0,
        "size of a learnt vector for each id, which the layers read in its place; 0: the inputs are numbers",
        check=at_least(0),
        since="0.3.0",
    )
    vocabulary: int | None = static(
        None, "number of ids, for embed; none: follows the experiment's data", check=above_zero, since="0.3.0"
    )
    attention: int = static(
        0,
        "heads of a block of attention after the last layer, in which each step attends to all valid ones, or with "
        "every_step in one direction only to those before it; 0: none",
        check=at_least(0),
        since="0.3.0",
    )
    pool: Pooling = static(
        "last",
        "what the one output for a sequence is computed from: last: the last state of each direction, or with "
        "attention the last valid step; mean, max: the mean or the largest value over the valid steps",
        since="0.3.0",
    )
    reset_after: bool = _reset_after()
    recurrent_dropout: float = _recurrent_dropout()
    initializer: Initializer = initializer_field("recurrent kernels are orthogonal")

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
        """Returns the outputs, without activation.

        Args:
            inputs: (batch, time, ...), flattened to (batch, time, features); with `embed` ids, which are integers.
            train: whether to drop activations.
            lengths: (batch,) integers, number of valid steps, which come first; the values of other steps never change
                the outputs of valid ones. None: all are valid.

        Returns:
            (batch, outputs), or (batch, time, outputs) with `every_step`.

        Raises:
            ValueError: `outputs` is None, there is no layer, the inputs have no time axis, or they are no ids of the
                vocabulary, which is None; or `pool` or `attention` does not fit the other fields.
        """
        outputs = output_size(self, self.outputs)
        if inputs.ndim < 2 or not self.features:
            raise ValueError(
                f"RNN needs inputs of shape (batch, time, ...) and at least one layer, got {inputs.shape} and "
                f"features={self.features}"
            )
        if self.every_step and self.pool != "last":
            raise ValueError(f"RNN: pool={self.pool!r} gives one output for a sequence, every_step one for every step")
        hidden = self._embedded(inputs).reshape(*inputs.shape[:2], -1)
        last = hidden
        for number, units in enumerate(self.features, 1):
            hidden, last = self._layer(units, number, hidden, lengths, train)
            if number < len(self.features) or self.every_step:
                hidden = Dropout(self.dropout, name=f"dropout_{number}")(hidden, train)
        if self.attention:
            causal = self.every_step and not self.bidirectional  # so that no step sees what it may have to predict
            block = Attention(self.attention, causal, self.dropout, self.initializer, name="attention")
            hidden = block(hidden, train=train, lengths=lengths)
        if self.attention or self.pool != "last":
            last = pool_time(hidden, lengths, self.pool)
        if not self.every_step:
            hidden = Dropout(self.dropout, name=f"dropout_{len(self.features)}")(last, train)
        return nn.Dense(outputs, kernel_init=initial_values(self.initializer), name="output")(hidden)

    def _embedded(self, inputs: jax.Array) -> jax.Array:
        if not self.embed:
            return inputs
        if self.vocabulary is None:
            raise ValueError(
                f"RNN: embed={self.embed} needs the number of ids: give it, as in RNN(embed={self.embed}, "
                "vocabulary=1000), or use the model in an experiment whose data are ids"
            )
        return Embed(self.vocabulary, self.embed, name="embed")(inputs)

    def _layer(
        self, units: int, number: int, hidden: jax.Array, lengths: jax.Array | None, train: bool
    ) -> tuple[jax.Array, jax.Array]:
        kind = (units, self.cell, self.reset_after, self.recurrent_dropout, self.initializer)
        layer = RecurrentLayer(*kind, name=f"forward_{number}")
        if not self.bidirectional:
            return layer(hidden, lengths, train)
        return layer.beside(RecurrentLayer(*kind, name=f"backward_{number}"), hidden, lengths, train)


def _orthogonal_gates(key: jax.Array, shape: tuple[int, int], dtype: jnp.dtype) -> jax.Array:
    units = shape[0]
    keys = jax.random.split(key, shape[1] // units)
    # A loop, whose content is compiled once: XLA would compile that of each gate by itself.
    gates = jax.lax.map(lambda each: orthogonal(each, (units, units), dtype), keys)
    return jnp.concatenate(list(gates), -1)


def _forget_nothing(key: jax.Array, shape: tuple[int], dtype: jnp.dtype) -> jax.Array:
    del key
    return jnp.repeat(jnp.array([0, 1, 0, 0], dtype), shape[0] // 4)
