"""Plain Flax Linen with optax, as Flax's own examples and tutorials write it.

Arrays on the host, a NumPy permutation each epoch, one jitted step for each batch, dispatched without waiting, and a
list of losses that is read at the epoch's end; the last, incomplete batch is skipped, as in Flax's examples. No XLA
flag is set.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from flax.training.train_state import TrainState

from benchmarks import data
from benchmarks.recorder import Recorder
from benchmarks.task import Task
from benchmarks.workloads import Adam, Conv, Dense, Dropout, Layer, Pool, Recurrent

_EVAL_BATCH = 500


class Network(nn.Module):
    """The layers of a workload and the dense output layer.

    Attributes:
        layers: the hidden layers.
        classes: size of the last layer.
        dtype: dtype of the products.
    """

    layers: tuple[Layer, ...]
    classes: int
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Returns logits (batch, classes)."""
        for layer in self.layers:
            match layer:
                case Conv(features, kernel):
                    x = nn.relu(nn.Conv(features, (kernel, kernel), padding="VALID", dtype=self.dtype)(x))
                case Pool(window):
                    x = nn.max_pool(x, (window, window), strides=(window, window))
                case Dropout(rate):
                    x = nn.Dropout(rate, deterministic=not train)(x)
                case Dense(units):
                    x = nn.relu(nn.Dense(units, dtype=self.dtype)(x.reshape(x.shape[0], -1)))
                case Recurrent():
                    x = self._last_state(layer, x.reshape(*x.shape[:2], -1))
        return nn.Dense(self.classes, dtype=self.dtype)(x.reshape(x.shape[0], -1))

    def _last_state(self, layer: Recurrent, x: jax.Array) -> jax.Array:
        cell = {"lstm": nn.OptimizedLSTMCell, "gru": nn.GRUCell}[layer.cell]

        def rnn() -> nn.RNN:
            return nn.RNN(cell(layer.units, dtype=self.dtype))

        if not layer.bidirectional:
            states: Any = rnn()(x)
            last: jax.Array = states[:, -1]
            return last
        both: Any = nn.Bidirectional(rnn(), rnn())(x)
        return jnp.concatenate([both[:, -1, : layer.units], both[:, 0, layer.units :]], axis=-1)


def optimizer_of(adam: Adam, total_steps: int) -> optax.GradientTransformation:
    """Returns the workload's optimizer in optax."""
    rate: Any = adam.learning_rate
    if adam.schedule == "cosine":
        warmup = adam.warmup_steps(total_steps)
        start = 0.0 if warmup else adam.learning_rate
        rate = optax.warmup_cosine_decay_schedule(start, adam.learning_rate, warmup, total_steps)
    if adam.weight_decay:
        kernels_only = lambda params: jax.tree.map(lambda leaf: leaf.ndim > 1, params)  # noqa: E731
        optimizer = optax.adamw(rate, weight_decay=adam.weight_decay, mask=kernels_only)
    else:
        optimizer = optax.adam(rate)
    return optax.chain(optax.clip_by_global_norm(adam.clip_norm), optimizer) if adam.clip_norm else optimizer


@jax.jit
def train_step(state: TrainState, inputs: Any, labels: Any, key: jax.Array) -> tuple[TrainState, Any, Any]:
    """Trains on one batch; returns the new state, the loss and the accuracy."""

    def loss_fn(params: Any) -> tuple[jax.Array, jax.Array]:
        rngs = {"dropout": jax.random.fold_in(key, state.step)}
        logits = state.apply_fn({"params": params}, inputs, train=True, rngs=rngs)
        loss = optax.softmax_cross_entropy_with_integer_labels(logits.astype(jnp.float32), labels).mean()
        return loss, logits

    (loss, logits), gradients = jax.value_and_grad(loss_fn, has_aux=True)(state.params)
    return state.apply_gradients(grads=gradients), loss, jnp.mean(jnp.argmax(logits, -1) == labels)


@jax.jit
def count_correct(state: TrainState, inputs: Any, labels: Any) -> jax.Array:
    """Returns how many examples of a batch are classified correctly."""
    logits = state.apply_fn({"params": state.params}, inputs, train=False)
    return jnp.sum(jnp.argmax(logits, -1) == labels)


def run(task: Task, recorder: Recorder) -> None:
    """Trains for `task` and reports to `recorder`."""
    recipe = task.recipe
    inputs, labels = data.load(task.data_folder, "train", task.train_examples)
    inputs = data.as_float(inputs)
    test_inputs, test_labels = data.load(task.data_folder, "test")
    test_inputs = data.as_float(test_inputs)

    steps = len(labels) // recipe.batch_size
    network = Network(recipe.layers, recipe.classes, jnp.dtype(task.precision))
    params_key, dropout_key = jax.random.split(jax.random.key(task.seed))
    params = network.init(params_key, jnp.ones((1, *recipe.input_shape)), train=False)["params"]
    optimizer = optimizer_of(recipe.optimizer, steps * task.epochs)
    state = TrainState.create(apply_fn=network.apply, params=params, tx=optimizer)
    recorder.parameters = sum(leaf.size for leaf in jax.tree.leaves(params))
    recorder.library = "jax"

    def accuracy() -> float:
        starts = range(0, len(test_labels), _EVAL_BATCH)
        batches = ((test_inputs[i : i + _EVAL_BATCH], test_labels[i : i + _EVAL_BATCH]) for i in starts)
        return sum(int(count) for count in [count_correct(state, *batch) for batch in batches]) / len(test_labels)

    random = np.random.default_rng(task.seed)
    going = True
    while going:
        recorder.begin_epoch()
        permutation = random.permutation(len(labels))[: steps * recipe.batch_size]
        losses, accuracies = [], []
        for batch in permutation.reshape(steps, recipe.batch_size):
            state, loss, share = train_step(state, inputs[batch], labels[batch], dropout_key)
            losses.append(loss)
            accuracies.append(share)
            if recorder.first_step_seconds is None:
                loss.block_until_ready()
                recorder.first_step()
        np.mean(jax.device_get(losses)), np.mean(jax.device_get(accuracies))
        going = recorder.end_epoch(accuracy)
