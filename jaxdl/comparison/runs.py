"""Finds runs by the files of their directories, thousands of them in a moment; nothing is imported or executed."""

from __future__ import annotations

import dataclasses
import functools
import glob
import json
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jaxdl.errors import UserError, needed
from jaxdl.files.paths import expanded
from jaxdl.record import CONFIG, RECORD, SUMMARY, Notes, read_metrics, read_notes
from jaxdl.record.encoding import flattened, number
from jaxdl.report.format import is_number

if TYPE_CHECKING:
    import pandas

UNFINISHED = "unfinished"
# Folders of a run directory, in which there are no other runs.
_OF_A_RUN = frozenset({"checkpoints", "profile"})
# Files in which other tools keep runs.
_FILES_OF_RUNS = frozenset({".wandb", ".db"})
_OF_OTHER_TOOLS = re.compile(
    r"events\.out\.tfevents\.|^meta\.yaml$|\.wandb$|\.db$|^(train|training|val|valid|validation|eval|test)$"
)


_UNCLEAR = object()


class Imported(NamedTuple):
    """What was read from the files of another tool, in the place of those of a run directory.

    Attributes:
        tool: its name, such as ``mlflow``.
        config: fields of the recipe by dotted path.
        history: figures while it trained, as the lines of ``metrics.jsonl``.
    """

    tool: str
    config: Mapping[str, Any]
    history: Sequence[Mapping[str, Any]]


@dataclasses.dataclass(frozen=True)
class Run:
    """One run directory, or a run of another tool. What it has not written yet is missing here, too.

    Attributes:
        path: the directory; of another tool's run the place of its files, with the run's name where they hold several.
        summary: the content of ``summary.json``; empty before the run has ended for the first time.
        imported: what was read from another tool's files; None for a run directory.
    """

    path: Path
    summary: Mapping[str, Any]
    imported: Imported | None = None

    @property
    def tool(self) -> str:
        """The name of the tool that wrote it."""
        return self.imported.tool if self.imported else "jaxdl"

    @property
    def status(self) -> str:
        """``completed``, ``preempted``, ``failed`` or ``diverged``, or ``unfinished`` without a summary."""
        return str(self.summary.get("status", UNFINISHED))

    @property
    def experiment(self) -> str:
        return str(self.summary.get("experiment") or self.config.get("name", ""))

    @functools.cached_property
    def metrics(self) -> Mapping[str, Any]:
        """The figures of the summary by ``SPLIT/METRIC``; of an unfinished run the last ones of each split."""
        if "metrics" in self.summary:
            found = self.summary["metrics"]
            return {name: number(value) for name, value in found.items()} if isinstance(found, Mapping) else {}
        last = {line["split"]: line for line in self.history if isinstance(line.get("split"), str)}
        return {f"{split}/{name}": line[name] for split, line in last.items() for name in line if name not in BESIDE}

    @functools.cached_property
    def history(self) -> Sequence[Mapping[str, Any]]:
        """The figures while it trained, the lines of ``metrics.jsonl``: ``step``, ``epoch``, ``split``, the figures."""
        if self.imported:
            return self.imported.history
        try:
            return read_metrics(self.path)
        except UserError:  # a line that is just being written
            return ()

    @functools.cached_property
    def config(self) -> Mapping[str, Any]:
        """The recipe's fields by dotted path; a part's own path has its name, such as ``optimizer: adam``."""
        return self.imported.config if self.imported else flattened(_parsed(self._text))

    @functools.cached_property
    def _text(self) -> bytes:
        return _bytes(os.path.join(self.path, CONFIG))

    def _single(self, name: str) -> Any:
        """Returns the one field of that last name, out of the recipe's text, which is quicker than to parse it.

        Returns:
            None where there is no such field, and `_UNCLEAR` where only all fields together tell.
        """
        if not name.isidentifier() or name == "type" or not self._text.rstrip().endswith(b"}"):
            return _UNCLEAR
        # In a text inside of JSON the quotes would not stand alone, so that what is found is the name of a field.
        found = re.findall(rb'"%s": ?([^\n]*)' % name.encode(), self._text)
        if not found:
            return None
        value = found[0].rstrip(b",")
        if len(found) > 1 or value[:1] in (b"{", b"["):
            return _UNCLEAR
        try:
            return number(json.loads(value))
        except ValueError:
            return _UNCLEAR

    @functools.cached_property
    def record(self) -> Mapping[str, Any]:
        """Where the run comes from: command, commit, versions, devices."""
        return {} if self.imported else _parsed(_bytes(os.path.join(self.path, RECORD)))

    @functools.cached_property
    def notes(self) -> Notes:
        """What the user says of it: ``tags`` and a ``note``."""
        return Notes(note="") if self.imported else read_notes(self.path)

    @property
    def seed(self) -> Any:
        return self.config.get("seed")

    @functools.cached_property
    def facts(self) -> Mapping[str, Any]:
        """What a run is found by beside its metrics and fields: how far it is, how long it took, data, tags, note."""
        data = self.summary.get("data")
        found = {name: self.summary[name] for name in _NUMBERS if name in self.summary}
        found |= {"experiment": self.experiment, "status": self.status, "run": str(self.path), "tool": self.tool}
        if isinstance(data, Mapping):
            found |= {"used": data.get("used"), "substituted": data.get("substituted")}
        found |= {"tag": self.notes.tags} if self.notes.tags else {}
        found |= {"note": self.notes.note} if self.notes.note else {}
        return found

    def value(self, name: str) -> Any:
        """Returns a fact, a figure, or a field by its path or last name; None where the run has none of that name.

        Raises:
            UserError: several fields have this last name.
        """
        if name in self.facts:
            return self.facts[name]
        if "/" in name or (self.imported and name in self.metrics):
            return self.metrics.get(name)
        if self.imported is None and "config" not in self.__dict__:
            single = self._single(name)
            if single is not _UNCLEAR:
                return single
        if name in self.config:
            return self.config[name]
        ending = f".{name}"
        same = [path for path in self.config if path.endswith(ending)]
        if len(same) > 1:
            raise UserError(f"{name} is ambiguous: write {' or '.join(same)}.")
        return self.config[same[0]] if same else None


