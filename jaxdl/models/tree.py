"""Recursive network for trees."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxdl import ops
from jaxdl.fields import above_zero, at_least, described, fraction, static, traced
from jaxdl.models.layers import Dropout, Initializer, initial_values, initializer_field, output_size
from jaxdl.models.sequence import Embed


@described
class TreeLSTM(nn.Module):
    """The binary Tree-LSTM of Tai et al. 2015 (arXiv:1503.00075, section 3.2), and a dense layer on each node.

    A leaf reads the vector of its word, and has no children; another node reads its two children, and has no word::

        leaf:   i, o, u = split(x @ kernel + bias_iou);  c = sigmoid(i) * tanh(u)
        inner:  i, f_l, f_r, o, u = split([h_l, h_r] @ recurrent_kernel + bias);
                c = sigmoid(i) * tanh(u) + sigmoid(f_l) * c_l + sigmoid(f_r) * c_r
        both:   h = sigmoid(o) * tanh(c)

    Parameters: ``embed/embedding`` (vocabulary, embed), ``kernel`` (embed, 3 * features), ``recurrent_kernel``
    (2 * features, 5 * features), and ``bias`` (4 * features,) with the blocks i, f, o, u, of which both children share
    f, as in the paper.
    """

    features: int = static(100, "size of a node's state", check=at_least(1))
    embed: int = static(100, "size of a word's learnt vector", check=at_least(1))
    outputs: int | None = static(
        None, "size of the last layer; none: follows the experiment's data", check=above_zero, from_data=True
    )
    vocabulary: int | None = static(None, "number of words' ids; none: follows the experiment's data", check=above_zero)
    every_node: bool = static(True, "outputs for every node instead of the root alone")
    dropout: float = traced(
        0.0,
        "fraction of the words' vectors, and of each node's state before the last layer, that is dropped in training",
        optional=True,
        check=fraction,
    )
    initializer: Initializer = initializer_field()

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
        """Returns the outputs, without activation.

        Args:
            inputs: (batch, nodes, 3) integers, for each node the id of its word, and the places of its left and of its
                right child, as `jaxdl.Trees` has them: leaves come first, children before their parents, and the root
                is the last one.
            train: whether to drop activations.
            lengths: (batch,) integers, number of nodes of each tree; None: all are. It is odd, since each node has two
                children or none, and a tree of n nodes has (n + 1) / 2 leaves.

        Returns:
            (batch, nodes, outputs), or (batch, outputs), those of the root, without `every_node`.

        Raises:
            ValueError: `outputs` or `vocabulary` is None, or the inputs are no trees.
        """
        outputs = output_size(self, self.outputs)
        if inputs.ndim != 3 or inputs.shape[-1] != 3 or not jnp.issubdtype(inputs.dtype, jnp.integer):
            raise ValueError(
                f"TreeLSTM takes trees, integers of shape (batch, nodes, 3) as jaxdl.Trees gives them, got "
                f"{inputs.dtype} of shape {inputs.shape}"
            )
        if self.vocabulary is None:
            raise ValueError(
                "TreeLSTM: vocabulary is None, so the number of words is not known; give it, as in "
                "TreeLSTM(vocabulary=1000), or use the model in an experiment whose data are trees"
            )
        batch, nodes, _ = inputs.shape
        inputs = inputs.astype(jnp.int32)
        lengths = jnp.full((batch,), nodes, jnp.int32) if lengths is None else lengths.astype(jnp.int32)
        leaves = (nodes + 1) // 2
        # Rows of the recursion: a tree's leaves end where its inner nodes begin, at the same row for all trees.
        shift = leaves - (lengths + 1) // 2
        words = _shifted(inputs[..., 0], shift, leaves).T
        hidden = self._states(words, _forest(inputs, lengths, shift, leaves), train)
        if not self.every_node:
            root = jnp.maximum(lengths - 1 + shift, 0).reshape(1, batch, 1)
            hidden = jnp.take_along_axis(hidden, root, 0)[0]
        hidden = Dropout(self.dropout, name="dropout")(hidden, train)
        hidden = nn.Dense(outputs, kernel_init=initial_values(self.initializer), name="output")(hidden)
        return _to_nodes(jnp.swapaxes(hidden, 0, 1), shift) if self.every_node else hidden

    def _states(self, words: jax.Array, forest: ops.Forest, train: bool) -> jax.Array:
        """Returns h of all nodes by rows, (leaves + inner, batch, features), for words (leaves, batch)."""
        assert self.vocabulary is not None
        units = self.features
        vectors = Embed(self.vocabulary, self.embed, name="embed")(words)
        vectors = Dropout(self.dropout, name="dropout_words")(vectors, train)
        initial = initial_values(self.initializer)
        kernel = self.param("kernel", initial, (self.embed, 3 * units), jnp.float32)
        recurrent = self.param("recurrent_kernel", initial, (2 * units, 5 * units), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros_init(), (4 * units,), jnp.float32)
        vectors, kernel, recurrent, bias = nn.dtypes.promote_dtype(vectors, kernel, recurrent, bias)
        of_i, of_f, of_o, of_u = jnp.split(bias, 4)
        i, o, u = jnp.split(vectors @ kernel + jnp.concatenate([of_i, of_o, of_u]).reshape(1, 1, -1), 3, -1)
        c = jax.nn.sigmoid(i) * jnp.tanh(u)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return ops.tree_lstm(h, c, forest, recurrent, jnp.concatenate([of_i, of_f, of_f, of_o, of_u]))


def _forest(inputs: jax.Array, lengths: jax.Array, shift: jax.Array, leaves: int) -> ops.Forest:
    """Returns where inner nodes find their children, by rows: node n of a tree has the row ``n + shift``."""
    own = (lengths + 1) // 2  # its leaves
    inner = inputs.shape[1] - leaves
    counts = lengths - own
    children = jnp.moveaxis(_taken(inputs[..., 1:], own, inner), 0, -1) + shift
    # Rows beyond a tree may hold anything: there, both children are a leaf, so that all numbers stay finite.
    valid = jnp.arange(inner, dtype=jnp.int32).reshape(-1, 1, 1) < counts
    return ops.Forest(jnp.where(valid, jnp.clip(children, 0, leaves + inner - 1), 0), counts)


def _taken(array: jax.Array, first: jax.Array, count: int) -> jax.Array:
    """Returns for each example `count` nodes from a node on, 0 beyond the last; (batch, count, ...)."""
    place = first.reshape(-1, 1) + jnp.arange(count, dtype=jnp.int32)
    place = place.reshape(*place.shape, *[1] * (array.ndim - 2))
    inside = (place >= 0) & (place < array.shape[1])
    taken = jnp.take_along_axis(array, jnp.where(inside, place, 0), 1, mode="promise_in_bounds")
    return jnp.where(inside, taken, jnp.zeros_like(taken))


def _shifted(array: jax.Array, shift: jax.Array, count: int) -> jax.Array:
    """Returns the first `count` rows for nodes (batch, nodes): each example moved `shift` places on."""
    return _taken(array, -shift, count)


@jax.custom_vjp
def _to_nodes(rows: jax.Array, shift: jax.Array) -> jax.Array:
    """Returns (batch, rows, ...) with each example moved `shift` places back, and zeros after it.

    JAX would take the gradient by a scatter, which takes far longer than this move the other way.
    """
    return _taken(rows, shift, rows.shape[1])


def _to_nodes_forward(rows: jax.Array, shift: jax.Array) -> tuple[jax.Array, jax.Array]:
    return _to_nodes(rows, shift), shift


def _to_nodes_backward(shift: jax.Array, of_nodes: jax.Array) -> tuple[jax.Array, None]:
    return _taken(of_nodes, -shift, of_nodes.shape[1]), None


_to_nodes.defvjp(_to_nodes_forward, _to_nodes_backward)
