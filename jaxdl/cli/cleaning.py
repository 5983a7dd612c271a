"""Shows what old runs hold on the disk, and removes parts of it by a rule where ``--yes`` says so."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

from jaxdl.cli.options import Options
from jaxdl.cli.runs import print_table
from jaxdl.comparison.cleaning import Holding, holdings, remove, sources_of
from jaxdl.comparison.filters import chosen, parse_conditions
from jaxdl.comparison.runs import Run, find_runs
from jaxdl.errors import UserError, printable
from jaxdl.fields.interval import Interval
from jaxdl.files.paths import cache_folder
from jaxdl.report.format import size

_TEXTS = ("run", "status", "note")
_DAY = 86_400


def clean(options: Options) -> int:
    """Prints what runs hold, and removes parts of it where that was asked for; returns the exit status.

    The status is 1 where something could not be removed.
    """
    if options.yes and not options.keep:
        raise UserError("--yes removes something only with a rule: give --keep=final, best or nothing.")
    older_than = Interval.parse(options.older_than).amount if options.older_than else 0.0
    everywhere = find_runs(*options.runs)
    runs = chosen(everywhere, parse_conditions(options.filter))
    beside = [*everywhere, *_in_runs()]
    found = sorted(holdings(runs, options.keep, older_than, beside), key=lambda each: -each.total)
    print_table(
        [["run", "status", "days", "checkpoints", "pictures", "others", "freed", "note"], *map(_row, found)], _TEXTS
    )
    # What compiled programs hold belongs to no run, so a choice of runs leaves it alone.
    programs = [] if options.runs or options.filter else _programs(older_than if options.older_than else None)
    print(f"{len(found):,} runs hold {size(sum(each.total for each in found))}")
    _about_programs(options, programs)
    touched = [each for each in found if each.removed]
    if not options.keep:
        return 0
    freed = size(sum(each.freed for each in touched))
    if not options.yes:
        print(f"--keep={options.keep} would free {freed} of {len(touched):,} runs; with --yes it does.")
        return 0
    failed = _remove(options, touched, older_than, sources_of(beside))
    for _, path in programs if options.older_than else ():
        with contextlib.suppress(OSError):  # another process may have removed it
            path.unlink()
    return 1 if failed else 0


def _remove(options: Options, found: Sequence[Holding], older_than: float, sources: frozenset[Path]) -> int:
    """Removes, and says what; returns of how many runs it failed."""
    freed, failed = 0, 0
    for each in found:
        amount, why = remove(each, options.keep, older_than, sources)
        freed += amount
        if why:
            failed += 1
            print(printable(f"left as it is: {each.run.path}: {why}"))
    print(f"freed {size(freed)} of {len(found) - failed:,} runs; record.json of each says what was removed.")
    return failed


def _in_runs() -> list[Run]:
    """Returns the runs of the folder ``runs``: one of them may take its weights from a run of another place."""
    try:
        return find_runs()
    except UserError:
        return []


def _row(holding: Holding) -> list[str]:
    run = holding.run
    sizes = [size(each) for each in (holding.checkpoints, holding.pictures, holding.others, holding.freed)]
    days = f"{max(0.0, holding.seconds) / _DAY:.0f}"
    return [printable(text) for text in (str(run.path), run.status, days, *sizes, holding.untouched)]


def _programs(older_than: float | None) -> list[tuple[int, Path]]:
    """Returns size and path of the compiled programs in the user's cache that are so old, in seconds; None: all."""
    found = []
    with contextlib.suppress(OSError), os.scandir(cache_folder() / "compiled") as entries:
        for entry in entries:
            about = entry.stat(follow_symlinks=False)
            is_old = older_than is None or time.time() - about.st_mtime >= older_than
            if entry.is_file(follow_symlinks=False) and is_old:
                found.append((about.st_size, Path(entry.path)))
    return found


def _about_programs(options: Options, programs: Sequence[tuple[int, Path]]) -> None:
    if programs:
        old = f" compiled {options.older_than} ago or earlier" if options.older_than else ""
        held = size(sum(held for held, _ in programs))
        print(printable(f"{len(programs):,} programs{old} in {cache_folder() / 'compiled'} hold {held}"))
