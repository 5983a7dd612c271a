"""The checkpoints of one run: saved, found and restored through Orbax."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from jaxdl.backend.processes import processes
from jaxdl.backend.signals import signals_held
from jaxdl.checkpoint import small
from jaxdl.checkpoint.arrays import described, host_copy
from jaxdl.checkpoint.digest import params_sha256
from jaxdl.checkpoint.durable import ORBAX, open_manager, save_with_orbax, writes
from jaxdl.checkpoint.faults import Damaged, OrbaxSilence, disk_errors, while_it_changes
from jaxdl.checkpoint.reading import ROWS, STATE, Saved, about_digest, check_best, read_about, read_checkpoint
from jaxdl.checkpoint.retention import LastAndBest, Ranking, best
from jaxdl.errors import UserError
from jaxdl.files.atomic import create_folder, named_cause
from jaxdl.record.cleaned import removed, removed_after


class Checkpoints:
    """The checkpoints of one run: the last few, and the best by a metric.

    A checkpoint gets its name only when it is complete and on the disk, and an older one is removed only after that, so
    a process killed at any moment, or a power failure, leaves a good one. Each holds digests of its arrays, so that
    damage is recognised. A large state is saved in the background where `save` is called in
    the main thread; `wait` and `close` wait for it, and an error there is raised by the next call.

    Args:
        directory: the folder, created at the first `save`.
        best_metric: name of the metric, among those given to `save`, that selects the best checkpoint; of equal ones,
            the earliest. None keeps only the last ones.
        best_mode: whether the best value is the largest or the smallest.
        keep: how many of the last checkpoints to keep.
        read_only: for a folder that another process may be writing to: nothing is changed; do not call `save`.
    """

    def __init__(
        self,
        directory: Path,
        best_metric: str | None = None,
        best_mode: Literal["min", "max"] = "max",
        keep: int = 1,
        *,
        read_only: bool = False,
    ):
        self.directory = Path(directory).absolute()
        self._ranking = Ranking(best_metric, best_mode)
        self._read_only = read_only
        self._policy = LastAndBest(keep, self._ranking.ranks)
        self._open: Any = None
        self._written: list[int] = []  # steps of all checkpoints, as long as Orbax's manager is not open
        self._silence = OrbaxSilence()
        logging.getLogger("absl").addFilter(self._silence)

    def save(
        self,
        step: int,
        state: Any,
        metrics: Mapping[str, Any] | None = None,
        *,
        rows: Mapping[str, np.ndarray] | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        """Saves a state, unless one was saved at the same step: a step determines its state.

        The arrays are copied to the host before this returns, so the caller may donate them at once.

        Args:
            step: number of train steps done.
            state: a pytree of arrays, typed PRNG keys included.
            metrics: figures by name; only `best_metric` is used. If it is missing or not finite, the checkpoint cannot
                become the best.
            rows: see `Saved`.
            about: JSON values to store with the arrays.

        Raises:
            UserError: this or an earlier checkpoint cannot be written.
        """
        step = int(step)
        with disk_errors(self.directory):
            if (self._open is not None or self._written) and not self.directory.exists():
                # It would be created again, and the run would continue in a folder without its other files.
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            if step in self._present():
                return
            arrays = {STATE: host_copy(state)}
            if rows is not None:
                arrays[ROWS] = {name: np.array(row) for name, row in rows.items()}
            form = small.form_of(arrays, self.directory)
            manager = self._manager() if form is None else None  # before there is a new rank, since it reads the others
            digests = {name: params_sha256(tree) for name, tree in arrays.items()}
            said = {**(about or {}), "step": step, "digests": digests, "shapes": described(arrays[STATE])}
            said |= self._ranking.add(step, metrics or {})
            said["digest"] = about_digest(said)
            if form is None:
                save_with_orbax(manager, step, arrays, said)
            else:
                self._save_small(step, arrays, said, form)

    def _save_small(self, step: int, arrays: Mapping[str, Any], said: Mapping[str, Any], form: small.Form) -> None:
        """Writes a small checkpoint at once, and then removes the older ones that are not kept."""
        if self._open is not None:
            self._open.wait_until_finished()
        present = {*self._present(), step}
        if not self.directory.exists():
            create_folder(self.directory)
        small.write(self.directory, step, form, arrays, said)
        kept = self._policy.kept(sorted(present))
        for old in present - kept:
            small.remove(self.directory, old)
        self._written = sorted(kept)
        if self._open is not None:
            with ORBAX:
                self._open.reload()

    def _present(self) -> list[int]:
        """Returns the steps that have a checkpoint; a folder that only this object has written to is not looked at."""
        if processes() is None and self._open is None and (self._written or not self.directory.exists()):
            return self._written
        return list(self._manager().all_steps())

    def restore(self, like: Any, step: int | Literal["last", "best"] | None = None) -> Any:
        """Restores a state.

        Args:
            like: a pytree of arrays or of `jax.ShapeDtypeStruct`; gives structure, shapes, dtypes and, if it has them,
                shardings. None: the state as it lies in the file, see `read_checkpoint`.
            step: which one; None means the last. ``"best"`` also means the last if no checkpoint was measured.

        Returns:
            A pytree like `like`, of arrays on the default device or with the shardings of `like`.

        Raises:
            UserError: there is no such checkpoint, it does not fit `like`, or it is damaged.
        """
        self.wait()
        if not self._read_only or isinstance(step, int):
            return self._restore(like, step)
        return while_it_changes(self.directory, self._close_manager, lambda: self._restore(like, step))

    def _restore(self, like: Any, step: int | Literal["last", "best"] | None) -> Any:
        with ORBAX, named_cause(self.directory, "read the checkpoints of"):
            found = self._find(step)
            try:
                return read_checkpoint(self._manager(), self.directory, found, like).state
            except Damaged as error:
                raise UserError(f"{error}; restore it, or use another one.") from error

    def resume(
        self,
        like: Any,
        rows_like: Mapping[str, Any],
        notify: Callable[[str], None] = print,
        *,
        needs_best: bool = False,
        elsewhere: int | None = None,
    ) -> Saved | None:
        """Restores the newest checkpoint that is not damaged; None if there is none at all.

        Damaged ones are renamed to ``checkpoints/damaged-STEP``.

        Args:
            like: as in `restore`, or a function that returns it from `Saved.about`.
            rows_like: shapes and dtypes of `Saved.rows`.
            notify: called with a message for each damaged checkpoint.
            needs_best: treat a checkpoint as damaged if the one that was the best when it was saved is damaged or
                missing.
            elsewhere: the step of a state that is not here, to which the run can return if all of these are damaged.

        Raises:
            UserError: a checkpoint does not fit, or all are damaged and there is none `elsewhere`.
        """
        self.wait()
        damaged: list[Damaged] = []
        with ORBAX, named_cause(self.directory, "read the checkpoints of"):
            for step in reversed(self.steps()):
                try:
                    saved = read_checkpoint(self._manager(), self.directory, step, like, rows_like)
                    if needs_best:
                        check_best(self._manager(), self.directory, saved, like)
                except Damaged as error:
                    damaged.append(error)
                    continue
                self._set_aside(damaged, step, notify)
                return saved
            if damaged and elsewhere is None:
                raise UserError(
                    f"{damaged[0]}, and there is no older one; restore it, or start again with a new --run_dir."
                )
            self._set_aside(damaged, elsewhere or 0, notify)
        return None

    def about(self, step: int) -> dict[str, Any]:
        """Returns the JSON values stored with a checkpoint; see `Saved.about`.

        Raises:
            UserError: there is no such checkpoint, or it is damaged.
        """
        with named_cause(self.directory, "read the checkpoints of"):
            try:
                return read_about(self._manager(), self.directory, self._find(step))
            except Damaged as error:
                raise UserError(f"{error}; restore it, or use another one.") from error

    def steps(self) -> list[int]:
        """Returns the steps that have a complete checkpoint, ascending."""
        with named_cause(self.directory, "read the checkpoints of"):
            if not self.directory.exists():
                return []
            return sorted(self._present())

    def latest_step(self) -> int | None:
        """Returns the step of the last checkpoint, None when there is none."""
        return max(self.steps(), default=None)

    def best_step(self) -> int | None:
        """Returns the step of the best checkpoint, None when none was measured.

        Raises:
            UserError: the best or the last checkpoint is missing or damaged.
        """
        steps = self.steps()
        if not steps:
            return None
        abouts = {steps[-1]: self.about(steps[-1])}
        then = abouts[steps[-1]]["best_step"]
        if then is not None and then not in steps:
            by = removed(self.directory.parent, then)
            what = f"{by}; --final=last takes that of step {steps[-1]:,}" if by else "is missing; restore it"
            raise UserError(f"the best checkpoint of {self.directory}, of step {then:,}, {what}.")
        for step in steps[:-1]:
            try:
                abouts[step] = self.about(step)
            except UserError:
                if step == then:
                    raise
                # A process was killed while it removed this one; it was not among the last and not the best.
        return best({step: about["rank"]["rank"] for step, about in abouts.items() if about["rank"]})

    def wait(self) -> None:
        """Waits until everything given to `save` is on the disk; raises `UserError` if that fails."""
        if self._open is not None:
            with disk_errors(self.directory):
                self._open.wait_until_finished()

    def close(self) -> None:
        """Waits as `wait` does and releases everything; a second call does nothing."""
        try:
            self.wait()
        finally:
            self._close_manager()
            logging.getLogger("absl").removeFilter(self._silence)

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _manager(self) -> Any:
        """Returns Orbax's manager, created at the first use: importing Orbax takes half a second."""
        if self._open is not None:
            return self._open
        with ORBAX, signals_held():  # see `jaxdl.checkpoint.faults.damage_named`
            self._open, self._written = open_manager(self.directory, self._policy, read_only=self._read_only), []
            if not self._read_only and writes(processes()):
                small.remove_drafts(self.directory)
            self._find_all()
            if not self._read_only:
                self._read_ranks()
        return self._open

    def _find_all(self) -> None:
        """Lets Orbax list the checkpoints again if it missed one: it takes a folder that it cannot look at for none."""
        if not self.directory.exists():
            return
        with os.scandir(self.directory) as entries:
            present = {int(entry.name): entry.path for entry in entries if entry.name.isdecimal() and entry.is_dir()}
        missed = [path for step, path in present.items() if step not in self._open.all_steps()]
        if missed:
            for path in missed:
                os.listdir(path)
            self._open.reload()

    def _read_ranks(self) -> None:
        """Reads the ranks of the existing checkpoints; damaged ones are ignored."""
        self._ranking.ranks.clear()
        for step in self._open.all_steps():
            with contextlib.suppress(Damaged):
                rank = read_about(self._open, self.directory, step)["rank"]
                if rank:
                    self._ranking.ranks[step] = rank["rank"]

    def _close_manager(self) -> None:
        manager, self._open, self._written = self._open, None, []
        if manager is not None:
            with ORBAX, disk_errors(self.directory):  # it waits as well, for what `wait` may not have come to
                manager.close()

    def _set_aside(self, damaged: Sequence[Damaged], resumed: int, notify: Callable[[str], None]) -> None:
        for each in damaged:
            aside = "" if self._read_only else "it is set aside, and "
            notify(f"{each}; {aside}the run resumes from step {resumed:,}.")
        if not damaged or self._read_only:
            return
        self._close_manager()  # Orbax remembers which steps it has seen
        together = processes()
        for step in [each.step for each in damaged] if writes(together) else []:
            target = self.directory / f"damaged-{step}"
            with named_cause(target, "move a damaged checkpoint to"):
                if target.exists():
                    shutil.rmtree(target)
                (self.directory / str(step)).rename(target)
        if together is not None:
            together.told("set aside", True)

    def _find(self, step: int | str | None) -> int:
        present = self.steps()
        if not present:
            by = removed(self.directory.parent)
            why = f"each {by}; train again" if by else "the run ended before it saved one"
            raise UserError(f"there is no checkpoint in {self.directory}: {why}.")
        if step == "best":
            step = self.best_step()
        if step is None or step == "last":
            later = removed_after(self.directory.parent, present[-1])
            if later:
                raise UserError(f"{later}; --final=best takes that of step {present[-1]:,}.")
            return present[-1]
        if step not in present:
            raise UserError(f"there is no checkpoint of step {step} in {self.directory}; there are: {present}.")
        return int(step)
