"""The modes for a finished run: evaluate, predict, export."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jaxdl import inference
from jaxdl.cli.options import Options
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.files.atomic import replace_file
from jaxdl.objectives import SigmoidCrossEntropy
from jaxdl.report.terminal import announce, results_table


def evaluate(options: Options, experiment: Experiment, arguments: Sequence[str], begin: float) -> int:
    """Measures a finished run on its data again and prints the figures."""
    run_dir = Path(options.run_dir)
    results_table(inference.evaluate(run_dir, experiment, Path(options.data_folder), notify=announce), run_dir)
    return 0


def predict(options: Options, experiment: Experiment, arguments: Sequence[str], begin: float) -> int:
    """Writes a finished run's predictions for the given inputs as CSV."""
    run_dir, output = Path(options.run_dir), _output(options)
    names, inputs, lengths = inference.read_examples(Path(options.input), inference.read_spec(run_dir), announce)
    model = inference.load_run(run_dir, experiment)
    predictions = model.predict(inputs, lengths)
    exclusive = not isinstance(model.experiment.objective, SigmoidCrossEntropy)
    replace_file(output, inference.predictions_csv(names, predictions, model.spec.class_names, exclusive))
    print(f"{len(names)} predictions written to {output}")
    return 0


def export(options: Options, experiment: Experiment, arguments: Sequence[str], begin: float) -> int:
    """Writes a finished run's model as a serialised program."""
    output = _output(options)
    model = inference.load_run(Path(options.run_dir), experiment)
    exported = inference.export_program(model)
    replace_file(output, exported)
    takes = "inputs, lengths" if model.spec.lengths else "inputs"
    print(f"{len(exported):,} bytes written to {output}; run it with jax.export.deserialize(data).call({takes})")
    return 0


def _output(options: Options) -> Path:
    output = Path(options.output)
    if not output.parent.is_dir():
        raise UserError(f"--output={output}: there is no folder {output.parent}; create it, or choose another file.")
    return output
