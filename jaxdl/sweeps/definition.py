"""The definition of a sweep: the recipe, what is varied and how, and the figure to compare; its directory stores it."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from jaxdl.errors import UserError, unknown
from jaxdl.experiment import Experiment
from jaxdl.experiment.config import differences, from_config, to_config
from jaxdl.fields import show, walk
from jaxdl.sweeps.aims import Bound, Direction, direction_of_aim, parse_bound
from jaxdl.sweeps.space.axis import Choices
from jaxdl.sweeps.space.limits import Values
from jaxdl.sweeps.space.reading import enqueued_values, make_space
from jaxdl.sweeps.space.space import Space

Mode = Literal["grid", "random", "sobol", "tpe", "cmaes", "pbt"]
Prune = Literal["none", "median", "asha", "halving", "hyperband"]
# The rules too, so that the command of a sweep that was begun under earlier ones finds its directory.
_NOT_IN_DIGEST = ("trials", "lag", "grids", "side_by_side", "rules")
MODES: tuple[Mode, ...] = ("grid", "random", "sobol", "tpe", "cmaes", "pbt")
LEARNING = ("tpe", "cmaes")  # the modes in which results decide about later values
SEED, FOLD, EPOCHS = "seed", "data.fold", "training.epochs"
# Trials that differ in nothing else are one combination, which is compared with others by its mean.
REPEATED = (SEED, FOLD)
RULES = 4
SCHEDULE = "schedule.json"  # of a population, in the sweep directory


@dataclasses.dataclass(frozen=True)
class Definition:
    """Everything on which the result of a sweep depends.

    Attributes:
        experiment: the recipe that is varied.
        space: the fields and their values.
        mode: how values are chosen; for this and the next five, see `jaxdl.sweeps.selection.Selection`.
        trials: number of trainings in all.
        objective: the figure to compare by, ``SPLIT/METRIC`` as in ``summary.json``.
        direction: whether smaller or larger values are better.
        prune: how worse trials are stopped early.
        sweep_seed: seed of the values that are drawn.
        lag: how many trials may run at the same time if their results decide about later ones; otherwise 1.
        grids: with `mode` grid, the earlier spaces that this one extends; their trials come first.
        side_by_side: how many trials are trained in one program; the last bits depend on it; 0: not yet chosen.
        rules: by which rules values are drawn and trials compared, so that a sweep that was begun under earlier ones
            ends under them. 1: each trial is drawn and judged on its own. 2: no combination is drawn twice, and the
            seeds of a combination are judged by their mean. 3: Hyperband compares combinations at the same epoch,
            where values do not depend on results. 4: TPE draws each field on its own where one is a list.
        enqueued: known settings, by dotted path, that are tried first; fields that they do not name are drawn.
        others: further aims, such as ``parameters``; see `jaxdl.sweeps.aims`.
        bounds: what a combination must keep to be the best, such as ``parameters<=100000``.
        exchange_every: after how many epochs members of a population are exchanged; 0 in other modes.

    Raises:
        UserError: mode, direction or prune is not one of the possible ones, or the rules are those of a later version.
    """

    experiment: Experiment
    space: Space
    mode: Mode
    trials: int
    objective: str
    direction: Direction
    prune: Prune = "none"
    sweep_seed: int = 0
    lag: int = 1
    grids: tuple[Space, ...] = ()
    side_by_side: int = 0
    rules: int = RULES
    enqueued: tuple[Values, ...] = ()
    others: tuple[str, ...] = ()
    exchange_every: int = 0
    bounds: tuple[Bound, ...] = ()

    def __post_init__(self) -> None:
        if self.rules > RULES:
            raise UserError("the sweep was begun by a later version of jaxdl: use that one, or another --sweep_dir.")
        one_of(self.mode, MODES, "sweep mode")
        one_of(self.direction, ("minimize", "maximize"), "direction")
        one_of(self.prune, ("none", "median", "asha", "halving", "hyperband"), "way to prune")
        if self.others and self.prune != "none":
            raise UserError(f"--prune={self.prune} judges trials by one figure; give one --sweep_objective.")
        if self.prune == "halving" and self.mode in LEARNING:
            raise UserError(
                f"--prune=halving compares combinations that begin together, and --sweep_mode={self.mode} draws each "
                "from the earlier ones; give --prune=asha, or --sweep_mode=random."
            )

    @property
    def adaptive(self) -> bool:
        """Whether results of trials decide about later ones."""
        return self.mode in LEARNING or self.prune != "none"

    @property
    def waits(self) -> bool:
        """Whether a trial begins only when earlier ones are over; see `lag`."""
        return self.adaptive and not self.compares_at_rungs

    @property
    def varies_data(self) -> bool:
        """Whether trials may have other examples; one process holds one set of them at a time."""
        of_data = {field.path for field in walk(self.experiment) if "data" in field.affects}
        paths = {axis.path for axis in self.space.axes} - {FOLD}
        return any(path in of_data or path.startswith("data.") for path in paths)

    @property
    def compares_at_rungs(self) -> bool:
        """Whether combinations of one bracket wait for one another at each rung; see `jaxdl.sweeps.trials.halving`."""
        halving = self.prune == "halving" or (self.prune == "hyperband" and self.rules > 2)
        return halving and self.mode not in LEARNING

    @property
    def judges_seeds_together(self) -> bool:
        """Whether trials that differ only in their seed are compared with others as one, by their mean."""
        return self.rules > 1 and self.adaptive

    @functools.cached_property
    def repeats(self) -> tuple[Values, ...]:
        """The seeds and folds for each drawn combination; empty if these are drawn, or not varied at all."""
        if self.mode in ("grid", "pbt") or not self._listed:
            return ()
        values = [[(path, value) for value in values] for path, values in self._listed.items()]
        return tuple(map(dict, itertools.product(*values)))

    @functools.cached_property
    def drawn_space(self) -> Space:
        """What combinations are drawn from: the space without what each is repeated with."""
        return functools.reduce(Space.without, self._listed, self.space) if self.repeats else self.space

    @property
    def _listed(self) -> dict[str, tuple[Any, ...]]:
        """The values of those fields that combinations are repeated with, which are listed."""
        axes = [axis for axis in self.space.axes if axis.path in REPEATED and axis.path not in self.space.paired]
        return {axis.path: axis.values.values for axis in axes if isinstance(axis.values, Choices)}

    @property
    def directions(self) -> tuple[Direction, ...]:
        """Whether smaller or larger values are better, for each aim."""
        measured = self.experiment.measured
        return (self.direction, *(direction_of_aim(aim, measured) for aim in self.others))

    def losses(self, figures: Sequence[float | None]) -> list[float]:
        """Returns a figure for each aim as values to minimise; a missing one is infinite."""
        ways = zip(figures, self.directions, strict=True)
        return [math.inf if each is None else each if way == "minimize" else -each for each, way in ways]

    def loss(self, figure: float) -> float:
        """Returns a figure as a value to minimise."""
        return figure if self.direction == "minimize" else -figure

    def keeps_bounds(self, figure: Callable[[str], float | None]) -> bool:
        """Returns whether a combination may be the best; `figure` returns one of its figures by aim."""
        return all(bound.keeps(figure(bound.aim)) for bound in self.bounds)

    @property
    def most_epochs(self) -> int:
        """The epochs of the longest training."""
        swept = [axis.values for axis in self.space.axes if axis.path == EPOCHS]
        most = [max(each.values) if isinstance(each, Choices) else int(each.high) for each in swept]
        return max(most, default=self.experiment.training.epochs)

    def to_json(self) -> dict[str, Any]:
        """Returns the definition in JSON's types; `from_json` reads it."""
        return {
            "experiment": to_config(self.experiment),
            "fields": self.space.specs(),
            "mode": self.mode,
            "trials": self.trials,
            "objective": self.objective,
            "direction": self.direction,
            "prune": self.prune,
            "sweep_seed": self.sweep_seed,
            "lag": self.lag,
            "grids": [space.specs() for space in self.grids],
            "side_by_side": self.side_by_side,
            "rules": self.rules,
            **self._restrictions(),
        }

    def _restrictions(self) -> dict[str, Any]:
        """Returns what earlier versions did not have, where there is any, so that the names of their sweeps stay."""
        space = self.space
        found = {
            "limits": [limit.text for limit in space.limits],
            "pairs": [_texts(dict(row)) for row in space.pairs],
            "enqueued": [_texts(values) for values in self.enqueued],
            "others": list(self.others),
            "exchange_every": self.exchange_every,
            "bounds": list(map(str, self.bounds)),
        }
        return {name: value for name, value in found.items() if value}

    def digest(self) -> str:
        """Returns 8 hex digits of everything except the number of trials, so that extending a sweep keeps them."""
        named = dataclasses.replace(self.experiment, metrics=self.experiment.measured, tracker=())
        value = {**self.to_json(), "experiment": _without_defaults_of_later_fields(named)}
        value = {key: item for key, item in value.items() if key not in _NOT_IN_DIGEST}
        return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:8]


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {path: show(value) for path, value in values.items()}


