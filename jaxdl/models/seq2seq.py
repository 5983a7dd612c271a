"""A sequence from a sequence: an encoder, and a decoder that attends to all of its steps."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from jaxdl.fields import above_zero, described, fraction, static, traced
from jaxdl.models.layers import Dropout, Initializer, initial_values, initializer_field, output_size
from jaxdl.models.rnn import CELLS, Cell, RecurrentLayer
from jaxdl.models.sequence import Embed

_State = tuple[jax.Array, ...]


class _Weights(NamedTuple):
    """The parameters of a decoder, as arrays: a loop of JAX cannot call a module.

    Attributes:
        embedding: (outputs + 1, embed), a vector for each class and for what stands before an answer.
        layer: those of the recurrence.
        score: (units, 2 * units), between a state and the steps of the encoder.
        combine: (3 * units, units), for a state and what it attends to.
        kernel, bias: (units, outputs) and (outputs,), of the output layer.
    """

    embedding: jax.Array
    layer: list[jax.Array]
    score: jax.Array
    combine: jax.Array
    kernel: jax.Array
    bias: jax.Array


@described
class Seq2Seq(nn.Module):
    """Encoder and decoder (Sutskever, Vinyals and Le 2014, arXiv:1409.3215) with attention over the encoder.

    The encoder reads the inputs in both directions. The decoder begins with a state computed from the encoder's last
    ones, as that of Bahdanau, Cho and Bengio 2015 (arXiv:1409.0473, appendix A.2.2), and reads the answer so far. Its
    state attends to the steps of the encoder, and both together give the next class: the global attention of Luong,
    Pham and Manning 2015 (arXiv:1508.04025, section 3.1, score "general"), without input feeding.

    In training the answer so far is the true one (teacher forcing), so that all steps are computed at once. In
    evaluation and prediction it is the model's own, at each step the most probable class; the loss of evaluation is
    that of these outputs.
    """

    reads_targets: ClassVar[bool] = True

    units: int = static(128, "size of the state of the decoder, and of each direction of the encoder", check=above_zero)
    embed: int = static(64, "size of a learnt vector for each id and each class", check=above_zero)
    cell: Cell = static("gru", "kind of the recurrence: simple (tanh), LSTM or GRU")
    outputs: int | None = static(
        None, "number of classes of a step; none: follows the experiment's data", check=above_zero, from_data=True
    )
    vocabulary: int | None = static(
        None, "number of ids, where inputs are ids; none: follows the experiment's data", check=above_zero
    )
    output_length: int | None = static(
        None, "steps of an answer; none: follows the experiment's data", check=above_zero
    )
    dropout: float = traced(
        0.0, "fraction of what the output layer reads that is dropped in training", optional=True, check=fraction
    )
    initializer: Initializer = initializer_field("recurrent kernels are orthogonal")

    @nn.compact
    def __call__(
        self,
        inputs: jax.Array,
        *,
        train: bool = False,
        lengths: jax.Array | None = None,
        targets: jax.Array | None = None,
    ) -> jax.Array:
        """Returns logits for the classes of each step of the answer, (batch, output_length, outputs).

        Args:
            inputs: (batch, time) ids, which are integers, or (batch, time, features) numbers.
            train: whether to drop activations.
            lengths: (batch,) integers, number of valid steps of the inputs; None: all are valid.
            targets: (batch, output_length) integers, the true answers, of which each step of the decoder reads the one
                before; None: it reads its own. Steps beyond an answer may hold anything.

        Raises:
            ValueError: a size is None, or inputs or targets have another shape or kind.
        """
        outputs = output_size(self, self.outputs)
        if self.output_length is None:
            raise ValueError(
                "Seq2Seq: output_length is None; give the steps of an answer, or use it in an experiment whose data "
                "have answers of several steps"
            )
        encoded, state = self._encoded(inputs, lengths)
        weights = self._weights(encoded, outputs)
        start = jnp.full((inputs.shape[0], 1), outputs, jnp.int32)
        if targets is None:
            return self._greedy(weights, encoded, lengths, state, start, self.output_length)
        if targets.shape != (inputs.shape[0], self.output_length) or not jnp.issubdtype(targets.dtype, jnp.integer):
            raise ValueError(
                f"Seq2Seq learns from classes of shape {(inputs.shape[0], self.output_length)}, got {targets.dtype} of "
                f"shape {targets.shape}"
            )
        before = jnp.clip(targets[:, :-1].astype(jnp.int32), 0, outputs - 1)
        states, _ = self._read(weights, jnp.concatenate([start, before], 1), state)
        attended = _attended(weights, states, encoded, lengths)
        return Dropout(self.dropout, name="dropout")(attended, train) @ weights.kernel + weights.bias

    def _encoded(self, inputs: jax.Array, lengths: jax.Array | None) -> tuple[jax.Array, _State]:
        """Returns the states of the encoder, (batch, time, 2 * units), and the first state of the decoder."""
        if jnp.issubdtype(inputs.dtype, jnp.integer):
            if self.vocabulary is None:
                raise ValueError("Seq2Seq: vocabulary is None; give the number of ids, or use it in an experiment")
            inputs = Embed(self.vocabulary, self.embed, name="embed")(inputs)
        if inputs.ndim != 3:
            raise ValueError(
                f"Seq2Seq takes ids of shape (batch, time) or numbers of shape (batch, time, features), and not "
                f"{inputs.shape}"
            )
        forward, backward = (self._layer(f"encoder_{direction}") for direction in ("forward", "backward"))
        encoded, last = forward.beside(backward, inputs, lengths)
        first = jnp.tanh(nn.Dense(self.units, kernel_init=initial_values(self.initializer), name="bridge")(last))
        return encoded, (first, jnp.zeros_like(first)) if self.cell == "lstm" else (first,)

    def _layer(self, name: str) -> RecurrentLayer:
        return RecurrentLayer(self.units, self.cell, initializer=self.initializer, name=name)

    def _weights(self, encoded: jax.Array, outputs: int) -> _Weights:
        """Makes the decoder's parameters, in the dtype to compute in."""
        initial, units = initial_values(self.initializer), self.units
        embedding: jax.Array = self.param(
            "embed_answer",
            nn.initializers.variance_scaling(1.0, "fan_in", "normal", out_axis=0),
            (outputs + 1, self.embed),
            jnp.float32,
        )
        layer = self._layer("decoder").weights(embedding[None].astype(encoded.dtype))
        others = (
            self.param("score", initial, (units, encoded.shape[-1]), jnp.float32),
            self.param("combine", initial, (units + encoded.shape[-1], units), jnp.float32),
            self.param("output_kernel", initial, (units, outputs), jnp.float32),
            self.param("output_bias", nn.initializers.zeros_init(), (outputs,), jnp.float32),
        )
        return _Weights(embedding.astype(encoded.dtype), layer, *nn.dtypes.promote_dtype(*others, dtype=encoded.dtype))

    def _read(self, weights: _Weights, classes: jax.Array, state: _State) -> tuple[jax.Array, _State]:
        """Returns the states after reading classes (batch, time), (batch, time, units), and the last one."""
        vectors = jnp.take(weights.embedding, classes, axis=0)
        return CELLS[self.cell][1](vectors, *weights.layer, initial=state)

    def _greedy(
        self,
        weights: _Weights,
        encoded: jax.Array,
        lengths: jax.Array | None,
        state: _State,
        start: jax.Array,
        steps: int,
    ) -> jax.Array:
        """Returns the logits of an answer whose every step reads the most probable class of the step before."""

        def step(carry: tuple[_State, jax.Array], _: None) -> tuple[tuple[_State, jax.Array], jax.Array]:
            state, before = carry
            states, state = self._read(weights, before, state)
            logits = _attended(weights, states, encoded, lengths) @ weights.kernel + weights.bias
            return (state, jnp.argmax(logits, -1).astype(jnp.int32)), logits[:, 0]

        _, logits = jax.lax.scan(step, (state, start), None, length=steps)
        return logits.transpose(1, 0, 2)


def _attended(weights: _Weights, states: jax.Array, encoded: jax.Array, lengths: jax.Array | None) -> jax.Array:
    """Returns what the output layer reads at each step of the decoder, (batch, steps, units).

    Args:
        weights: of the decoder.
        states: (batch, steps, units).
        encoded: (batch, time, 2 * units).
        lengths: (batch,) valid steps of the inputs; None: all.
    """
    scores = jnp.einsum("bsu,btu->bst", states @ weights.score, encoded).astype(jnp.float32)
    if lengths is not None:
        valid = jnp.arange(encoded.shape[1]) < lengths[:, None]
        # Not minus infinity, of which an input without a valid step would have only NaN.
        scores = jnp.where(valid[:, None], scores, np.finfo(np.float32).min)
    shares = jax.nn.softmax(scores, -1).astype(encoded.dtype)
    context = jnp.einsum("bst,btu->bsu", shares, encoded)
    return jnp.tanh(jnp.concatenate([context, states], -1) @ weights.combine)