# What a line of ``metrics.jsonl`` has beside its figures.
BESIDE = frozenset({"split", "step", "epoch"})
_NUMBERS = ("step", "epoch", "parameters", "wall_seconds", "compile_seconds", "train_examples_per_second")


class Runs(list[Run]):
    """Runs as a list, which can be narrowed down, sorted, and made a table."""

    def where(self, conditions: str) -> Runs:
        """Returns those for which conditions hold, such as ``"experiment=mnist_cnn test/accuracy>0.99"``.

        Raises:
            UserError: they are no conditions, or no run has anything of a name.
        """
        from jaxdl.comparison.filters import chosen, parse_conditions

        return Runs(chosen(self, parse_conditions(conditions)))

    def sorted_by(self, name: str) -> Runs:
        """Returns them sorted by a fact, a figure or a field; ``-NAME`` sorts from high to low.

        Raises:
            UserError: no run has anything of that name.
        """
        from jaxdl.comparison.filters import in_order

        return Runs(in_order(self, name))

    @property
    def rows(self) -> list[dict[str, Any]]:
        """A flat row for each run: its facts, its figures that are numbers, and its fields by their paths."""
        return [
            {**run.facts, **{k: v for k, v in run.metrics.items() if is_number(v)}, **_beside(run.config, run.facts)}
            for run in self
        ]

    def to_pandas(self) -> pandas.DataFrame:
        """Returns the rows as a data frame.

        Raises:
            UserError: pandas is not installed.
        """
        return data_frame(self.rows, "run")


