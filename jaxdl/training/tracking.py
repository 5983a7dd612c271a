"""The trackers of a training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from jaxdl.experiment import Experiment
from jaxdl.experiment.config import to_config
from jaxdl.record.encoding import flattened, plain
from jaxdl.record.trackers.sending import SECONDS_AT_END, Sending
from jaxdl.record.trackers.tracker import TrackedRun, Tracker, maker

Makers = Mapping[str, Callable[[], Tracker]]


def trackers_of(experiment: Experiment) -> Makers:
    """Returns what makes the trackers of a recipe, by their names; their tools are not imported yet.

    Raises:
        UserError: jaxdl has none of a name, or its tool is not installed.
    """
    return {str(tracker): maker(tracker) for tracker in experiment.tracker}


def begun(makers: Makers, experiment: Experiment, run_dir: Path, notify: Callable[[str], None]) -> list[Sending]:
    """Returns the trackers, each begun in a thread of its own.

    Args:
        makers: of `trackers_of`.
        experiment: the recipe.
        run_dir: the run directory.
        notify: told what a tracker does not take.
    """
    if not makers:
        return []
    run = TrackedRun(experiment.name, run_dir.name, run_dir, flattened(plain(to_config(experiment))))
    return [Sending(name, make, run, notify, seconds_at_end=SECONDS_AT_END) for name, make in makers.items()]
