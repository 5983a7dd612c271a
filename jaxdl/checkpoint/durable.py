"""How Orbax writes: checkpoints on the disk before they get their name, and by several processes as one."""

from __future__ import annotations

import asyncio
import errno
import functools
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxdl.backend.processes import Processes, processes
from jaxdl.checkpoint.faults import silence_late_futures
from jaxdl.checkpoint.reading import ABOUT, ROWS, STATE
from jaxdl.files.atomic import create_folder, sync_folder, sync_tree

# Orbax must be used by one thread at a time: two that save at once disturb each other.
ORBAX = threading.RLock()


def handlers(**shared: Any) -> dict[str, Any]:
    """Returns how Orbax writes and reads each part of a checkpoint, by the name of the part.

    Args:
        shared: arguments of all of them.
    """
    import orbax.checkpoint as ocp

    return {
        STATE: ocp.StandardCheckpointHandler(**shared),
        ROWS: ocp.StandardCheckpointHandler(**shared),
        ABOUT: ocp.JsonCheckpointHandler(**shared),
    }


def open_manager(directory: Path, policy: Any, *, read_only: bool) -> Any:
    """Opens Orbax's manager of a folder of checkpoints, which it creates unless it only reads.

    Args:
        directory: the folder.
        policy: says which checkpoints are kept.
        read_only: whether nothing is changed.
    """
    import orbax.checkpoint as ocp

    silence_late_futures()
    is_new = not directory.exists()
    together, shared = processes(), {}
    if together is not None:
        shared = {"multiprocessing_options": among(together)}
        if together.is_first and is_new and not read_only:
            create_folder(directory)
        is_new = any(together.told("checkpoints", is_new))
    options = ocp.CheckpointManagerOptions(
        preservation_policy=policy,
        read_only=read_only,
        create=not read_only and together is None,
        # Unfinished checkpoints of a killed process.
        cleanup_tmp_directories=not read_only,
        # A thread that waits for each saving needs no thread of Orbax for it; these took a third of the time.
        enable_async_checkpointing=threading.current_thread() is threading.main_thread(),
        temporary_path_class=durable_path(),
        **shared,
    )
    manager = ocp.CheckpointManager(directory, item_handlers=handlers(**shared), options=options)
    if is_new and not read_only and writes(together):
        sync_folder(directory.parent)
    return manager


def writes(together: Processes | None) -> bool:
    """Returns whether this process is the one that changes the folder."""
    return together is None or together.is_first


@functools.cache
def durable_path() -> type[Any]:
    """Returns the class by which Orbax writes a checkpoint under a temporary name and then gives it its own.

    The files and folders of the arrays are synced by TensorStore, but what Orbax itself writes and renames is not.
    After a power failure the file system may then have the name and not the content, or neither. Here everything is
    synced under the temporary name, and the new name after the renaming. Orbax removes older checkpoints only after
    that.

    A function, because importing Orbax takes half a second.
    """
    from orbax.checkpoint.path import atomicity

    base: Any = atomicity.AtomicRenameTemporaryPath

    class DurablePath(base):  # type: ignore[misc]
        async def finalize(self) -> None:
            draft, final = Path(self._tmp_path), self.get_final()
            if atomicity.TMP_DIR_SUFFIX in Path(final).parent.name:  # a part, which is synced with the whole
                await super().finalize()
                return
            # Orbax writes the last files and renames in one call, so it is given another temporary name: one that it
            # would clean up, too.
            whole = type(final)(draft.with_name(f"{draft.name}-whole"))
            self._final_path = whole
            try:
                await super().finalize()
            finally:
                self._final_path = final
            await asyncio.to_thread(_commit, Path(whole), Path(final))

    return DurablePath


def among(together: Processes) -> Any:
    """Returns Orbax's options for several processes that save and restore as one.

    With all of them named, Orbax waits for them by the store of `jax.distributed`. Otherwise it uses a collective, on a
    thread of its own, which could begin before the train program in one process and after it in another.
    """
    import orbax.checkpoint as ocp

    return ocp.options.MultiprocessingOptions(primary_host=0, active_processes=set(range(together.count)))


def _commit(whole: Path, final: Path) -> None:
    _check_merged(whole)
    sync_tree(whole)
    os.rename(whole, final)
    sync_folder(final.parent)


def _check_merged(whole: Path) -> None:
    """Raises `OSError` if the arrays that each process wrote were not put together into one database.

    Orbax lists the processes' folders, and where the listing fails, as for too many open files, it finds none, puts
    nothing together and says nothing: an empty checkpoint would take the place of a good one.
    """
    with os.scandir(whole) as entries:
        parts = [entry.path for entry in entries if entry.is_dir()]
    for part in parts:
        names = os.listdir(part)
        if any(name.startswith("ocdbt.process_") for name in names) and "manifest.ocdbt" not in names:
            raise OSError(errno.EIO, "its arrays were not put together, since they could not be listed", part)


def save_with_orbax(manager: Any, step: int, arrays: Mapping[str, Any], said: Mapping[str, Any]) -> None:
    """Gives the parts of a checkpoint, and what is said beside them, to Orbax's manager of a folder."""
    import orbax.checkpoint as ocp

    items = {name: ocp.args.StandardSave(tree) for name, tree in arrays.items()}
    with ORBAX:
        # Forced: without it, Orbax silently skips a step that is earlier than its last one.
        manager.save(step, args=ocp.args.Composite(**items, **{ABOUT: ocp.args.JsonSave(said)}), force=True)
        if threading.current_thread() is not threading.main_thread():
            manager.wait_until_finished()  # before another training's turn
