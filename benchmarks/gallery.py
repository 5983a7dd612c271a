"""The gallery of the experiments, ``docs/gallery.md``, from recorded runs.

    python -m benchmarks.gallery record RUN_DIR...
    python -m benchmarks.gallery write

``record`` reads run directories, and adds what the page shows of them to ``benchmarks/results/gallery/NAME.json``, one
file for each experiment; a run of a seed replaces an earlier one of that seed. ``write`` makes the page and its curves
of these files and of the docstrings of ``experiments/``: nothing on it is typed by hand.
"""

from __future__ import annotations

import argparse
import ast
import json
import math
import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.gallery_curve import curve_svg
from jaxdl.comparison.runs import BESIDE, Run, find_runs
from jaxdl.report.format import data_used, duration, figure, is_number

ROOT = Path(__file__).resolve().parent.parent
RECORDED = ROOT / "benchmarks" / "results" / "gallery"
PAGE, CURVES = ROOT / "docs" / "gallery.md", ROOT / "docs" / "_static" / "gallery"
_MOST_POINTS = 60
# Of a command line, what says where files of this machine lie.
_PLACES = ("--run_dir", "--data_dir", "--quiet")
_FOLDER = re.compile(r"(?<=:)/\S*/")  # of a data set that is named by its place
_HEAD = """\
# Gallery

Every experiment that comes with jaxdl, as it ran: its command, where its recipe is from, what is expected of it, and
what was measured. `python -m benchmarks.gallery` makes this page of recorded runs and of the files in `experiments/`.
Times are those of the whole command, with compilation, on a machine that other work shared.
"""


def recorded(run: Run) -> dict[str, Any]:
    """Returns what the page needs of a completed run, without any path of the machine."""
    summary, record = run.summary, run.record
    curves: dict[str, list[list[float]]] = {}
    for line in run.history:
        for name, value in line.items():
            if name in BESIDE or not is_number(value) or line["split"] not in ("train", "validation"):
                continue
            curves.setdefault(f"{line['split']}/{name}", []).append([line["epoch"], float(f"{value:.5g}")])
    return {
        "command": command_of(record["command"]),
        "seed": run.seed,
        "data": _FOLDER.sub("", data_used(summary["data"])),
        "substituted": bool(summary["data"]["substituted"]),
        "figures": {k: v for k, v in run.metrics.items() if k.startswith("test/") and is_number(v)},
        "parameters": summary["parameters"],
        "epochs": summary["epoch"],
        "wall_seconds": round(summary["wall_seconds"], 1),
        "train_examples_per_second": round(summary["train_examples_per_second"]),
        "machine": machine_of(record),
        "versions": {name: record["versions"][name] for name in ("python", "jaxdl", "jax")},
        "curves": {name: _thinned(points) for name, points in curves.items()},
    }


def command_of(words: Sequence[str]) -> str:
    """Returns a command line without what is of one machine: paths are ``PATH``."""
    kept = [word for word in words[1:] if word.partition("=")[0] not in _PLACES]
    return " ".join(["launch.py", *map(_without_paths, kept)])


def _without_paths(word: str) -> str:
    flag, sign, value = word.partition("=")
    kind, colon, place = value.partition(":")
    if "/" in place:
        return f"{flag}={kind}:PATH"
    return f"{flag}=PATH" if "/" in value and sign and not colon else word


def machine_of(record: Mapping[str, Any]) -> str:
    """Returns the processor's name with its cores, or the accelerators of a run."""
    device = record["devices"][0]
    if device["platform"] != "cpu":
        return f"{device['count']} x {device['kind']}"
    cpu = record["cpu"]
    return f"{cpu['model']}, {cpu['cores_usable']} cores"


def _thinned(points: Sequence[list[float]]) -> list[list[float]]:
    step = -(-len(points) // _MOST_POINTS)
    finite = [point for point in points if math.isfinite(point[1])]
    return list(reversed(finite[::-1][::step]))


def add(runs: Sequence[Run], folder: Path = RECORDED) -> list[Path]:
    """Adds runs to the files of their experiments; returns the files."""
    written = []
    for run in runs:
        if run.status != "completed":
            raise SystemExit(f"{run.path} is {run.status}: only completed runs are recorded.")
        file = folder / f"{run.experiment}.json"
        earlier = json.loads(file.read_text()) if file.exists() else []
        entry = recorded(run)
        kept = [each for each in earlier if each["seed"] != entry["seed"] or each["data"] != entry["data"]]
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(sorted([*kept, entry], key=lambda each: each["seed"]), indent=1) + "\n")
        written.append(file)
    return written


