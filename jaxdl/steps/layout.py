"""Where arrays lie on several devices: the state, a batch, and the examples.

There is one program for the whole batch. It says where arrays are to lie, and XLA divides the work and adds what the
devices must tell each other; so results are those of the whole batch, on any number of devices, up to rounding.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxdl.backend.compiler import without_jit
from jaxdl.backend.keys import with_keys, without_keys
from jaxdl.backend.mesh import (
    DATA,
    MODEL,
    Axes,
    devices_of,
    local_devices,
    make_mesh,
    mesh_text,
    named_axes,
    placed,
    shared_devices,
    whole,
)
from jaxdl.errors import UserError
from jaxdl.experiment.recipe import Training
from jaxdl.steps.rules import Path, Rule, names_of

# Arrays with fewer numbers stay whole: collecting them would take longer than what it saves.
SMALL = 1024
# The axis of trainings side by side in one program.
TRAININGS = "training"
Shard = Literal["replicated", "fsdp", "rules"]
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where the arrays of a training lie on a mesh of several devices.

    Attributes:
        mesh: the devices; a batch is divided along its axis ``data``.
        shard: how parameters and the optimizer's state lie.
        named: whether the recipe names the devices; otherwise there are as many as divide the batch.
        rules: the axes of parameters by their paths, see `jaxdl.steps.rules`.
    """

    mesh: Mesh
    shard: Shard = "replicated"
    named: bool = False
    rules: Mapping[Path, Rule] = dataclasses.field(default_factory=dict, compare=False)

    @property
    def axes(self) -> Axes:
        return tuple(self.mesh.shape.items())

    @property
    def ways(self) -> int:
        """In how many parts a batch is divided."""
        return int(self.mesh.shape.get(DATA, 1))

    @property
    def spans_processes(self) -> bool:
        """Whether some of the devices are those of other processes."""
        return not self.everywhere.is_fully_addressable

    @functools.cached_property
    def everywhere(self) -> NamedSharding:
        """Each device has the whole array."""
        return NamedSharding(self.mesh, PartitionSpec())

    def beside(self, count: int) -> Layout:
        """Returns the layout of trainings side by side: so many groups of as many devices, along an axis of their own.

        What it says of a state is said of each training, under `jax.vmap` along that axis.
        """
        needed = devices_of(self.axes) * count
        mesh = make_mesh(((TRAININGS, count), *self.axes), local_devices(needed, f"{needed} devices"))
        return dataclasses.replace(self, mesh=mesh)

    def each(self, state: Any) -> Any:
        """Returns the shardings of states side by side, of one state: the first axis are the trainings."""
        return jax.tree.map(
            lambda lies: NamedSharding(self.mesh, PartitionSpec(TRAININGS, *lies.spec)), self.of_state(state)
        )

    @functools.cached_property
    def by_row(self) -> NamedSharding:
        """Each device has its share of the rows of an array."""
        return NamedSharding(self.mesh, PartitionSpec(DATA) if DATA in self.mesh.shape else PartitionSpec())

    def batch(self, arrays: T) -> T:
        """Says, in a program, that the rows of arrays are divided among the devices.

        Args:
            arrays: a pytree of (batch, ...).
        """
        divided: T = jax.lax.with_sharding_constraint(arrays, self.by_row)
        return divided

    def state(self, state: T) -> T:
        """Says, in a program, how a state lies on the devices."""
        said: T = jax.lax.with_sharding_constraint(state, self.of_state(state))
        return said

    def collected(self, params: T) -> T:
        """Says, in a program, how parameters are used: those that ``fsdp`` divides whole, others as they lie.

        Their gradients lie as the parameters do. Without this, XLA divides with ``fsdp`` also the computation along the
        axes of the parameters, and moves activations; with ``rules`` it also divides updates of whole parameters, and
        collects them with all of the optimizer's state.
        """
        if self.shard == "replicated":
            return params
        whole: T = jax.tree.map(self._collected, params, self.of_state(params))
        return whole

    def _collected(self, param: jax.Array, lies: NamedSharding) -> jax.Array:
        used = self.everywhere if self.shard == "fsdp" else lies

        @jax.custom_vjp
        def collect(param: jax.Array) -> jax.Array:
            whole: jax.Array = jax.lax.with_sharding_constraint(param, used)
            return whole

        def backward(_: None, gradient: jax.Array) -> tuple[jax.Array]:
            # First summed whole: for a table of embeddings XLA would otherwise send its rows to and fro.
            whole = jax.lax.with_sharding_constraint(gradient, self.everywhere) if used != lies else gradient
            return (jax.lax.with_sharding_constraint(whole, lies),)

        collect.defvjp(lambda param: (collect(param), None), backward)
        found: jax.Array = collect(param)
        return found

    def of_state(self, state: T) -> T:
        """Returns the sharding of each leaf of a state or of parameters, of its shapes alone."""
        if self.shard == "replicated":
            found: T = jax.tree.map(lambda leaf: self.everywhere, state)
        else:
            of_leaf = self._of_leaf if self.shard == "rules" else self._along_data
            found = jax.tree_util.tree_map_with_path(lambda path, leaf: of_leaf(names_of(path), leaf), state)
        return found

    def _along_data(self, path: Path, leaf: Any) -> NamedSharding:
        """Divides the largest dimension that can be divided; of equal ones the first."""
        fitting = [n for n, length in enumerate(leaf.shape) if length % self.ways == 0]
        if leaf.size < SMALL or not fitting or path[:1] == ("model_state",):
            return self.everywhere
        largest = max(fitting, key=lambda n: (leaf.shape[n], -n))
        return NamedSharding(self.mesh, PartitionSpec(*[None] * largest, DATA))

    def _of_leaf(self, path: Path, leaf: Any) -> NamedSharding:
        # The optimizer's state has trees of the form of the parameters: the end of a path in it is that of a parameter.
        ends = (path[n:] for n in range(len(path)))
        axes = next((self.rules[end] for end in ends if end in self.rules), ())
        sizes = [1 if axis is None else self.mesh.shape.get(axis, 1) for axis in axes]
        if len(axes) != leaf.ndim or any(length % size for length, size in zip(leaf.shape, sizes, strict=True)):
            return self.everywhere
        return NamedSharding(self.mesh, PartitionSpec(*(axis if axis in self.mesh.shape else None for axis in axes)))

    def shapes(self, state: T) -> T:
        """Returns the shapes of a state with the sharding of each."""
        found: T = jax.tree.map(
            lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
            state,
            self.of_state(state),
        )
        return found

    def placed(self, state: T) -> T:
        """Returns a state as it lies on the devices; what lies there already is not copied, and shares its memory."""
        found: T = jax.tree.map(_on, state, self.of_state(state))
        return found

    def described(self) -> dict[str, Any]:
        """Returns what the record of a run says of it."""
        return {"devices": devices_of(self.axes), "mesh": mesh_text(self.axes), "shard": self.shard}

    def message(self, batch_size: int) -> str:
        """Returns a line for the user about the devices that share each batch."""
        share = batch_size // self.ways
        way_out = "" if self.named else "; --devices=1 uses one"
        several = jax.process_count() > 1
        there = f"{len(jax.devices())} devices of {jax.process_count()} processes" if several else ""
        there = there or f"{len(jax.local_devices())} devices"
        way_out = "" if several else way_out
        return (
            f"{devices_of(self.axes)} of {there} (mesh {mesh_text(self.axes)}) share each batch of {batch_size}, "
            f"{share} examples each; parameters: {self.shard}{way_out}."
        )

    def __str__(self) -> str:
        return f"{mesh_text(self.axes)} {self.shard}"


