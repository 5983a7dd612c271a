"""The modes for a finished run: evaluate, predict, sample, export."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxdl import inference
from jaxdl.cli.options import Options
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.files.atomic import named_cause, replace_file
from jaxdl.objectives import SigmoidCrossEntropy
from jaxdl.objectives.several import Several
from jaxdl.report.terminal import announce, results_table


def evaluate(options: Options, experiment: Experiment, arguments: Sequence[str], begin: float) -> int:
    """Measures a finished run on its data again and prints the figures."""
    run_dir = Path(options.run_dir)
    results_table(inference.evaluate(run_dir, experiment, Path(options.data_folder), notify=announce), run_dir)
    return 0


def predict(options: Options, experiment: Experiment, arguments: Sequence[str], begin: float) -> int:
    """Writes a finished run's predictions for the given inputs as a table."""
    run_dir, output = Path(options.run_dir), _output(options)
    names, inputs, lengths = inference.read_examples(Path(options.input), inference.read_spec(run_dir), announce)
    model = inference.load_run(run_dir, experiment, notify=announce, runtime=options.runtime)
    predictions: Any = model.predict(inputs, lengths, announce)
    objective = model.experiment.objective
    if isinstance(objective, Several):
        if options.top_k or output.suffix.lower() in (".jsonl", ".parquet"):
            raise UserError(
                "predictions of several outputs are written as CSV, with all classes: give --output=FILE.csv."
            )
        replace_file(output, inference.named_csv(names, predictions, objective, model.spec, lengths))
        print(f"{len(names)} predictions written to {output}")
        return 0
    exclusive = not isinstance(model.experiment.objective, SigmoidCrossEntropy)
    files: list[str] = []
    if inference.has_pictures(model.experiment.objective, model.spec, predictions.shape[1:]):
        files = _write_pictures(output, names, inference.pictures(model.experiment.objective, predictions))
    classes = () if model.experiment.objective.of_inputs else model.spec.class_names
    own = lengths.get(model.spec.of_input) if isinstance(lengths, dict) else lengths
    counted = inference.counted_steps(model.spec, predictions, own)
    table = inference.predictions_table(names, predictions, classes, exclusive, files, counted, options.top_k)
    replace_file(output, table.content(output.name))
    beside = f", their pictures to {output.with_name(Path(files[0]).parent.name)}" if files else ""
    print(f"{len(names)} predictions written to {output}{beside}")
    return 0


def sample(options: Options, experiment: Experiment, arguments: Sequence[str], begin: float) -> int:
    """Prints a prompt and what a finished language model writes after it; the draws follow from ``--seed``."""
    model = inference.load_run(Path(options.run_dir), experiment, notify=announce)
    print(options.prompt + model.sample(options.prompt, options.length, options.temperature, experiment.seed))
    return 0


def _write_pictures(output: Path, names: Sequence[str], pictures: Sequence[inference.Picture]) -> list[str]:
    """Writes pictures as PNG into a folder beside a CSV file; returns their names from there.

    They have the names of the files that they belong to, or numbers, where two of these have the same.
    """
    folder = output.with_name(f"{output.stem}_pictures")
    with named_cause(folder, "write"):
        folder.mkdir(exist_ok=True)
    own = [Path(name).stem for name in names]
    if len({name.casefold() for name in own}) < len(own):
        own = [f"{number:0{len(str(len(own)))}}" for number in range(len(own))]
    for name, picture in zip(own, pictures, strict=True):
        replace_file(folder / f"{name}.png", picture.png())
    return [f"{folder.name}/{name}.png" for name in own]


def export(options: Options, experiment: Experiment, arguments: Sequence[str], begin: float) -> int:
    """Writes a finished run's model as a program or weights, with a description and a model card beside it."""
    output, run_dir = _output(options), Path(options.run_dir)
    inference.check_output(output, options.format)
    model = inference.load_run(run_dir, experiment, notify=announce)
    print(inference.write_exported(model, run_dir, output, options.format))
    return 0


def _output(options: Options) -> Path:
    output = Path(options.output)
    if not output.parent.is_dir():
        raise UserError(f"--output={output}: there is no folder {output.parent}; create it, or choose another file.")
    return output