def paragraphs(file: Path) -> dict[str, str]:
    """Returns what an experiment's docstring says: ``title``, ``command``, ``Recipe`` and ``Expected``."""
    text = ast.get_docstring(ast.parse(file.read_text())) or ""
    title, _, rest = text.partition("\n\n")
    commands, _, rest = rest.partition("\n\n")
    found = {"title": " ".join(title.split()), "command": commands.strip().splitlines()[0].strip()}
    name = ""
    for line in rest.splitlines():
        first = next((word for word in ("Recipe", "Expected") if line.startswith(word)), "")
        name = first or name
        if name:
            found[name] = f"{found.get(name, '')} {line.strip()}".strip()
    return found


def page(files: Sequence[Path], folder: Path = RECORDED) -> tuple[str, dict[str, str]]:
    """Returns the page, and its curves by the names of their files."""
    parts, curves = [_HEAD], {}
    for file in files:
        record = folder / f"{file.stem}.json"
        runs = json.loads(record.read_text()) if record.exists() else []
        drawn = curve_svg(runs[0]["curves"], _first_curve(runs[0]["curves"])) if runs else ""
        if drawn:
            curves[f"{file.stem}.svg"] = drawn
        parts.append(_section(file.stem, paragraphs(file), runs, bool(drawn)))
    return "\n".join(parts), curves


def _section(name: str, said: Mapping[str, str], runs: Sequence[Mapping[str, Any]], is_drawn: bool) -> str:
    command = runs[0]["command"] if runs else said["command"].removeprefix("python ")
    lines = [f"## {name}", "", said["title"], "", f"`{command}`", ""]
    lines += [said[part] + "\n" for part in ("Recipe", "Expected") if part in said]
    if not runs:
        return "\n".join([*lines, "Measured: not yet, in this gallery.", ""])
    for run in (each for each in runs if each["substituted"]):
        lines += [f"**Measured on a stand-in, {run['data']}: not comparable with what is expected.**", ""]
        break
    lines += ["| measured | |", "|---|---|"]
    for metric in runs[0]["figures"]:
        lines.append(f"| {metric} | {_over_seeds([run['figures'][metric] for run in runs])} |")
    seeds = ", ".join(str(run["seed"]) for run in runs)
    seconds = statistics.median(run["wall_seconds"] for run in runs)
    speed = statistics.median(run["train_examples_per_second"] for run in runs)
    versions = runs[0]["versions"]
    lines += [
        f"| data | {runs[0]['data']} |",
        f"| {'seeds' if len(runs) > 1 else 'seed'} | {seeds} |",
        f"| epochs | {runs[0]['epochs']} |",
        f"| parameters | {runs[0]['parameters']:,} |",
        f"| time | {duration(seconds)} ({seconds:.0f} s), {speed:,} training examples per second |",
        f"| machine | {runs[0]['machine']}; Python {versions['python']}, JAX {versions['jax']} |",
        "",
    ]
    if is_drawn:
        first = _first_curve(runs[0]["curves"])
        lines += [f"![{first} of {name} on train and validation by epoch](_static/gallery/{name}.svg)", ""]
    return "\n".join(lines)


def _over_seeds(values: Sequence[float]) -> str:
    if len(values) == 1:
        return figure(values[0])
    return f"{figure(statistics.median(values))} (median; {figure(min(values))} to {figure(max(values))})"


def _first_curve(curves: Mapping[str, Any]) -> str:
    """Returns the figure that is drawn: the first on validation that is not the loss, or else the loss."""
    names = [name.partition("/")[2] for name in curves if name.startswith("validation/")]
    return next((name for name in names if name != "loss"), "loss")


def experiments() -> list[Path]:
    """Returns the files of the experiments, in the order of their names."""
    return sorted((ROOT / "experiments").glob("[a-z]*.py"))


def main() -> None:
    """Records runs, or writes the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("action", choices=("record", "write"))
    parser.add_argument("run_dirs", nargs="*")
    given = parser.parse_args()
    if given.action == "record":
        for file in add(find_runs(*given.run_dirs)):
            print(f"written: {file.relative_to(ROOT)}")
        return
    text, curves = page(experiments())
    CURVES.mkdir(parents=True, exist_ok=True)
    for name, drawn in curves.items():
        (CURVES / name).write_text(drawn)
    PAGE.write_text(text)
    print(f"written: {PAGE.relative_to(ROOT)} with {len(curves)} curves")


if __name__ == "__main__":
    main()