def _on(leaf: Any, sharding: NamedSharding) -> Any:
    there = isinstance(leaf, jax.Array) and leaf.sharding.is_equivalent_to(sharding, leaf.ndim)
    return leaf if there else placed(leaf, sharding)


def on_one_device(state: T) -> T:
    """Returns a state of several processes on the default device of this one; all of them call it."""

    def local(leaf: Any) -> Any:
        return with_keys(leaf, jax.device_put(whole(without_keys(leaf))))

    found: T = jax.tree.map(local, state)
    return found


def known(layout: Layout | None) -> contextlib.AbstractContextManager[Any]:
    """Returns the context in which a program is traced whose layers ask for the mesh, such as dropout."""
    if layout is None:
        return contextlib.nullcontext()
    return jax.sharding.use_abstract_mesh(layout.mesh.abstract_mesh)


def layout_of(training: Training) -> Layout | None:
    """Returns where the arrays of a training lie; None for one device.

    Without ``devices`` and ``mesh`` it takes the most of this process's devices that divide the batch.

    Raises:
        UserError: there are fewer devices than the recipe names, they do not divide the batch, or ``mesh`` and
            ``shard`` do not fit together.
    """
    if without_jit():
        return None
    axes, given = named_axes(training.devices, training.mesh)
    if axes is None:
        axes = ((DATA, _most_devices(training.batch_size)),)
    _check_shard(training.shard, axes)
    if devices_of(axes) == 1:
        return None
    check_divides(training.batch_size, axes, given)
    devices = shared_devices(devices_of(axes), given)
    return Layout(make_mesh(axes, devices), training.shard, named=bool(given))


def _most_devices(batch_size: int) -> int:
    """Returns the most devices that divide a batch, of several processes equally many each."""
    most, processes = len(shared_devices(None, "")), jax.process_count()
    found = next((n for n in range(most, 0, -processes) if batch_size % n == 0), None)
    if found is None:
        check_divides(batch_size, ((DATA, processes),), f"{processes} processes")
    return found or 1


def _check_shard(shard: Shard, axes: Axes) -> None:
    names = dict(axes)
    if shard == "rules" and MODEL not in names:
        raise UserError("--shard=rules places parameters along the axis model: give one, as in --mesh=data:4,model:2.")
    if shard != "rules" and names.get(MODEL, 1) > 1:
        raise UserError(
            f"--mesh={mesh_text(axes)}: nothing lies along the axis model with --shard={shard}; use --shard=rules, or "
            f"--mesh=data:{devices_of(axes)}."
        )
    if shard == "fsdp" and DATA not in names:
        raise UserError("--shard=fsdp divides parameters along the axis data: give one, as in --mesh=data:4.")


def check_divides(batch_size: int, axes: Axes, given: str) -> None:
    """Raises `UserError` where the devices along ``data`` do not divide a batch; names the nearest sizes that do."""
    ways = dict(axes).get(DATA, 1)
    below, beyond = batch_size // ways * ways, -(-batch_size // ways) * ways
    if below != beyond:
        sizes = f"{below} or {beyond}" if below else f"{beyond}"
        raise UserError(
            f"--batch_size={batch_size} cannot be divided by the {ways} devices of {given}; the nearest that can: "
            f"--batch_size={sizes}."
        )