def data_frame(rows: Sequence[Mapping[str, Any]], index: str) -> pandas.DataFrame:
    """Returns rows as a data frame; raises `UserError` where pandas is not installed."""
    frame: pandas.DataFrame = needed("pandas", "tables", "to_pandas()", "use the rows as they are").DataFrame(rows)
    return frame.set_index(index)


def _beside(config: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    return {path: value for path, value in config.items() if path not in facts}


def find_runs(*places: str | os.PathLike[str]) -> Runs:
    """Finds runs, also those of other tools (see `jaxdl.comparison.importers`).

    Args:
        *places: run directories, sweep directories, folders with runs at any depth, or patterns such as
            ``runs/*/2026*`` and ``runs/**``; folders of TensorBoard's event files, MLflow's ``mlruns``, the folder
            ``wandb``, and databases of MLflow and trackio (``mlflow.db``); none: the folder ``runs``.

    Returns:
        Each run once, in the order of the places, below a place sorted by path.

    Raises:
        UserError: there is no such folder, or no run in it.
    """
    found: dict[Path, Run] = {}
    for place in places or ("runs",):
        runs = [run for path in _matching(os.fspath(place)) for run in _at(path)]
        if not runs:
            raise UserError(f"there is no run in {place} (no folder with a {CONFIG}, and no files of another tool).")
        for run in runs:
            found.setdefault(run.path, run)
    return Runs(found.values())


def _matching(place: str) -> list[Path]:
    path = expanded(place)
    if path.name == CONFIG and path.is_file():
        return [path.parent]
    if path.exists():
        return [path]
    found = [Path(each) for each in sorted(glob.glob(str(path), recursive=True))]
    found = [each for each in found if each.is_dir() or each.suffix in _FILES_OF_RUNS]
    if not found:
        raise UserError(f"there is no folder {place}; give run directories, folders with runs, or patterns.")
    return found


def _at(path: Path) -> Iterator[Run]:
    """Yields the runs at a place, which may be a run directory, a folder with some, or a file of another tool."""
    if path.is_dir():
        yield from _below(path)
    elif path.suffix in _FILES_OF_RUNS:
        from jaxdl.comparison.importers.finding import runs_of_file

        yield from runs_of_file(path)


def _below(folder: Path) -> Iterator[Run]:
    """Yields the runs in a folder, which may be a run directory itself, sorted."""
    if os.path.exists(os.path.join(folder, CONFIG)):  # not by its list of files, which takes longer
        yield Run(folder, _parsed(_bytes(os.path.join(folder, SUMMARY))))
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    names = {entry.name for entry in entries}
    imported, taken = _of_other_tools(folder, names)
    yield from imported
    for entry in entries:
        passed_over = entry.name in _OF_A_RUN or entry.name in taken or entry.name.startswith(".")
        if not passed_over and entry.is_dir(follow_symlinks=False):
            yield from _below(Path(entry.path))


def _of_other_tools(folder: Path, names: Set[str]) -> tuple[list[Run], Collection[str]]:
    """Returns the runs of other tools in a folder, and those of its subfolders that are theirs, too."""
    if not any(_OF_OTHER_TOOLS.search(name) for name in names):  # of thousands of folders none has any
        return [], ()
    from jaxdl.comparison.importers.finding import runs_of_other_tools

    return runs_of_other_tools(folder, names)


def _bytes(file: str) -> bytes:
    """Returns the content of a file; empty where it is missing."""
    try:
        with open(file, "rb", buffering=0) as opened:
            return opened.read()
    except OSError:
        return b""


def _parsed(content: bytes) -> dict[str, Any]:
    """Returns a JSON object; empty where there is none, or it is damaged: such a run is listed all the same."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def differing_fields(runs: Iterable[Run]) -> list[str]:
    """Returns the paths of those fields in which runs differ, in the order of their recipes."""
    configs = [run.config for run in runs]
    paths = dict.fromkeys(path for config in configs for path in config)
    missing = object()
    return [path for path in paths if len({repr(config.get(path, missing)) for config in configs}) > 1]
