"""The plan of a sweep, shown before it starts: trials, compilations, and time estimated from a measured step."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from jaxdl.backend.timing import seconds_each
from jaxdl.data import Dataset, examples
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.experiment.load import data_summary, shortened
from jaxdl.fields import show, walk
from jaxdl.report.format import data_used, duration
from jaxdl.sweeps.aims import COSTS
from jaxdl.sweeps.definition import LEARNING, Definition
from jaxdl.sweeps.executors.imports import import_what_trials_need
from jaxdl.sweeps.executors.side_by_side import ONE_BY_ONE, Width, choose
from jaxdl.sweeps.space.axis import Axis, Choices
from jaxdl.sweeps.space.consequences import also_changed
from jaxdl.sweeps.space.limits import Values
from jaxdl.sweeps.space.space import apply
from jaxdl.sweeps.trials.schedule import planned_values
from jaxdl.training.cache import Cache
from jaxdl.training.early_stopping import check_measured
from jaxdl.training.epoch import FEWEST_STEPS_PER_CALL
from jaxdl.training.loop import Trainer
from jaxdl.training.programs import program_key

_MEASURED_SECONDS = 0.05
_MOST_DRAWN = 32
_MOST_COMPARED = 4
_MOST_SHOWN = 5
# Of a larger sweep, so many evenly spread trials stand for all, so that the plan takes seconds.
_MOST_PLANNED = 1000
_OVERLAP = " (--workers=2 lets two overlap)"


@dataclasses.dataclass(frozen=True)
class Plan:
    """The plan of a sweep.

    Attributes:
        definition: the sweep.
        left: how many of its trials are not finished.
        programs: how many train programs are compiled at most; of a very large sweep, by some of its trials.
        data: name of the data.
        step_seconds: time of one train step of the first trial, measured, in seconds. seconds: estimated remaining
            time without compiling, in seconds.
        width: how many trials run at the same time, and how many of them in one program.
        streamed: whether examples are brought to the device in parts.
        also: what else differs between trials, by dotted path: all values; see
            `jaxdl.sweeps.space.consequences.also_changed`.
        compile_seconds: time in which the programs of the first trial were compiled, or read from the cache, in
            seconds.
        first: values of the first trials that are left, as far as they do not depend on results.
    """

    definition: Definition
    left: int
    programs: int
    data: str
    step_seconds: float
    seconds: float
    width: Width
    streamed: bool = False
    also: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    compile_seconds: float = 0.0
    first: Sequence[Values] = ()

    def text(self) -> str:
        """Returns the plan in a few lines."""
        definition = self.definition
        varied = ", ".join(f"{axis.path}={axis.spec}" for axis in definition.space.axes)
        over = definition.trials - self.left
        trials = f"{definition.trials} trials ({definition.mode})" + (f", {over} of them finished" if over else "")
        at_once = f"{self.width.threads} trials at the same time"
        if self.width.size > 1:
            at_once = f"{self.width.size} trials side by side in one program"
        elif self.width.threads == 1:
            at_once = "one trial after another" + (", since each depends on earlier results" * definition.waits)
            at_once += _OVERLAP * (definition.waits and not over)  # what a sweep began with is kept
            at_once += ", since each reads its examples in an order of its own" * self.streamed
        counted = "at least " * (self.left > _MOST_PLANNED)
        programs = f"{counted}{self.programs} train and {self.programs} eval program{'s' * (self.programs > 1)}"
        also = ", ".join(f"{path}={','.join(values)}" for path, values in self.also.items())
        compiling = self.programs * self.compile_seconds
        share = f" ({duration(compiling)} of it compiling)" if compiling >= 1 else ""
        named = zip((definition.objective, *definition.others), definition.directions, strict=True)
        aims = " and ".join(f"{aim} ({way})" for aim, way in named)
        aims += "".join(f", with {bound}" for bound in definition.bounds)
        limits = " and ".join(limit.text for limit in definition.space.limits)
        return "\n".join(
            [
                f"sweep of {definition.experiment.name} on {self.data}: {varied}",
                *([f"  only where {limits}"] if limits else []),
                *([f"  these also change: {also}"] if also else []),
                f"  {trials}, compared by {aims}",
                f"  to compile: {programs}",
                f"  estimated time: {duration(self.seconds + compiling)}{share}, {at_once}, at "
                f"{self.step_seconds * 1e3:.3g} ms per step of a single trial (measured)",
            ]
        )

    def first_text(self) -> str:
        """Returns the values of the first trials, a line for each."""
        lines = [", ".join(f"{path}={show(value)}" for path, value in values.items()) for values in self.first]
        more = self.left - len(lines)
        later = "drawn from the results of earlier ones" if self.definition.mode in LEARNING else "others"
        return "\n".join(
            ["  first trials:", *(f"    {line}" for line in lines), *([f"    {more} {later}"] * (more > 0))]
        )


def make_plan(definition: Definition, cache: Cache, left: Sequence[int], width: Width | None, most: int) -> Plan:
    """Returns the plan of a sweep; compiles and measures its first program.

    Args:
        definition: the sweep.
        cache: where the data and programs are kept for the trials.
        left: numbers of the trials that have not ended, at least one.
        width: how many trials run at the same time; None: in this process, and the fastest number is measured.
        most: the most to train side by side in one program then.

    Raises:
        UserError: the data are not available, the sweep varies a field that the trainings never read, or the figure to
            compare is not measured.
    """
    values = planned_values(definition)
    exact = values is not None
    if values is None:  # TPE: random values are used instead
        values = planned_values(
            dataclasses.replace(definition, mode="random", trials=min(_MOST_DRAWN, definition.trials))
        )
    assert values is not None
    recipes = [shortened(apply(definition.experiment, values[number])) for number in _some(range(len(values)))]
    first = recipes[0]
    _import_for(recipes)
    dataset = cache.dataset(first)
    with ThreadPoolExecutor(1) as beside:  # over before steps are measured
        beside.submit(import_what_trials_need)
        for recipe in {program_key(recipe): recipe for recipe in recipes if recipe.data == first.data}.values():
            for aim in (definition.objective, *(aim for aim in definition.others if aim not in COSTS)):
                check_measured("--sweep_objective", aim, recipe, dataset)
        for recipe in recipes:
            if recipe.data == first.data:
                recipe.for_spec(dataset.spec)
        first = first.for_spec(dataset.spec)
        check_read(definition, _different_programs(definition, _with_each_field(definition, values), dataset), cache)
        trainer = cache.trainer(first)
        begin = time.perf_counter()
        trainer.compile()
        compile_seconds = time.perf_counter() - begin
    step_seconds, eval_seconds = measure(trainer)
    if exact:
        recipes = [shortened(apply(definition.experiment, values[number])) for number in _some(left)]
    programs = Counter(program_key(recipe) for recipe in recipes)
    if (width is None and definition.waits) or (dataset.streamed and (width is None or width.size > 1)):
        width = ONE_BY_ONE
    elif width is None:
        width = choose(first, max(programs.values()), most, step_seconds, cache)
    steps = sum(_steps(recipe, dataset) for recipe in recipes) / len(recipes) * len(left)
    evaluations = sum(recipe.training.epochs + 1 for recipe in recipes) / len(recipes) * len(left)
    return Plan(
        definition,
        len(left),
        len(programs),
        data_used(data_summary(dataset, first)),
        step_seconds,
        width.share * steps * step_seconds + evaluations * eval_seconds,
        width,
        dataset.streamed,
        _also(definition, [values[number] for number in _some(range(len(values)))]),
        compile_seconds,
        [values[number] for number in left[:_MOST_SHOWN] if exact or number < len(definition.enqueued)],
    )


def _import_for(recipes: Sequence[Experiment]) -> None:
    """Imports what several sources need before any thread does; see `jaxdl.data.sources.tfds.Tfds.import_libraries`."""
    sources = {recipe.data for recipe in recipes}
    for source in sources if len(sources) > 1 else ():  # the others are loaded by trials, some of them in threads
        source.import_libraries()


def _also(definition: Definition, trials: Sequence[Values]) -> dict[str, list[str]]:
    """Returns all values of each field of `also_changed`."""
    found: dict[str, dict[str, None]] = {}
    for each in also_changed(definition.experiment, definition.space, trials):
        for path, value in each.items():
            found.setdefault(path, {})[show(value)] = None
    return {path: list(values) for path, values in found.items()}


def _some(numbers: Sequence[int]) -> Sequence[int]:
    """Returns all numbers, or an evenly spread part of very many."""
    return numbers[:: -(-len(numbers) // _MOST_PLANNED)]


def _steps(recipe: Experiment, dataset: Dataset) -> int:
    return recipe.steps_per_epoch(examples(dataset.splits["train"]) * dataset.passes) * recipe.training.epochs


def measure(trainer: Trainer) -> tuple[float, float]:
    """Returns the time of a train step and of an evaluation, in seconds, on temporary states."""
    state, _ = trainer.advance(trainer.init_state(), min(FEWEST_STEPS_PER_CALL, trainer.total_steps))
    begin = time.perf_counter()
    trainer.evaluate(state, "test")
    eval_seconds = time.perf_counter() - begin
    most = trainer.total_steps
    return seconds_each(trainer.time_steps, FEWEST_STEPS_PER_CALL, most, _MEASURED_SECONDS), eval_seconds


def check_read(definition: Definition, recipes: Sequence[Experiment], cache: Cache) -> None:
    """Raises `UserError` for a sweep over a field that no training reads: its trials would all be the same.

    A number that enters the compiled programs as data is searched in them; for any other field, the programs for some
    of its values are compared.

    Args:
        definition: the sweep.
        recipes: recipes of some trials, fitted to their data, with different programs.
        cache: keeps the programs.

    Raises:
        UserError: there is such a field.
    """
    for axis in definition.space.axes:
        having = [recipe for recipe in recipes if any(field.path == axis.path for field in walk(recipe))]
        if having and not any(_is_read(axis, recipe, cache) for recipe in having):
            raise UserError(
                f"--sweep={axis.path}={axis.spec}: with these other fields, no training reads {axis.path}, "
                "so all trials would be the same."
            )


def _is_read(axis: Axis, recipe: Experiment, cache: Cache) -> bool:
    """Returns whether a training depends on a field."""
    field = next(field for field in walk(recipe) if field.path == axis.path)
    if field.affects & {"data", "result"}:  # also read outside the programs
        return True
    if field.enters_as_data:
        return axis.path in cache.trainer(recipe).programs.reads()
    first, *others = _ends(axis)[:_MOST_COMPARED]
    spec = cache.dataset(recipe).spec

    def texts(value: Any) -> list[str]:
        trainer = cache.trainer(apply(recipe, {axis.path: value}).for_spec(spec))
        return [trainer.programs.source_text(name) for name in ("init", "train", "eval")]

    return not others or any(texts(other) != texts(first) for other in others)


def _ends(axis: Axis) -> list[Any]:
    """Returns the values of an axis; for a range, its bounds."""
    if isinstance(axis.values, Choices):
        return list(axis.values.values)
    return [axis.value(axis.values.low), axis.value(axis.values.high)]


def _with_each_field(definition: Definition, trials: Sequence[Values]) -> list[Values]:
    """Returns the first trial, and for each field that it has no value for the first one that has."""
    chosen = [trials[0]]
    for axis in definition.space.axes:
        if not any(axis.path in values for values in chosen):
            chosen += itertools.islice((values for values in trials if axis.path in values), 1)
    return chosen


def _different_programs(definition: Definition, trials: Sequence[Values], dataset: Dataset) -> list[Experiment]:
    """Returns recipes with different programs for the data of the first one.

    They are the recipe of each trial, recipes in which one field has its last value, and one in which all have. Whether
    a field is read may depend on another one: Nesterov's momentum on whether there is momentum.
    """
    last = {axis.path: _ends(axis)[-1] for axis in definition.space.axes}
    found: dict[Any, Experiment] = {}
    for values in trials:
        here = {path: value for path, value in last.items() if path in values}
        for changes in ({}, *({path: value} for path, value in here.items()), here):
            with contextlib.suppress(UserError, ValueError, TypeError):  # some combinations are not valid
                recipe = shortened(apply(definition.experiment, {**values, **changes}))
                found.setdefault(program_key(recipe), recipe)
    first = next(iter(found.values()))
    return [recipe.for_spec(dataset.spec) for recipe in found.values() if recipe.data == first.data]
