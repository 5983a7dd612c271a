"""How much memory and how many operations a training needs, from shapes alone: nothing is compiled or allocated."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jaxdl.backend.jaxprs import product_flops
from jaxdl.backend.liveness import aval_bytes, peak_bytes
from jaxdl.backend.mesh import devices_of
from jaxdl.data import Spec
from jaxdl.data.named import full_name
from jaxdl.experiment import Experiment
from jaxdl.experiment.fitting import objective_of
from jaxdl.steps.functions import hyperparameters, make_steps, state_shapes
from jaxdl.steps.layout import Layout


@dataclasses.dataclass(frozen=True)
class Memory:
    """The memory of one device, in bytes.

    Attributes:
        parameters: the model's parameters.
        optimizer: the optimizer's state.
        model_state: other variables of the model, such as batch statistics.
        activations: a batch, what the backward pass keeps, the gradients, and all else that one step needs at once.
        collected: copies of the parameters of which this device has a share, as it collects them for a step.
        example: one example as it is stored on the device.
        data: all examples, which lie on each device; None: their number is not known, or they are brought in parts.
        devices: how many devices share the training.
        flops: floating-point operations of a train step on the whole batch, by dtype; see
            `jaxdl.backend.jaxprs.product_flops`.
    """

    parameters: int
    optimizer: int
    model_state: int
    activations: int
    collected: int
    example: int
    data: int | None
    devices: int
    flops: Mapping[str, int]

    @property
    def needed(self) -> int:
        """All together, with the data where they are known."""
        of_state = self.parameters + self.optimizer + self.model_state
        return of_state + self.activations + self.collected + (self.data or 0)

    @property
    def parts(self) -> dict[str, int]:
        """The bytes by what they are for, and last all together; what takes none is left out."""
        parts = {
            "parameters": self.parameters,
            "optimizer state": self.optimizer,
            "other variables": self.model_state,
            "activations, gradients and a batch": self.activations,
            "parameters collected from other devices": self.collected,
            "data": self.data or 0,
        }
        return {name: size for name, size in parts.items() if size} | {"together": self.needed}


def predicted_memory(
    experiment: Experiment,
    spec: Spec,
    batch: Mapping[str, jax.ShapeDtypeStruct],
    layout: Layout | None = None,
    examples: int | None = None,
) -> Memory:
    """Predicts the memory of a training from the traced train step; see `jaxdl.backend.liveness`.

    With several devices, a step of a device's share of the batch is traced, as if it were alone.

    Args:
        experiment: the recipe, fitted to its data.
        spec: describes one example.
        batch: shapes of the whole batch, as stored.
        layout: where arrays lie on several devices; None: there is one.
        examples: how many there are in all splits; None: not known, or they are brought to the device in parts.
    """
    steps = make_steps(experiment, spec, total_steps=1)
    state = state_shapes(steps)
    ways = 1 if layout is None else layout.ways
    share = {
        name: jax.ShapeDtypeStruct((shape.shape[0] // ways, *shape.shape[1:]), shape.dtype)
        for name, shape in batch.items()
    }
    with jax.disable_jit(False):
        program = jax.make_jaxpr(steps.train_step)(state, share, hyperparameters(experiment))
    lies = None if layout is None else layout.of_state(state)
    names = ("params", "opt_state", "model_state")
    whole = {name: _bytes(getattr(state, name), None) for name in names}
    lying = {name: _bytes(getattr(state, name), lies and getattr(lies, name)) for name in names}
    peak = peak_bytes(program.jaxpr, platform=jax.default_backend())
    example = sum(aval_bytes(shape) // max(1, shape.shape[0]) for shape in batch.values())
    return Memory(
        parameters=lying["params"],
        optimizer=lying["opt_state"],
        model_state=lying["model_state"],
        activations=max(0, peak - sum(whole.values())),
        collected=_collected(state.params, layout) if layout is not None and layout.shard == "fsdp" else 0,
        example=example,
        data=None if examples is None else examples * example,
        devices=1 if layout is None else devices_of(layout.axes),
        flops={dtype: count * ways for dtype, count in product_flops(program.jaxpr).items()},
    )


def batch_shapes(experiment: Experiment, spec: Spec) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns the shapes of a batch as stored, which follow from the recipe and what one example is."""
    size, shapes = experiment.training.batch_size, dict[str, jax.ShapeDtypeStruct]()
    for name, each in spec.inputs or (("", spec),):
        shape = (size, *each.input_shape)
        shapes[full_name("inputs", name)] = jax.ShapeDtypeStruct(shape, jnp.dtype(each.input_dtype))
        if each.lengths:
            shapes[full_name("lengths", name)] = jax.ShapeDtypeStruct((size,), jnp.int32)
    for name, each in spec.by_target.items():
        kind = objective_of(experiment.objective, name).kind
        dtype = jnp.float32 if kind == "values" else jnp.int32
        shapes[full_name("targets", name)] = jax.ShapeDtypeStruct((size, *each.target_shape), dtype)
        if each.target_lengths:
            shapes[full_name("target_lengths", name)] = jax.ShapeDtypeStruct((size,), jnp.int32)
    return shapes


def _collected(params: Any, layout: Layout) -> int:
    """Returns the bytes of those parameters that are divided among devices, when they are whole."""
    leaves = zip(jax.tree.leaves(params), jax.tree.leaves(layout.of_state(params)), strict=True)
    return sum(aval_bytes(leaf) for leaf, lies in leaves if not lies.is_fully_replicated)


def _bytes(tree: Any, shardings: Any) -> int:
    """Returns the bytes of one device's part of a tree of shapes."""
    if shardings is None:
        return sum(aval_bytes(leaf) for leaf in jax.tree.leaves(tree))
    return sum(
        aval_bytes(jax.ShapeDtypeStruct(lies.shard_shape(leaf.shape), leaf.dtype))
        for leaf, lies in zip(jax.tree.leaves(tree), jax.tree.leaves(shardings), strict=True)
    )
