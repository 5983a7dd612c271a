"""A run's model as a file for other programs, with a description and a model card beside it."""

from __future__ import annotations

import json
from pathlib import Path

from jaxdl.errors import UserError
from jaxdl.files.atomic import replace_file
from jaxdl.inference.card import model_card
from jaxdl.inference.predictor import TrainedModel
from jaxdl.inference.programs import check_beside, exported_files

# What lies beside an exported file.
_BESIDE = (".json", ".md")


def write_exported(model: TrainedModel, run_dir: Path, output: Path, kind: str) -> str:
    """Writes a model, its description and its card; returns lines that say what was written.

    Args:
        model: of a finished run.
        run_dir: the run.
        output: the file; its name with other endings is that of the files beside it.
        kind: ``stablehlo``, ``onnx`` or ``safetensors``.

    Raises:
        UserError: the name is that of another format or of a file beside it, the description there is of another
            file, a package is missing, or the format does not support the model.
    """
    check_output(output, kind)
    content, description = exported_files(model, kind, output.name)
    beside = [output.with_suffix(ending) for ending in _BESIDE]
    replace_file(output, content)
    replace_file(beside[0], description)
    replace_file(beside[1], model_card(run_dir, output.name, description))
    written = f"{len(content):,} bytes written to {output}, its description to {beside[0]}, a model card to {beside[1]}"
    return f"{written}\n{json.loads(description)['runs_as']}"


def check_output(output: Path, kind: str) -> None:
    """Raises `UserError` for a name of another format, or where the files beside it are of another file."""
    if output.suffix in _BESIDE:
        raise UserError(f"--output={output}: a description is written there; give another ending, such as .bin.")
    says = {".onnx": "onnx", ".safetensors": "safetensors"}.get(output.suffix, kind)
    if says != kind:
        raise UserError(f"--output={output} ends like the format {says}; give --format={says}, or another ending.")
    check_beside(output)
