"""The layers of a model in the order in which they compute, to be filled with another framework's weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from jaxdl.data import default_data_dir
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.models.layers import BatchNorm, Convolution, GroupNorm, LayerNorm
from jaxdl.models.rnn import RecurrentLayer
from jaxdl.models.sequence import Embed

_KINDS: dict[type[nn.Module], str] = {
    nn.Dense: "dense",
    BatchNorm: "batch",
    LayerNorm: "layer",
    GroupNorm: "group",
    Embed: "embed",
}


@dataclass(frozen=True)
class Layer:
    """A layer of one of jaxdl's models.

    Attributes:
        path: names of the modules down to it.
        kind: ``dense``, ``convolution``, ``batch``, ``layer``, ``group``, ``embed``, ``simple``, ``lstm`` or ``gru``.
        channels: of a dense layer that reads flattened images, how many channels they have; 0 of all others.
        stride: of a convolution.
        padding: of a convolution, ``SAME`` or ``VALID``.
    """

    path: tuple[str, ...]
    kind: str
    channels: int = 0
    stride: int = 1
    padding: str = ""

    @property
    def name(self) -> str:
        """Its path as a text."""
        return "/".join(self.path)


def fitted(
    model: nn.Module | Experiment, input_shape: Sequence[int] | None, ids: bool = False
) -> tuple[nn.Module, jax.ShapeDtypeStruct]:
    """Returns a model whose sizes are known, and the shape of a batch of one example.

    Args:
        model: a model, or an experiment, whose data then say the sizes.
        input_shape: of one example, without the batch; needed for a model.
        ids: whether its inputs are ids.

    Raises:
        UserError: the shape is not known.
    """
    if isinstance(model, Experiment):
        spec = model.data.spec(Path(default_data_dir()))
        return model.for_spec(spec).model, jax.ShapeDtypeStruct((1, *spec.model_shape), jnp.dtype(spec.model_dtype))
    if input_shape is None:
        raise UserError("give the shape of one example, as in input_shape=(28, 28, 1), or an experiment.")
    return model, jax.ShapeDtypeStruct((1, *input_shape), jnp.int32 if ids else jnp.float32)


def layers_of(model: nn.Module, example: jax.ShapeDtypeStruct) -> tuple[list[Layer], dict[str, Any]]:
    """Returns the layers with variables in the order in which they compute, and the shapes of all variables.

    Raises:
        UserError: a module has variables of its own and is none of these kinds.
    """
    found: dict[tuple[str, ...], nn.Module] = {}

    def listen(call: Any, args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
        found.setdefault(context.module.path, context.module)
        return call(*args, **kwargs)

    with nn.intercept_methods(listen):
        variables = jax.eval_shape(model.init, jax.random.key(0), example)
    layers = list(_kinds(found, example))
    known = {layer.path for layer in layers}
    for path, _ in jax.tree_util.tree_leaves_with_path(variables):
        names = tuple(str(key.key) for key in path)[1:-1]
        if names not in known:
            raise UserError(
                f"{type(model).__name__}: the weights of {'/'.join(names) or 'the model itself'} have no "
                "counterpart among another framework's layers."
            )
    return layers, dict(variables)


def _kinds(modules: Mapping[tuple[str, ...], nn.Module], example: jax.ShapeDtypeStruct) -> Iterator[Layer]:
    channels = example.shape[-1] if len(example.shape) == 4 else 0
    for path, module in modules.items():
        if isinstance(module, RecurrentLayer):
            yield Layer(path, module.cell)
            channels = 0
        elif isinstance(module, Convolution):
            yield Layer(path, "convolution", 0, module.stride, module.padding)
            channels = module.features
        elif type(module) in _KINDS:
            kind = _KINDS[type(module)]
            yield Layer(path, kind, channels if kind == "dense" else 0)
            if kind == "dense":
                channels = 0


def filled(
    shapes: Mapping[str, Any], layers: Sequence[Layer], arrays: Sequence[Mapping[str, np.ndarray]], names: Sequence[str]
) -> dict[str, Any]:
    """Returns the variables of a model.

    Args:
        shapes: of all variables, by collection.
        layers: in order.
        arrays: for each layer, its arrays by our names; a missing bias is 0.
        names: what the layers are called where they come from.

    Raises:
        UserError: an array has another shape, or has no place here.
    """
    variables: dict[str, Any] = jax.tree.map(lambda leaf: None, dict(shapes))
    for layer, own, name in zip(layers, arrays, names, strict=True):
        wanted = {
            key: (collection, shape)
            for collection in shapes
            for key, shape in _at(shapes[collection], layer.path).items()
        }
        given = {key: np.zeros(shape.shape, np.float32) for key, (_, shape) in wanted.items() if key == "bias"} | dict(
            own
        )
        for key in given.keys() | wanted.keys():
            here = wanted[key][1].shape if key in wanted else None
            there = given[key].shape if key in given else None
            if here != there:
                raise UserError(
                    f"{name} becomes {layer.name}: {key} has shape {there} there, and {here} here; the "
                    "architectures must be the same."
                )
            collection = variables[wanted[key][0]]
            for step in layer.path:
                collection = collection[step]
            collection[key] = np.asarray(given[key], np.float32)
    return variables


def _at(tree: Any, path: Sequence[str]) -> dict[str, Any]:
    for name in path:
        tree = tree.get(name, {})
    return {key: leaf for key, leaf in tree.items() if hasattr(leaf, "shape")}


def check_count(layers: Sequence[Layer], names: Sequence[str]) -> None:
    """Raises `UserError` where another framework has more or fewer layers."""
    if len(layers) != len(names):
        raise UserError(
            f"{len(names)} layers with weights are given ({', '.join(names)}), and the model has {len(layers)} "
            f"({', '.join(layer.name for layer in layers)}); the architectures must be the same, in the same order."
        )


def rows_by_position(kernel: np.ndarray, channels: int) -> np.ndarray:
    """Returns a dense kernel for images flattened with channels last, of one for channels first."""
    if channels <= 1 or len(kernel) % channels:
        return kernel
    units = kernel.shape[1]
    return kernel.reshape(channels, -1, units).transpose(1, 0, 2).reshape(-1, units)


def with_epsilon(
    arrays: dict[str, np.ndarray], kind: str, epsilon: float | None, own: float, name: str
) -> dict[str, np.ndarray]:
    """Returns the arrays of a normalisation of which another framework adds `epsilon` to the variance.

    Of a batch normalisation the difference enters the running variance; that of others is computed anew.

    Raises:
        UserError: ours adds another number, and it cannot be made good.
    """
    if kind == "batch":
        return arrays | {"var": arrays["var"] + np.float32((own if epsilon is None else epsilon) - own)}
    if epsilon is None or not np.isclose(epsilon, own, rtol=1e-3):
        there = "another number by default" if epsilon is None else f"{epsilon:g}"
        raise UserError(
            f"{name}: this normalisation adds {own:g} to the variance here and {there} there, so outputs would differ; "
            f"train with {own:g} there" + (f" and give epsilon={own:g}." if epsilon is None else ".")
        )
    return arrays
