"""Inputs for predictions: examples are read from a path and checked against the model's spec."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jaxdl.data import Spec
from jaxdl.data.images import find_images, load_images
from jaxdl.errors import UserError
from jaxdl.record import read_record


def read_spec(run_dir: Path) -> Spec:
    """Returns the spec of the run's data, from its record.

    Raises:
        UserError: there is no run, or its record is damaged.
    """
    try:
        return Spec.from_json(read_record(run_dir)["spec"])
    except (AttributeError, KeyError, TypeError, ValueError):
        raise UserError(f"{run_dir / 'record.json'} does not describe the data; train again.") from None


def read_inputs(path: Path, spec: Spec) -> tuple[list[str], np.ndarray]:
    """Reads examples to predict for: an image, a folder of images, or a ``.npy`` array of examples as stored.

    Returns:
        Names, and inputs (examples, *spec.input_shape) of dtype spec.input_dtype.

    Raises:
        UserError: there is no such file, or the model does not take such inputs.
    """
    if path.suffix != ".npy":
        if len(spec.input_shape) != 3:
            sizes = ", ".join(map(str, spec.input_shape))
            raise UserError(f"this model does not take images; --input must be a .npy file of shape (n, {sizes}).")
        files = find_images(path)
        return [str(file) for file in files], load_images(files, spec)
    try:
        array = np.load(path, allow_pickle=False)
    except Exception as error:  # any exception: for a damaged header NumPy raises errors of Python's tokenizer
        reason = " ".join(str(error).split()).rstrip(".")
        raise UserError(f"--input={path} cannot be read as an array: {reason}.") from None
    if not isinstance(array, np.ndarray):
        raise UserError(f"--input={path} holds several arrays (.npz); give one array of examples.")
    check_inputs(array, spec, f"--input={path}")
    if not len(array):
        raise UserError(f"--input={path} has no example.")
    return [f"{path.name}[{index}]" for index in range(len(array))], array


def check_inputs(array: np.ndarray, spec: Spec, name: str) -> None:
    """Raises `UserError` if an array is not (examples, *spec.input_shape) of dtype spec.input_dtype.

    Args:
        array: the examples.
        spec: describes the model's inputs.
        name: the array's name in the message.
    """
    if not array.ndim or array.shape[1:] != spec.input_shape or array.dtype != spec.input_dtype:
        wanted = f"{spec.input_dtype} of shape (n, {', '.join(map(str, spec.input_shape))})"
        raise UserError(f"{name} is {array.dtype} of shape {array.shape}; the model takes {wanted}.")