def _without_defaults_of_later_fields(experiment: Experiment) -> dict[str, Any]:
    """Returns the config of an experiment without fields that came later and have their default: see `static`."""
    config = to_config(experiment)
    for field in walk(experiment):
        if field.declaration.since and field.value == field.default:
            *parts, name = field.path.split(".")
            del functools.reduce(dict.__getitem__, parts, config)[name]
    return config


def from_json(value: Mapping[str, Any], default: Experiment) -> Definition:
    """Rebuilds a definition from the result of `Definition.to_json`.

    Args:
        value: the JSON object.
        default: the experiment as its file defines it; see `jaxdl.experiment.config.from_config`.

    Raises:
        UserError: something in it is missing or not allowed.
    """
    try:
        experiment = from_config(value["experiment"], default)
        limits, pairs = value.get("limits", ()), [_strings(row) for row in value.get("pairs", ())]
        space = make_space(experiment, _strings(value["fields"]), limits, pairs)
        return Definition(
            experiment=experiment,
            space=space,
            mode=value["mode"],
            trials=_count(value["trials"]),
            objective=str(value["objective"]),
            direction=value["direction"],
            prune=value["prune"],
            sweep_seed=int(value["sweep_seed"]),
            lag=_count(value["lag"]),
            grids=tuple(make_space(experiment, _strings(specs), limits, pairs) for specs in value["grids"]),
            side_by_side=_count(value["side_by_side"], least=0),
            rules=_count(value.get("rules", 1)),
            enqueued=tuple(enqueued_values(space, _strings(each)) for each in value.get("enqueued", ())),
            others=tuple(map(str, value.get("others", ()))),
            exchange_every=_count(value.get("exchange_every", 0), least=0),
            bounds=tuple(parse_bound(str(each)) for each in value.get("bounds", ())),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"the definition of the sweep is damaged ({error!r}): give another --sweep_dir.") from error


