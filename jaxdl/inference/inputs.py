"""Inputs for predictions: examples are read from a path, and checked against the spec of the model's data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.data import Spec
from jaxdl.data.check import check_ids
from jaxdl.data.frames import listed
from jaxdl.data.images import find_images, load_images
from jaxdl.data.lengths import checked_lengths
from jaxdl.data.sounds import find_sounds, load_sounds
from jaxdl.data.tables import suffix
from jaxdl.errors import UserError
from jaxdl.inference.forecasts import read_windows
from jaxdl.inference.named import named_arrays
from jaxdl.inference.named_rows import read_named_rows
from jaxdl.inference.rows import as_rows, is_table, read_rows
from jaxdl.inference.sounds import as_stored
from jaxdl.inference.texts import are_texts, as_ids, read_texts
from jaxdl.inference.trees import as_trees, read_trees
from jaxdl.record import read_record


class Examples(NamedTuple):
    """Examples to predict for.

    Attributes:
        names: one for each example.
        inputs: (examples, *spec.input_shape) of dtype spec.input_dtype; several by name.
        lengths: (examples,) int32, valid steps of each; None where the data of the training had none; several by name.
    """

    names: list[str]
    inputs: Any
    lengths: Any


def read_spec(run_dir: Path) -> Spec:
    """Returns the spec of the run's data, from its record.

    Raises:
        UserError: there is no run, or its record is damaged.
    """
    try:
        return Spec.from_json(read_record(run_dir)["spec"])
    except (AttributeError, KeyError, TypeError, ValueError):
        raise UserError(f"{run_dir / 'record.json'} does not describe the data; train again.") from None


def read_examples(path: Path, spec: Spec, notify: Callable[[str], None] = print) -> Examples:
    """Reads examples to predict for.

    Args:
        path: an image or a sound, a folder of them, a ``.npy`` file of examples as stored, or a ``.npz`` file of the
            arrays ``inputs`` and, where the data of the training had lengths, ``lengths``; for a model that was trained
            on a table, a table with its columns, in any order, or a ``.npy`` file of inputs (rows, inputs) as stored;
            for one that was trained on texts, a file with a text in each line, a table with its column of texts, or a
            folder of files of which each is a text; for one of a series a table of rows in order of time, of which each
            window that it holds is an example; for one of several inputs a ``.npz`` file of them, or a table, see
            `read_named_rows`; for one of trees, a file of trees in brackets, one a line.
        spec: describes the data of the training.
        notify: called with lines that say what is ignored or unknown in a table.

    Raises:
        UserError: there is no such file, or the model does not take such examples.
    """
    if spec.inputs:
        arrays = _read_arrays(path, any_names=True) if path.suffix == ".npz" else {}
        as_table = suffix(path) and path.suffix not in (".npz", ".npy")
        named = (read_named_rows(path, spec, notify), {}) if as_table else named_arrays(arrays, spec, path)
        count = min(map(len, named[0].values()))
        return Examples([f"{path.name}[{index}]" for index in range(count)], named[0], named[1] or None)
    if spec.windows is not None and suffix(path) and not _holds_inputs(path):
        return Examples(*read_windows(path, spec, spec.windows, notify), None)
    if spec.columns and suffix(path) and not _holds_inputs(path):
        inputs = read_rows(path, spec, notify)
        return Examples([f"{path.name}[{index}]" for index in range(len(inputs))], inputs, None)
    if spec.coding is not None and path.suffix not in (".npy", ".npz"):
        names, texts = read_texts(path, spec.coding)
        return Examples(names, *as_ids(texts, spec, str(path), notify))
    if spec.trees is not None and path.suffix not in (".npy", ".npz"):
        trees = read_trees(path, spec, notify)
        return Examples([f"{path.name}[{index}]" for index in range(len(trees[0]))], *trees)
    if path.suffix not in (".npy", ".npz"):
        if spec.rate:
            files = find_sounds(path)
            return Examples([str(file) for file in files], *load_sounds(files, spec, notify))
        if len(spec.input_shape) != 3:
            raise UserError(f"this model does not take images; --input must be a {_wanted_file(spec)}.")
        files = find_images(path)
        return Examples([str(file) for file in files], load_images(files, spec), None)
    arrays = _read_arrays(path)
    given = f"--input={path}"
    if spec.lengths and "lengths" not in arrays:
        raise UserError(f"{given} has no lengths, and the model was trained with them; {_NPZ}.")
    inputs, lengths = as_batch(arrays["inputs"], arrays.get("lengths"), spec, given)
    if not len(inputs):
        raise UserError(f"{given} has no example.")
    return Examples([f"{path.name}[{index}]" for index in range(len(inputs))], inputs, lengths)


def _holds_inputs(path: Path) -> bool:
    """Returns whether a file holds inputs as stored, in the place of the columns of a table."""
    if path.suffix not in (".npy", ".npz"):
        return False
    arrays = _read_arrays(path, any_names=True)
    return "inputs" in arrays and arrays["inputs"].dtype.names is None


_NPZ = "save both with np.savez(FILE, inputs=inputs, lengths=lengths), and give FILE.npz"


def _read_arrays(path: Path, any_names: bool = False) -> dict[str, np.ndarray]:
    """Returns the arrays of a file by name; that of a ``.npy`` file is ``inputs``."""
    try:
        with open(path, "rb") as file:  # pickled objects, which could run code, are not loaded
            loaded = np.load(file, allow_pickle=False)
            arrays = {"inputs": loaded} if isinstance(loaded, np.ndarray) else dict(loaded)
    except Exception as error:  # any exception: for a damaged header NumPy raises errors of Python's tokenizer
        reason = " ".join(str(error).split()).rstrip(".")
        raise UserError(f"--input={path} cannot be read as an array: {reason}.") from None
    if any_names:
        return arrays
    if "inputs" not in arrays or arrays.keys() - {"inputs", "lengths"}:
        raise UserError(
            f"--input={path} holds {', '.join(sorted(arrays)) or 'no array'}; a prediction reads the arrays inputs "
            "and, where the model was trained with them, lengths, and no other."
        )
    return arrays


def as_batch(
    inputs: Any, lengths: Any, spec: Spec, name: str, notify: Callable[[str], None] = print
) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns examples, and the valid steps of each, as `predict_step` takes them.

    Args:
        inputs: (examples, *spec.input_shape), or, if the data of the training had lengths, a list of examples
            (steps, *spec.input_shape[1:]) of up to spec.input_shape[0] steps, which is padded; or, if they were a
            table or a series, its columns by name: a mapping, or a table of pandas or Arrow; if they were texts, a list
            of texts, and if they were trees a list of trees in brackets; of sounds see `as_stored`.
        lengths: (examples,) integers, if the data of the training had lengths; None for a list, and otherwise.
        spec: describes the data of the training.
        name: what the inputs are called in messages.
        notify: called with lines that say what is unknown in a table.

    Returns:
        (examples, *spec.input_shape) of dtype spec.input_dtype, and (examples,) int32 or None.

    Raises:
        UserError: the model does not take such inputs, or lengths are wrong, missing, or not needed.
    """
    if are_texts(inputs):
        if lengths is not None:
            raise UserError("lengths are given with texts, from which they follow; leave them out.")
        return (as_ids if spec.trees is None else as_trees)(inputs, spec, name, notify)
    if spec.rate:
        inputs = as_stored(inputs, spec, name, notify)
    if not spec.lengths:
        if lengths is not None:
            raise UserError("lengths are given, but the data of the training had none; leave them out.")
        if is_table(inputs):
            return as_rows(inputs, spec, notify), None
        array = stored(_array(inputs, name), spec, name)
        check_ids(array, None, spec, name)
        return array, None
    if lengths is None:
        if not isinstance(inputs, list | tuple):
            raise UserError(
                f"the model was trained with lengths, the number of valid steps of each example: give them beside "
                f"{name}, or give a list of examples without padding."
            )
        inputs, lengths = _padded(inputs, spec, name)
    array = stored(_array(inputs, name), spec, name)
    valid = checked_lengths(lengths, len(array), spec.input_shape[0], "lengths")
    check_ids(array, valid, spec, name)
    return array, valid


