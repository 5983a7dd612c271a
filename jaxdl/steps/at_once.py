"""A batch that devices of a CPU share, whose gradients and figures they tell each other in one collective.

Divided by the compiler, a step adds up each gradient by itself: XLA joins the sums to one operation, but on the CPU its
arrays go from process to process one after the other, and each waits for the network. Here each device differentiates
the loss of its own examples, and one array holds all that is to be added up, but for large arrays, which are told by
themselves. Accelerators need no such thing: their libraries take many arrays at a time.

The results are those of the whole batch, up to rounding. So this is for models in which no example depends on the
others of its batch.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec

from jaxdl.backend.mesh import DATA
from jaxdl.experiment import Experiment
from jaxdl.fields import enabled
from jaxdl.models import CNN, MLP, RNN, Autoencoder, Seq2Seq, UNet
from jaxdl.objectives import OBJECTIVES
from jaxdl.objectives.counting import ratio
from jaxdl.objectives.metrics import training_metrics
from jaxdl.steps.elements import Batch
from jaxdl.steps.forward import Forward
from jaxdl.steps.gradients import Differentiated, differentiate
from jaxdl.steps.layout import Layout

# Models that compute each example by itself (but for batch statistics, which are variables), and whose dropout is over
# arrays with the examples as their first axis: see `jaxdl.ops.replicated.rows_of_batch`.
APART = (MLP, CNN, UNet, Autoencoder, RNN, Seq2Seq)
# float32 has each whole number up to here.
_WHOLE = 2**24
# An array of so many numbers is told by itself: to wait for it once more is nothing beside sending it, and copying it
# into another and back took a tenth of a step of `mnist_cnn` on two devices of one process.
_LARGE = 2**18
# Up to so many devices of several processes add up in pairs: each number is then sent log2(devices) times, and waited
# for as often. gloo's own way sends it fewer times from 8 devices on, but waits for each of many parts.
_PAIRED = 4
T = TypeVar("T")
Sums = Mapping[str, Mapping[str, jax.Array]]


def differentiate_batch(
    forward: Forward,
    recipe: Experiment,
    layout: Layout | None,
    params: Any,
    model_state: Any,
    batch: Batch,
    dropout_key: jax.Array,
    scale: jax.Array | None = None,
) -> Differentiated:
    """Returns what `differentiate` does, on several devices too.

    Where these tell each other all at once, there are sums in the place of outputs, targets and mask.

    Args:
        forward: the model and its loss.
        recipe: the recipe with the numbers of the step.
        layout: where arrays lie on several devices; None: there is one.
        params: as the others, see `differentiate`.
        model_state: as there.
        batch: as there.
        dropout_key: as there.
        scale: as there.
    """

    own = functools.partial(differentiate, forward, recipe, params, model_state, dropout_key=dropout_key, scale=scale)
    if layout is None or not tell_at_once(recipe, layout, model_state, len(next(iter(batch.values())))):
        return own(batch)

    def of_share(batch: Batch) -> tuple[jax.Array, Any, Sums]:
        found = own(batch)
        # A mean over the batch is that of the devices' means, each weighted by how much its examples count.
        weight = forward.shares(recipe, batch, found.outputs).weight
        means = jax.tree.map(lambda mean: mean * weight.astype(mean.dtype), (found.loss, found.gradients))
        sums = figures_of(forward, recipe, found)
        most = found.outputs.size * layout.ways
        told: tuple[jax.Array, Any, Sums] = added_up((weight, means, sums), most, paired(layout))
        return told

    rows, whole = PartitionSpec(DATA), PartitionSpec()
    divided = jax.shard_map(of_share, mesh=layout.mesh, in_specs=rows, out_specs=whole, check_vma=False)
    weight, means, sums = divided(dict(batch))
    loss, gradients = jax.tree.map(lambda mean: ratio(mean, weight.astype(mean.dtype)), means)
    return Differentiated(loss, gradients, None, None, None, model_state, {}, sums=sums)


def figures_of(forward: Forward, recipe: Experiment, found: Differentiated) -> Sums:
    """Returns the partial sums of the figures of training over a batch, by figure and name."""
    if found.sums is not None:
        return found.sums
    outputs = forward.measured(found.outputs)
    figures = training_metrics(recipe.measured, recipe.objective)
    return {each.name: each.partial(outputs, found.targets, found.mask) for each in figures}


def tell_at_once(recipe: Experiment, layout: Layout, model_state: Any, examples: int) -> bool:
    """Returns whether the devices of a training tell each other all sums of a step at once.

    Args:
        recipe: the recipe.
        layout: where arrays lie.
        model_state: the model's variables beside its parameters, such as batch statistics.
        examples: how many are in a batch.
    """
    training = recipe.training
    return (
        layout.shard == "replicated"
        and layout.mesh.size == layout.ways
        and layout.mesh.devices.flat[0].platform == "cpu"
        and type(recipe.model) in APART
        and type(recipe.objective) in OBJECTIVES.members.values()
        and not jax.tree.leaves(model_state)
        # What the parameters add to the loss would count in each share.
        and not (enabled(training.l1) or enabled(training.l2))
        and examples % (layout.ways * training.accumulate) == 0
    )


def paired(layout: Layout) -> int:
    """Returns how many devices add up in pairs; 0: the collective library does it in its own way.

    An all-reduce of gloo takes twice to ten times as long as an exchange between two processes (two cores of an Intel
    Xeon, 0.4 and 4.8 MB). Devices of one process need no library.
    """
    ways = layout.ways
    return ways if layout.spans_processes and ways <= _PAIRED and ways.bit_count() == 1 else 0


def added_up(arrays: T, most: int, pairs: int = 0) -> T:
    """Returns sums over the devices, which tell each other one array for each dtype, and large arrays apart.

    Args:
        arrays: a pytree of arrays, in a program of one device's share.
        most: whole numbers are at most so large once they are added up. Where float32 has all of these, they are in one
            array with the others.
        pairs: the number of devices, a power of two, where they add up in pairs (recursive doubling: Thakur et al.
            2005, "Optimization of collective communication operations in MPICH", section 4.2); 0: by an all-reduce.
    """

    def total(array: jax.Array) -> jax.Array:
        if not pairs:
            summed: jax.Array = jax.lax.psum(array, DATA)
            return summed
        for distance in (2**power for power in range(pairs.bit_length() - 1)):
            other: jax.Array = jax.lax.ppermute(array, DATA, [(place, place ^ distance) for place in range(pairs)])
            array = array + other  # a + b on one device and b + a on the other: the same bits
        return array

    leaves, structure = jax.tree.flatten(arrays)
    joined: dict[Any, list[int]] = {}
    for place, leaf in enumerate(leaves):
        if leaf.size >= _LARGE:
            leaves[place] = total(leaf)
            continue
        is_count = jnp.issubdtype(leaf.dtype, jnp.integer) and most <= _WHOLE
        joined.setdefault(jnp.dtype(jnp.float32) if is_count else leaf.dtype, []).append(place)
    for dtype, places in joined.items():
        together = total(jnp.concatenate([leaves[place].astype(dtype).reshape(-1) for place in places]))
        first = 0
        for place in places:
            leaf = leaves[place]
            size = math.prod(leaf.shape)
            part = jax.lax.slice(together, (first,), (first + size,))
            leaves[place], first = part.reshape(leaf.shape).astype(leaf.dtype), first + size
    added: T = jax.tree.unflatten(structure, leaves)
    return added
