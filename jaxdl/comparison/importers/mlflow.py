"""Runs in MLflow's folder ``mlruns``, one folder each; its databases are in `jaxdl.comparison.importers.databases`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jaxdl.comparison.importers.values import Point, imported_run, parsed
from jaxdl.comparison.runs import UNFINISHED, Run

# As a file has them, by their numbers, and as a database has them.
STATUSES = {
    **dict.fromkeys(("3", "FINISHED"), "completed"),
    **dict.fromkeys(("4", "FAILED"), "failed"),
    **dict.fromkeys(("5", "KILLED"), "preempted"),
}
# Measured by the tool itself, such as the load of the machine.
OF_THE_MACHINE = "system/"


def read_folder(folder: Path) -> list[Run]:
    """Returns the run of a folder; none for one that was deleted in MLflow, or whose files cannot be read."""
    about = _yaml(folder / "meta.yaml")
    if not about or str(about.get("lifecycle_stage", "active")) != "active":
        return []
    experiment = str(_yaml(folder.parent / "meta.yaml").get("name") or folder.parent.name)
    points = [
        Point(int(step), name, float(value))
        for name, text in _texts(folder / "metrics")
        if not name.startswith(OF_THE_MACHINE)
        for _, value, step in (_three(line) for line in text.splitlines() if line.strip())
    ]
    return [
        imported_run(
            folder,
            "mlflow",
            experiment=experiment,
            status=STATUSES.get(str(about.get("status")), UNFINISHED),
            config={name: parsed(text) for name, text in _texts(folder / "params")},
            points=points,
            seconds=seconds_between(about.get("start_time"), about.get("end_time")),
        )
    ]


def seconds_between(start: Any, end: Any) -> float | None:
    """Returns the seconds between two times in milliseconds; None where one is not known."""
    return (end - start) / 1000 if isinstance(start, int) and isinstance(end, int) else None


def _three(line: str) -> tuple[str, str, str]:
    """Returns time, value and step of a line; early versions had no steps."""
    time, value, *step = line.split()
    return time, value, step[0] if step else "0"


def _texts(folder: Path) -> Iterator[tuple[str, str]]:
    """Yields name and content of the files in a folder, at any depth: a slash in a name makes a folder."""
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            yield file.relative_to(folder).as_posix(), file.read_text(encoding="utf-8", errors="replace")


def _yaml(file: Path) -> Mapping[str, Any]:
    import yaml

    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8", errors="replace"))
    except (OSError, yaml.YAMLError):
        return {}
    return found if isinstance(found, Mapping) else {}
