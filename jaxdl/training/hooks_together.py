"""The hooks of a training of several processes: process 0 calls them, and all do what follows from it."""

from __future__ import annotations

from collections.abc import Callable

from jaxdl.backend.processes import Processes, processes
from jaxdl.data import Dataset
from jaxdl.errors import UserError
from jaxdl.record import RunDirectory
from jaxdl.steps.functions import TrainState
from jaxdl.steps.layout import on_one_device
from jaxdl.training.epoch import Rows
from jaxdl.training.figures import Figures
from jaxdl.training.hook_calls import HookCalls, HookFailed
from jaxdl.training.loop import Trainer


class HookFailedElsewhere(HookFailed):
    """A hook raised an error in process 0, whose message this is."""

    def __init__(self, message: str):
        UserError.__init__(self, message)


class HookCallsTogether(HookCalls):
    """The calls of the hooks of one training, as one of its processes sees them.

    Args:
        together: the processes; all of them make and call this in the same way.
        trainer: as of `HookCalls`, like all that follow.
        dataset: as there.
        directory: as there.
        figures: as there.
        notify: as there.
    """

    def __init__(
        self,
        together: Processes,
        trainer: Trainer,
        dataset: Dataset,
        directory: RunDirectory,
        figures: Figures,
        notify: Callable[[str], None],
    ):
        super().__init__(trainer, dataset, directory, figures, notify)
        self._together = together

    def begin(self, state: TrainState, forget: bool) -> None:
        if self._together.is_first:
            super().begin(state, forget)

    def _at(self, state: TrainState, rows: Rows | None, logs: bool) -> bool:
        step = int(state.step)
        if not step or not self.due(step):
            return self.stopped is not None
        state, failed = on_one_device(state), None
        if self._together.is_first:
            try:
                super()._at(state, rows, logs)
            except HookFailed as error:
                failed = error
        self.stopped, message = self._together.decided("hooks", [self.stopped, None if failed is None else str(failed)])
        if failed is not None:
            raise failed
        if message is not None:
            raise HookFailedElsewhere(message)
        return self.stopped is not None


def hook_calls(
    trainer: Trainer,
    dataset: Dataset,
    directory: RunDirectory,
    figures: Figures,
    notify: Callable[[str], None],
) -> HookCalls:
    """Returns the calls of the hooks of a training, in one process or several; takes what `HookCalls` takes."""
    together = processes()
    given = (trainer, dataset, directory, figures, notify)
    return HookCalls(*given) if together is None else HookCallsTogether(together, *given)