def _padded(examples: Sequence[Any], spec: Spec, name: str) -> tuple[np.ndarray, list[int]]:
    """Returns examples of different lengths in one array, padded with zeros, and their lengths."""
    arrays = [_array(example, f"{name}[{number}]") for number, example in enumerate(examples)]
    steps, *rest = spec.input_shape
    for number, array in enumerate(arrays):
        if array.ndim != len(spec.input_shape) or list(array.shape[1:]) != rest or len(array) > steps:
            shape = ", ".join(map(str, (f"up to {steps}", *rest)))
            raise UserError(f"{name}[{number}] has shape {array.shape}; the model takes examples of shape ({shape}).")
    padded = np.zeros((len(arrays), *spec.input_shape), np.result_type(*arrays) if arrays else spec.input_dtype)
    for row, array in zip(padded, arrays, strict=True):
        row[: len(array)] = array
    return padded, [len(array) for array in arrays]


def _array(values: Any, name: str) -> np.ndarray:
    try:
        return np.asarray(values)
    except ValueError:  # rows of different sizes
        raise UserError(f"{name} is a list of arrays of different shapes; give one array of examples.") from None


def stored(array: np.ndarray, spec: Spec, name: str) -> np.ndarray:
    """Returns examples in the dtype in which the data of the training are stored, where that changes no value.

    Integers of any size become those of the data if all fit, and so do booleans where data are not scaled. Floats are
    rounded to the precision of the data. Floats never become integers, nor integers floats: such numbers are scaled in
    another way than those of the training.

    Args:
        array: the examples.
        spec: describes the data of the training.
        name: the array's name in messages.

    Returns:
        (examples, *spec.input_shape) of dtype spec.input_dtype, or of the one that JAX has in its place.

    Raises:
        UserError: another shape or kind of numbers, or numbers that the dtype cannot hold.
    """
    dtype = jax.dtypes.canonicalize_dtype(spec.input_dtype)  # without 64 bits, JAX would cut larger numbers off
    if not array.ndim or array.shape[1:] != spec.input_shape:
        raise UserError(f"{_given(array, name)}; the model takes {_wanted(spec)}{_shape_hint(array, spec)}.")
    if array.dtype == bool and jnp.issubdtype(dtype, jnp.integer) and spec.preprocess.scale == 1:
        array = array.astype(dtype)  # 0 and 1, which mean the same unless the data are scaled
    if array.dtype == dtype:
        return array
    for kind in (jnp.integer, jnp.floating):
        if jnp.issubdtype(dtype, kind) and jnp.issubdtype(array.dtype, kind):
            with np.errstate(over="ignore"):
                cast = array.astype(dtype)
            same = cast == array if kind is jnp.integer else np.isfinite(cast) | ~np.isfinite(array)
            if same.all():
                return cast
    hint = _dtype_hint(array, spec)
    raise UserError(f"{_given(array, name)}{_range(array)}; the model takes {_wanted(spec)}, as stored{hint}.")


