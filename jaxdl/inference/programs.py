"""Reads exported programs again: with their description, and only where this JAX can."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.typing import ArrayLike

from jaxdl.data.named import full_name
from jaxdl.errors import UserError, missing
from jaxdl.files.atomic import named_cause
from jaxdl.files.paths import expanded
from jaxdl.inference.export import exported
from jaxdl.inference.manifest import Array, input_meanings, manifest, output_meaning
from jaxdl.inference.onnx import onnx_files
from jaxdl.inference.predictor import TrainedModel
from jaxdl.inference.weights import weight_files
from jaxdl.objectives.several import Several


def exported_files(model: TrainedModel, kind: str, name: str) -> tuple[bytes, str]:
    """Returns a model in a format, and the JSON that describes it.

    Args:
        model: what to export.
        kind: ``stablehlo``, ``onnx`` or ``safetensors``.
        name: that the file will have.

    Raises:
        UserError: a package is missing, or the format does not support the model.
    """
    content, description = {"stablehlo": program_files, "onnx": onnx_files, "safetensors": weight_files}[kind](model)
    return content, json.dumps({"file": name} | json.loads(description), indent=2, ensure_ascii=False) + "\n"


def check_beside(path: Path) -> None:
    """Raises `UserError` where the description beside a file to be written is that of another one."""
    other = path.with_name(str(_description(path.with_suffix(".json")).get("file", path.name)))
    if other != path and other.is_file():
        raise UserError(f"--output={path}: {path.with_suffix('.json')} describes {other}; give another name.")


@dataclasses.dataclass(frozen=True)
class Program:
    """An exported model.

    Attributes:
        description: the content of ``FILE.json``.
        call: ``(inputs)`` or ``(inputs, lengths)`` to predictions, compiled once for each shape.
    """

    description: dict[str, Any]
    call: Any

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the last axis of predictions."""
        return tuple(self.description.get("class_names", ()))

    def predict(self, inputs: ArrayLike | Mapping[str, ArrayLike], lengths: ArrayLike | None = None) -> Any:
        """Returns predictions for examples as stored; none for no example.

        Args:
            inputs: (examples, ...); of several inputs a mapping of ``inputs/NAME`` and ``lengths/NAME``.
            lengths: (examples,) valid steps of each, where the description has them.

        Returns:
            (examples, ...) float32; of several outputs a dictionary by their names.
        """
        arguments: list[Any]
        if isinstance(inputs, Mapping):
            arguments = [{name: np.asarray(array) for name, array in inputs.items()}]
        else:
            arguments = [np.asarray(inputs), *([] if lengths is None else [np.asarray(lengths, np.int32)])]
        if len(jax.tree.leaves(arguments)[0]):
            return jax.tree.map(np.asarray, self.call(*arguments))
        # A program takes one example or more.
        one = jax.tree.map(lambda array: np.zeros((1, *array.shape[1:]), array.dtype), arguments)
        return jax.tree.map(lambda array: np.asarray(array)[:0], self.call(*one))


def program_files(model: TrainedModel) -> tuple[bytes, str]:
    """Returns a model as a serialised program, and the JSON that describes it; see `export_program`."""
    found, objective = exported(model), model.experiment.objective
    meanings = input_meanings(model).items()
    inputs = [Array.of(name, aval, meaning) for (name, meaning), aval in zip(meanings, found.in_avals, strict=True)]
    parts = dict(sorted(objective.parts.items())) if isinstance(objective, Several) else {"": objective}
    outputs = [
        Array.of(full_name("predictions", name), aval, output_meaning(each))
        for (name, each), aval in zip(parts.items(), found.out_avals, strict=True)  # JAX sorts a dictionary's keys
    ]
    others = {
        "platforms": list(found.platforms),
        "calling_convention_version": found.calling_convention_version,
        "reads_with": {"jax": f">={_release(jax.__version__)}", "flatbuffers": ">=24.3"},
        "runs_as": f"jax.jit(jax.export.deserialize(bytearray(data)).call)({_arguments(model)})",
    }
    return bytes(found.serialize()), manifest(model, "stablehlo", inputs, outputs, others)


def _arguments(model: TrainedModel) -> str:
    names = input_meanings(model)
    return "{" + ", ".join(f'"{name}": ...' for name in names) + "}" if model.spec.inputs else ", ".join(names)


def load_program(path: str | os.PathLike[str]) -> Program:
    """Reads a program that ``--mode=export`` wrote, with the JSON beside it where it still lies there.

    Raises:
        UserError: there is no such file, it is no program, or it was written by a JAX that is newer than this one.
    """
    path = expanded(path)
    with named_cause(path, "read"):
        data = path.read_bytes()
    description = _description(path.with_suffix(".json"))
    description = description if description.get("file") == path.name else {}
    written = description.get("versions", {}).get("jax", "")
    # JAX itself notices only at the first call, and then says no version.
    if written and _numbers(written) > _numbers(jax.__version__):
        raise UserError(
            f"{path} was written by JAX {written}, and this is {jax.__version__}, which cannot read it: take JAX "
            f"{_release(written)} or newer, or export the run again with this one."
        )
    try:
        from jax import export

        found = export.deserialize(bytearray(data))
        if not written:
            found.mlir_module()  # what a newer JAX wrote is noticed here; else only at the first call
    except ModuleNotFoundError as error:
        raise missing("export", "reading a program") from error
    except Exception as error:
        raise UserError(
            f"{path} is no program of --mode=export, is damaged, or was written by a newer JAX than this "
            f"{jax.__version__} ({_brief(error)})."
        ) from error
    return Program(description, jax.jit(found.call))


def _description(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is no JSON ({_brief(error)}); export the run again.") from error
    return found if isinstance(found, dict) else {}


def _release(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".")
