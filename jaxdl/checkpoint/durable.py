"""How Orbax writes: checkpoints on the disk before they get their name, and by several processes as one."""

from __future__ import annotations

import asyncio
import errno
import functools
import os
from pathlib import Path
from typing import Any

from jaxdl.backend.processes import Processes
from jaxdl.files.atomic import sync_folder, sync_tree


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