def _strings(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping) or not all(isinstance(item, str) for item in value.values()):
        raise TypeError(value)
    return dict(value)


def _count(value: Any, least: int = 1) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(value)
    return value


def one_of(value: str, possible: Sequence[str], noun: str) -> None:
    """Checks a choice.

    Raises:
        UserError: it is not one of the possible ones.
    """
    if value not in possible:
        raise unknown(noun, str(value), possible)


def changes(before: Definition, now: Definition) -> list[str]:
    """Lists the differences of two definitions, as ``name=value (not earlier value)``.

    The number of trials and how many run at the same time are left out: an earlier sweep keeps its own.
    """
    tracker = now.experiment.tracker  # who is told of the trainings does not change them
    found = differences(now.experiment, dataclasses.replace(before.experiment, tracker=tracker))
    old, new = before.space.specs(), now.space.specs()
    for path in {**old, **new}:
        if old.get(path) != new.get(path):
            found.append(f"--sweep={path}={new.get(path, 'absent')} (not {old.get(path, 'absent')})")
    restrictions = [definition._restrictions() for definition in (before, now)]
    for name, flag in (
        ("limits", "sweep_if"),
        ("pairs", "sweep_pairs"),
        ("enqueued", "enqueue"),
        ("others", "sweep_objective"),
        ("bounds", "sweep_objective"),
        ("exchange_every", "exchange_every"),
    ):
        one, other = (_listed(each.get(name, [])) for each in restrictions)
        if one != other:
            found.append(f"--{flag} is {_brief(other)} (not {_brief(one)})")
    given = {"sweep_mode": "mode", "sweep_objective": "objective"}
    for name in ("sweep_mode", "sweep_objective", "direction", "prune", "sweep_seed"):
        one, other = (getattr(definition, given.get(name, name)) for definition in (before, now))
        if one != other:
            found.append(f"{name}={other} (not {one})")
    return found


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _brief(values: Sequence[Any]) -> str:
    return " and ".join(map(str, values[:2])) + f" and {len(values) - 2} more" * (len(values) > 2) or "absent"


def extended(before: Definition, now: Definition) -> Definition:
    """Returns an earlier sweep with more trials.

    Raises:
        UserError: more than the number of trials has changed; only a grid may also get more values.
    """
    same = now
    if before.compares_at_rungs or before.mode == "pbt":
        how = f"--prune={before.prune}" if before.compares_at_rungs else "--sweep_mode=pbt"
        raise UserError(f"--extend: with {how} all trials are compared with one another; give another --sweep_dir.")
    if now.mode == before.mode == "grid":
        here = list(now.space.grid())
        lost = [values for values in before.space.grid() if values not in here]
        if lost:
            shown = ", ".join(f"{path}={value}" for path, value in lost[0].items())
            raise UserError(f"--extend: the earlier grid has {shown}, which the new one lacks; only add values.")
        same = dataclasses.replace(now, space=before.space)
        if now.space != before.space:
            now = dataclasses.replace(now, grids=(*before.grids, before.space))
        else:
            now = dataclasses.replace(now, grids=before.grids)
    else:
        # The drawn values also depend on the order of the fields.
        now = dataclasses.replace(now, space=before.space)
    now = dataclasses.replace(now, lag=before.lag, side_by_side=before.side_by_side, rules=before.rules)
    found = changes(before, same)
    if found:
        raise UserError(f"--extend only adds trials, but here {'; '.join(found)}.")
    if now.trials < before.trials:
        raise UserError(f"--extend: there are {before.trials} trials already, more than --trials={now.trials}.")
    return now
