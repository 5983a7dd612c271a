"""What follows from the data for the fields of an experiment: sizes of a model, and what cannot be with several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jaxdl.augment import Augmentation
from jaxdl.augment.several import check_several
from jaxdl.data import Spec
from jaxdl.errors import UserError, unknown
from jaxdl.fields import Field, walk
from jaxdl.objectives import Objective
from jaxdl.objectives.several import Several

if TYPE_CHECKING:
    from jaxdl.experiment.recipe import Experiment


def fitted(experiment: Experiment, spec: Spec) -> tuple[dict[str, Any], dict[str, int]]:
    """Returns values for the fields of a model that follow from the data, by path, and the sizes of its outputs.

    These are ``outputs``, ``vocabulary`` and ``output_length``; of several targets ``outputs_NAME`` each, of several
    inputs ``vocabulary_NAME`` each.

    Raises:
        UserError: a size that the recipe sets is too small for the data.
    """
    fields = {field.path: field for field in walk(experiment)}
    changes: dict[str, Any] = {}
    sizes: dict[str, int] = {}
    for name, of_target in spec.by_target.items():
        objective = objective_of(experiment.objective, name)
        sizes[name] = _outputs(changes, _outputs_field(fields, name), objective, of_target)
    for name, of_input in spec.inputs or (("", spec),):
        field = fields.get(vocabulary_path(spec, name))
        if field is not None and of_input.vocabulary:
            _vocabulary(changes, field, of_input)
    length = fields.get("model.output_length")
    if length is not None and len(spec.target_shape) == 1:
        if length.value is None:
            changes[length.path] = spec.target_shape[0]
        elif length.value != spec.target_shape[0]:
            raise UserError(
                f"model.output_length={length.value}: the targets have {spec.target_shape[0]} steps; leave it out."
            )
    return changes, sizes


def objective_of(objective: Objective, target: str) -> Objective:
    """Returns the objective of a target; that of a single one has an empty name."""
    part: Objective = objective.parts[target] if isinstance(objective, Several) else objective
    return part


def outputs_for(objective: Objective, spec: Spec) -> int:
    """Returns the size of a model's last layer for an objective and data; for a reconstruction that of the inputs."""
    if objective.of_inputs:
        return spec.model_shape[-1]
    return objective.outputs(spec.outputs, len(spec.class_names))


def vocabulary_path(spec: Spec, input: str) -> str:
    """Returns the path of the field of a model that says how many ids of an input it knows, such as that of RNN."""
    alone = sum(each.vocabulary > 0 for _, each in spec.inputs) == 1
    return "model.vocabulary" if alone or not input else f"model.vocabulary_{input}"


def follows_data(field: Field) -> bool:
    """Returns whether None in this field of an experiment is replaced by the number of outputs for the data.

    True for a field of the model that is declared with ``from_data``, for any model's ``outputs`` and ``outputs_NAME``,
    and for the kind of an own loss.
    """
    holder, _, name = field.path.rpartition(".")
    if name == "kind" and holder.partition(".")[0] == "objective":
        return field.declaration.from_data
    return holder == "model" and (field.declaration.from_data or name == "outputs" or name.startswith("outputs_"))


def _outputs_field(fields: Mapping[str, Field], target: str) -> Field | None:
    if target:
        return fields.get(f"model.outputs_{target}")
    following = (field for field in fields.values() if follows_data(field) and field.path.startswith("model."))
    return next((field for field in following if not field.path.startswith("model.outputs_")), None)


def _outputs(changes: dict[str, Any], field: Field | None, objective: Objective, spec: Spec) -> int:
    """Notes the size of one output; returns it."""
    needed = outputs_for(objective, spec)
    if field is None:
        return needed
    if field.value is None:
        changes[field.path] = needed
        return needed
    if not isinstance(field.value, int):
        return needed
    if field.value < needed and spec.class_names and not objective.of_inputs:
        raise UserError(f"{field.path}={field.value}: the data has {spec.outputs} classes; leave it out.")
    return field.value


def _vocabulary(changes: dict[str, Any], field: Field, spec: Spec) -> None:
    if field.value is None:
        changes[field.path] = spec.vocabulary
    elif field.value < spec.vocabulary:
        raise UserError(f"{field.path}={field.value}: the data have ids up to {spec.vocabulary - 1}; leave it out.")


def check_names(experiment: Experiment, spec: Spec) -> None:
    """Checks that a recipe names the inputs and targets of the data, and what several of them cannot have.

    Raises:
        UserError: it names others, or has what needs a single one.
    """
    objective, targets = experiment.objective, [name for name, _ in spec.targets]
    if isinstance(objective, Several):
        if set(objective.names) != set(targets):
            wrong = next(iter(set(objective.names) ^ set(targets)))
            raise unknown("output in objective, or target without a loss:", wrong, targets or ["a single target"])
    elif targets:
        raise UserError(
            f"there are several targets ({', '.join(targets)}); give a loss for each: "
            f"objective={{{', '.join(f'{name!r}: ...' for name in targets)}}}."
        )
    if not spec.views:
        experiment.augmentation.check(spec)
        return
    check_several(experiment.augmentation, Augmentation(), spec)
    if objective.of_inputs:
        raise UserError("a reconstruction needs a single input.")
