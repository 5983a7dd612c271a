"""What lies beside an exported file: versions, inputs, outputs and class names, as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxdl.checkpoint.digest import params_sha256
from jaxdl.data.named import full_name
from jaxdl.inference.predictor import TrainedModel
from jaxdl.objectives import Objective
from jaxdl.record.provenance import versions
from jaxdl.steps.averages import averaged

_PACKAGES = ("jaxdl", "jax", "jaxlib", "flax", "numpy")


@dataclasses.dataclass(frozen=True)
class Array:
    """An input or output of an exported program.

    Attributes:
        name: what it is called.
        dtype: such as ``uint8``.
        shape: sizes; a text is a symbol for any size, such as ``batch``.
        meaning: one line.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    meaning: str

    @classmethod
    def of(cls, name: str, aval: Any, meaning: str) -> Array:
        """Describes an argument or a result of a `jax.export.Exported`."""
        sizes = tuple(size if isinstance(size, int) else str(size) for size in aval.shape)
        return cls(name, np.dtype(aval.dtype).name, sizes, meaning)


def input_meanings(model: TrainedModel) -> dict[str, str]:
    """Returns the inputs of a program by name, in order, with what they are."""
    meanings: dict[str, str] = {}
    specs = model.spec.inputs or (("", model.spec),)
    meanings |= {full_name("inputs", name): "examples as stored; all preprocessing is inside" for name, _ in specs}
    meanings |= {
        full_name("lengths", name): "valid steps of each example, which come first"
        for name, spec in specs
        if spec.lengths
    }
    return dict(sorted(meanings.items())) if model.spec.inputs else meanings  # JAX sorts the keys of a dictionary


def output_meaning(objective: Objective) -> str:
    """Returns what an objective predicts, in one line."""
    if objective.kind == "values":
        return "values in the unit of the targets"
    if objective.kind == "questions":
        return "probabilities of yes"
    return "probabilities, in the order of class_names"


def manifest(
    model: TrainedModel, kind: str, inputs: Sequence[Array], outputs: Sequence[Array], others: Mapping[str, Any]
) -> str:
    """Returns the JSON text that lies beside an exported file.

    Args:
        model: what was exported.
        kind: ``stablehlo``, ``onnx`` or ``safetensors``.
        inputs: of the program.
        outputs: of the program.
        others: what this kind has besides.
    """
    average = averaged(model.state)
    state = model.state if average is None else average
    content = {
        "format": kind,
        "experiment": model.experiment.name,
        "versions": {name: version for name, version in versions().items() if name in _PACKAGES},
        **others,
        "inputs": [dataclasses.asdict(array) for array in inputs],
        "outputs": [dataclasses.asdict(array) for array in outputs],
        "class_names": list(model.spec.class_names),
        "step": int(model.state.step),
        "parameters": "their average" if average is not None else "the last of the training",
        "params_sha256": params_sha256(state.params),
        "precision": model.experiment.training.precision,
        "model": type(model.experiment.model).__name__,
        "spec": dataclasses.asdict(model.spec),
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
