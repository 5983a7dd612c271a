"""Looks at a trained model for the report: predictions for some test examples, and what its layers do with one."""

from __future__ import annotations

from typing import Any, NamedTuple

from jaxdl.data import Dataset, Spec, examples
from jaxdl.data.named import full_name, view
from jaxdl.experiment import Experiment
from jaxdl.inference.inspection.inside import activations, filters, traces
from jaxdl.inference.inspection.of_output import of_output
from jaxdl.inference.inspection.predicted import Batch, Captured, chosen, predicted
from jaxdl.inference.inspection.shown import show_all_inputs
from jaxdl.inference.pictures import examples_sheet
from jaxdl.report.layers import layer_table
from jaxdl.steps import averages
from jaxdl.steps.functions import TrainState
from jaxdl.steps.layout import Layout


class Inspected(NamedTuple):
    """What was seen in a trained model.

    Attributes:
        found: what the report shows, as JSON; `jaxdl.report.model` draws it.
        sheet: a picture of some test examples with their predictions, as a PNG file; None where predictions are none.
    """

    found: dict[str, Any]
    sheet: bytes | None = None


def inspect_model(
    experiment: Experiment,
    dataset: Dataset,
    state: TrainState,
    flops_per_example: float = 0.0,
    layout: Layout | None = None,
) -> Inspected:
    """Returns what the report shows of a trained model.

    Args:
        experiment: the recipe, fitted to the data.
        dataset: the data.
        state: the trained state; of an average of the parameters the average is looked at.
        flops_per_example: floating-point operations of one prediction, by which fewer examples are looked at.
        layout: where the parameters lie on several devices; None: there is one.
    """
    spec, objective = dataset.spec, experiment.objective
    found: dict[str, Any] = {"layers": _layers(experiment, spec, state)}
    parts = objective.parts if spec.targets else {"": objective}  # type: ignore[attr-defined]  # each has its loss
    if all(each.kind is None for each in parts.values()):  # of a loss of one's own only the layers are shown
        return Inspected(found)
    average = averages.averaged(state)
    state = state if average is None else average
    batch = chosen(dataset, flops_per_example)
    seen = predicted(experiment, spec, state, batch, layout)
    batch |= seen.spectrograms
    first = {name: array[:1] for name, array in batch.items()}
    found |= {"filters": _filters(spec, state.params), "activations": activations(seen.captured)}
    found["traces"] = _traces(spec, seen.captured, first)
    found["example"] = show_all_inputs(spec, first)[0]
    count, sheet = examples(dataset.splits["test"]), None
    outputs = {}
    for name, of_target in spec.by_target.items():
        predictions = seen.predictions[name] if name else seen.predictions
        own = view(batch, of_target.of_input, name)
        if parts[name].kind is not None:
            outputs[name] = of_output(spec, name, parts[name], batch, predictions, count)
        if not spec.views:
            sheet = examples_sheet(parts[name], spec, own["inputs"], own["targets"], predictions)
    return Inspected(found | ({"outputs": outputs} if spec.targets else outputs[""]), sheet)


def _layers(experiment: Experiment, spec: Spec, state: TrainState) -> dict[str, Any]:
    named = {name: (each.model_shape, each.model_dtype) for name, each in spec.inputs}
    variables = {"params": state.params, **state.model_state}
    table = layer_table(
        experiment.model, spec.model_shape, spec.model_dtype, named=named, variables=variables, kept=False, train=False
    )
    rows = [
        [each.path, each.type, list(each.output_shape[1:]), each.calls, each.parameters, each.multiply_adds]
        for each in table.layers
    ]
    return {"rows": rows, "parameter_bytes": table.parameter_bytes}


def _filters(spec: Spec, params: Any) -> dict[str, Any] | None:
    """Returns the filters of the first convolution that reads the input, or one of several."""
    return next(filter(None, (filters(each, params) for _, each in spec.inputs or (("", spec),))), None)


def _traces(spec: Spec, captured: Captured, first: Batch) -> list[dict[str, Any]]:
    """Returns the states over the steps of the input, or of the first of several that has any."""
    for name, each in spec.inputs or (("", spec),):
        if not each.model_shape or each.trees is not None or len(each.model_shape) > 3:
            continue
        lengths = first.get(full_name("lengths", name))
        length = int(lengths[0]) if lengths is not None else each.input_shape[0] if each.input_shape else 1
        valid = length if each.preprocess.mel is None else int(each.preprocess.mel.frames(length))
        found = traces(captured, each.model_shape[0], valid)
        if found:
            return found
    return []