def _given(array: np.ndarray, name: str) -> str:
    kind = {"U": "text", "S": "text", "O": "objects"}.get(array.dtype.kind, str(array.dtype))
    return f"{name} is {kind} of shape {array.shape}"


def _wanted(spec: Spec) -> str:
    return f"{spec.input_dtype} of shape (n, {', '.join(map(str, spec.input_shape))})"


def _wanted_file(spec: Spec) -> str:
    if spec.columns:
        rows = "" if spec.windows is None else f" and at least {spec.input_shape[0]} rows"
        return f"table (.csv, .tsv, .parquet) with the columns {listed(each.name for each in spec.columns)}{rows}"
    return f".npz file of lengths and of inputs, {_wanted(spec)}" if spec.lengths else f".npy file of {_wanted(spec)}"


def _range(array: np.ndarray) -> str:
    if not array.size or array.dtype.kind not in "iuf":
        return ""
    return f" with values from {array.min():g} to {array.max():g}"


def _shape_hint(array: np.ndarray, spec: Spec) -> str:
    if array.shape == spec.input_shape:
        return ": this is one example without the axis of examples, give inputs[None]"
    if array.ndim == len(spec.input_shape) + 1 and array.shape[1:-1] == spec.input_shape[:-1]:
        return f": {array.shape[-1]} columns in the place of {spec.input_shape[-1]}"
    return ""


def _dtype_hint(array: np.ndarray, spec: Spec) -> str:
    """Returns the way out for numbers of another kind than those of the training's data."""
    dtype, scale = jnp.dtype(spec.input_dtype), spec.preprocess.scale
    if jnp.issubdtype(dtype, jnp.integer) and array.dtype.kind == "f":
        whole = 0 < scale < 1 and array.size and array.min() >= 0 and array.max() <= 1
        times = f" * {1 / scale:g}" if whole else ""
        return f": give np.rint(inputs{times}).astype({str(dtype)!r}) if that is how the training's examples are stored"
    if jnp.issubdtype(dtype, jnp.floating) and array.dtype.kind in "iu":
        return f": give inputs.astype({str(dtype)!r}) once it is scaled as the training's examples were"
    return ""
