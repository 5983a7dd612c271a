"""What a sweep will take, told before it starts: trials, compilations, and time from a measured step."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Sequence

from jaxdl.data import Dataset, examples
from jaxdl.epoch import FEWEST_STEPS_PER_CALL
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.fields import walk
from jaxdl.loop import Trainer, program_key
from jaxdl.progress import data_used, duration
from jaxdl.session import data_summary
from jaxdl.sweeps.axis import Axis, Choices
from jaxdl.sweeps.definition import Definition
from jaxdl.sweeps.schedule import planned_values
from jaxdl.sweeps.side_by_side import Width, choose
from jaxdl.sweeps.space import apply
from jaxdl.training import shortened
from jaxdl.watch import check_measured
from jaxdl.workshop import Workshop

_MEASURED_SECONDS = 0.3
_MOST_DRAWN = 32


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a sweep will take.

    Attributes:
        definition: the sweep.
        left: how many of its trials are not over.
        programs: how many train programs are compiled, at most.
        data: name of the data.
        step_seconds: time of one train step of the first trial, measured, in seconds.
        seconds: estimated time of what is left, in seconds.
        width: how many trials run at the same time.
    """

    definition: Definition
    left: int
    programs: int
    data: str
    step_seconds: float
    seconds: float
    width: int

    def text(self) -> str:
        """Returns the plan in a few lines."""
        definition = self.definition
        varied = ", ".join(f"{axis.path}={axis.spec}" for axis in definition.space.axes)
        over = definition.trials - self.left
        trials = f"{definition.trials} trials ({definition.mode})" + (f", {over} of them over" if over else "")
        return "\n".join(
            [
                f"sweep of {definition.experiment.name} on {self.data}: {varied}",
                f"  {trials}, compared by {definition.objective} ({definition.direction})",
                f"  to compile: {self.programs} train and {self.programs} eval program{'s' * (self.programs > 1)}",
                f"  estimated time: {duration(self.seconds)}, at {self.step_seconds * 1e3:.3g} ms a step (measured), "
                + (f"{self.width} trials at the same time" if self.width > 1 else "one trial after the other"),
            ]
        )


def make_plan(definition: Definition, workshop: Workshop, left: Sequence[int], width: int) -> Plan:
    """Returns the plan of a sweep, whose first program is compiled and measured for it.

    Args:
        definition: the sweep.
        workshop: where the data and programs are kept for the trials.
        left: numbers of the trials that are not over, at least one.
        width: how many trials run at the same time; 0: in this process, as many as is measured to be the fastest.

    Raises:
        UserError: the data cannot be had, the sweep varies a field that the trainings never read, or the figure to
            compare by is not measured.
    """
    values = planned_values(definition)
    exact = values is not None
    if values is None:  # TPE: what is drawn at random stands for it
        values = planned_values(
            dataclasses.replace(definition, mode="random", trials=min(_MOST_DRAWN, definition.trials))
        )
    assert values is not None
    recipes = [shortened(apply(definition.experiment, each)) for each in values]
    first = recipes[0]
    dataset = workshop.dataset(first)
    check_measured("--objective", definition.objective, first, dataset)
    first = first.for_spec(dataset.spec)
    check_read(definition, first, workshop)
    trainer = workshop.trainer(first)
    step_seconds, eval_seconds = measure(trainer)
    chosen = [recipes[number] for number in left] if exact else recipes
    programs = Counter(program_key(recipe) for recipe in chosen)
    fastest = Width(1, 1.0)
    if not width and not definition.learns:
        fastest = choose(first, max(programs.values()), step_seconds, workshop)
    steps = sum(_steps(recipe, dataset) for recipe in chosen) / len(chosen) * len(left)
    evaluations = sum(recipe.training.epochs + 1 for recipe in chosen) / len(chosen) * len(left)
    share = fastest.share if not width else 1 / width
    return Plan(
        definition,
        len(left),
        len(programs),
        data_used(data_summary(dataset, first)),
        step_seconds,
        share * steps * step_seconds + evaluations * eval_seconds,
        width or fastest.size,
    )


def _steps(recipe: Experiment, dataset: Dataset) -> int:
    return recipe.steps_per_epoch(examples(dataset.splits["train"]) * dataset.passes) * recipe.training.epochs


def measure(trainer: Trainer) -> tuple[float, float]:
    """Returns the time of a train step and of an evaluation, in seconds, on states that nobody needs."""
    trainer.compile()
    state, _ = trainer.advance(trainer.init_state(), min(FEWEST_STEPS_PER_CALL, trainer.total_steps))
    begin = time.perf_counter()
    trainer.evaluate(state, "test")
    eval_seconds = time.perf_counter() - begin
    seconds, done = 0.0, 0
    count = min(FEWEST_STEPS_PER_CALL, trainer.total_steps)
    while seconds < _MEASURED_SECONDS:
        state = trainer.init_state()
        begin = time.perf_counter()
        trainer.advance(state, count)
        seconds += time.perf_counter() - begin
        done += count
        count = min(2 * count, trainer.total_steps)
    return seconds / done, eval_seconds


def check_read(definition: Definition, experiment: Experiment, workshop: Workshop) -> None:
    """Refuses a sweep over a field that a training never reads: its trials would all be the same.

    A number that enters the compiled programs as data is looked for in them; of any other field, the programs of two of
    its values are compared.

    Args:
        definition: the sweep.
        experiment: the first trial's recipe, fitted to its data.
        workshop: where programs are kept.

    Raises:
        UserError: there is such a field.
    """
    trainer = workshop.trainer(experiment)
    entering = {field.path for field in walk(experiment) if field.enters_as_data} - {"seed"}
    read = trainer.reads()
    for axis in definition.space.axes:
        unread = axis.path in entering - read if axis.path in entering else _same_programs(axis, experiment, workshop)
        if unread:
            raise UserError(
                f"--sweep={axis.path}={axis.spec}: with the other fields as they are, a training never reads "
                f"{axis.path}, so all trials would be the same."
            )


def _same_programs(axis: Axis, experiment: Experiment, workshop: Workshop) -> bool:
    """Returns whether two values of a field give the very same training."""
    if not isinstance(axis.values, Choices) or len(axis.values.values) < 2:
        return False
    pair = [apply(experiment, {axis.path: value}) for value in axis.values.values[:2]]
    if axis.path.startswith(("data", "training.")) or program_key(pair[0]) == program_key(pair[1]):
        return False  # read between the calls of the programs, or traced
    one, other = (workshop.trainer(recipe.for_spec(workshop.dataset(recipe).spec)) for recipe in pair)
    return all(one.source_text(name) == other.source_text(name) for name in ("init", "train", "eval"))
