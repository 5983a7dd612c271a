"""What the searches of `benchmarks.search_race` say: a table in Markdown, and their curves as a picture."""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.search_race_spaces import SPACES

# With colours of Okabe and Ito's palette, distinguishable with each common kind of colour blindness.
RACERS = {"jaxdl": "#000000", "optuna-torch": "#D55E00", "ray-torch": "#0072B2"}
_NAMES = {"jaxdl": "jaxdl", "optuna-torch": "Optuna with PyTorch", "ray-torch": "Ray Tune with PyTorch"}
Points = Sequence[Mapping[str, Any]]


def read(file: Path) -> list[dict[str, Any]]:
    """Returns the searches in a race's output."""
    runs: list[dict[str, Any]] = json.loads(file.read_text())["runs"]
    return runs


def show(file: Path) -> int:
    """Prints the table of a race's output, and draws its curves beside it; returns the exit status."""
    try:
        runs = read(file)
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"--summary={file}: not the output of a race ({error})", file=sys.stderr)
        return 2
    print(markdown(runs))
    plot(runs, file.with_suffix(".png"))
    return 0


def longest(runs: Sequence[Mapping[str, Any]], space: str, racer: str) -> dict[int, Mapping[str, Any]]:
    """Returns the search of the longest time of a racer from each seed."""
    found: dict[int, Mapping[str, Any]] = {}
    for run in runs:
        if (run["space"], run["racer"]) == (space, racer):
            before = found.get(run["seed"])
            if before is None or run["seconds"] >= before["seconds"]:
                found[run["seed"]] = run
    return dict(sorted(found.items()))


def tested(points: Points) -> list[tuple[float, float]]:
    """Returns when each winner was found, and the mean accuracy on test of its setting; without those not known."""
    return [(point["seconds"], statistics.fmean(point["test"])) for point in points if point.get("test")]


def reached(points: Sequence[tuple[float, float]], figure: float) -> float:
    """Returns from when on a curve stays at a figure or above, in seconds; infinite if it does not.

    The best on validation only rises; the mean accuracy on test of the winners goes up and down, and a single point
    above the figure may be luck.
    """
    since = math.inf
    for seconds, height in points:
        since = min(since, seconds) if height >= figure else math.inf
    return since


def compared(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Returns how one of jaxdl's searches stands to one of another racer's.

    ``validation`` and ``test`` each have ``best``, the figure of the other's last winner, ``after``, when jaxdl had
    reached it, in seconds, and ``share``, the same as a part of the time of the other's search; None where there is no
    such figure.
    """
    found: dict[str, Any] = {name: (ours[name], theirs[name]) for name in ("tried", "seconds")}
    for name in ("validation", "test"):
        curves = []
        for run in (ours, theirs):
            points = run["curve"]
            heights = [(point["seconds"], point["figure"]) for point in points]
            known = bool(points) and bool(points[-1].get("test"))
            curves.append(heights if name == "validation" else tested(points) if known else [])
        if not all(curves):
            found[name] = None
            continue
        best = curves[1][-1][1]
        after = reached(curves[0], best)
        found[name] = {"best": best, "after": after, "share": after / theirs["seconds"]}
    return found


def markdown(runs: Sequence[Mapping[str, Any]]) -> str:
    """Returns a row for each space, other racer and seed, their medians and mean curves; then what each racer found."""
    lines = [
        "| space | beside | seed | its best on validation | jaxdl there after, s | part of its time | "
        "its winner on test | jaxdl there after, s | part of its time | settings tried: it, jaxdl |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for space in SPACES:
        ours = longest(runs, space, "jaxdl")
        for racer in RACERS:
            theirs = longest(runs, space, racer)
            seeds = [seed for seed in theirs if seed in ours and racer != "jaxdl"]
            each = {seed: compared(ours[seed], theirs[seed]) for seed in seeds}
            lines += [_row(space, racer, str(seed), found) for seed, found in each.items()]
            if len(each) > 1:
                lines.append(_row(space, racer, "median", _median(list(each.values()))))
                both = ([found[seed] for seed in each] for found in (ours, theirs))
                lines.append(_row(space, racer, "mean of the curves", _of_means(*both)))
    return "\n".join([*lines, "", *_alone(runs)])


def _row(space: str, racer: str, seed: str, found: Mapping[str, Any]) -> str:
    cells = [space, _NAMES[racer], seed]
    for name in ("validation", "test"):
        figures = found[name]
        if figures is None:
            cells += ["", "", ""]
        elif math.isinf(figures["share"]):
            cells += [f"{figures['best']:.4f}", "not reached", ""]
        else:
            cells += [f"{figures['best']:.4f}", f"{figures['after']:.0f}", f"{figures['share']:.2f}"]
    ours, theirs = found["tried"]
    one, other = found["seconds"]
    cells.append(f"{theirs:.0f}, {ours:.0f}" + (f" in {one:.0f} of {other:.0f} s" if one < other else ""))
    return "| " + " | ".join(cells) + " |"


def _median(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the median of each figure over the seeds; one that is not reached is later than any other."""
    middle: dict[str, Any] = {
        name: tuple(statistics.median(each[name][place] for each in found) for place in (0, 1))
        for name in ("tried", "seconds")
    }
    for name in ("validation", "test"):
        known = [each[name] for each in found if each[name] is not None]
        keys = ("best", "after", "share")
        middle[name] = {key: statistics.median(each[key] for each in known) for key in keys} if known else None
    return middle


def _of_means(ours: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the figures of `compared` for the means of the curves from several seeds, of which none is a pair."""
    found: dict[str, Any] = {
        name: tuple(statistics.fmean(run[name] for run in runs) for runs in (ours, theirs))
        for name in ("tried", "seconds")
    }
    for name in ("validation", "test"):
        sides = [[_heights(run, name) for run in runs] for runs in (ours, theirs)]
        if not all(all(side) for side in sides):
            found[name] = None
            continue
        means = []
        for runs, curves in zip((ours, theirs), sides, strict=True):
            whole = [_extended(curve, run["seconds"]) for curve, run in zip(curves, runs, strict=True)]
            means.append(list(zip(*together(whole, statistics.fmean), strict=True)))
        best = means[1][-1][1]
        after = reached(means[0], best)
        found[name] = {"best": best, "after": after, "share": after / found["seconds"][1]}
    return found


def _alone(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns a table of what each racer found: medians over the seeds."""
    head = "| space | racer | seeds | settings tried, to their end | best on validation | after, s | its mean on test |"
    lines = [head, "|---|---|---|---|---|---|---|"]
    for space in SPACES:
        for racer, name in _NAMES.items():
            found = [run for run in longest(runs, space, racer).values() if run["curve"]]
            if not found:
                continue
            last = [run["curve"][-1] for run in found]
            means = [statistics.fmean(point["test"]) for point in last if point.get("test")]
            counts = [f"{statistics.median(run[key] for run in found):.0f}" for key in ("tried", "completed")]
            cells = [space, name, str(len(found)), ", ".join(counts)]
            cells.append(f"{statistics.median(point['figure'] for point in last):.4f}")
            cells.append(f"{statistics.median(point['seconds'] for point in last):.0f}")
            cells.append(f"{statistics.median(means):.4f}" if means else "")
            lines.append("| " + " | ".join(cells) + " |")
    return lines


def plot(runs: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Draws the curves: a column for each space, validation above test; a thin line for each seed, a thick median."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    spaces = [space for space in SPACES if any(run["space"] == space and run["curve"] for run in runs)]
    if not spaces:
        return
    size = (max(6.4, 3.2 * len(spaces) + 1), 5.6)
    figure, grid = pyplot.subplots(2, len(spaces), figsize=size, layout="constrained", squeeze=False, sharex="col")
    for column, space in enumerate(spaces):
        for axes, name in zip(grid[:, column], ("validation", "test"), strict=True):
            worst, lowest = 1.0, 1.0
            for racer, color in RACERS.items():
                curves = [
                    _extended(_heights(run, name), run["seconds"])
                    for run in longest(runs, space, racer).values()
                    if _heights(run, name)
                ]
                for times, heights in curves:
                    axes.step(times, heights, where="post", color=color, linewidth=0.7, alpha=0.4)
                    worst, lowest = min(worst, heights[-1]), min(lowest, *heights)
                if curves:
                    axes.step(*together(curves), where="post", color=color, linewidth=2, label=_NAMES[racer])
            # From where all begin, or where the searches that end there can still be told apart.
            axes.set_ylim(max(lowest - 0.002, 1 - 4 * (1 - worst)) if worst < 1 else 0.9, None)
            axes.set_xscale("log")
            axes.spines[["top", "right"]].set_visible(False)
        grid[0, column].set_title(space, fontsize="medium")
        grid[1, column].set_xlabel("seconds of search")
    grid[0, 0].set_ylabel("best accuracy on validation")
    grid[1, 0].set_ylabel("mean accuracy on test\nof the winner, fresh seeds")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, ncols=len(labels), loc="outside upper center", frameon=False, fontsize="small")
    figure.savefig(file, dpi=150)
    pyplot.close(figure)


def _heights(run: Mapping[str, Any], name: str) -> list[tuple[float, float]]:
    points = run["curve"]
    return tested(points) if name == "test" else [(point["seconds"], point["figure"]) for point in points]


def _extended(points: Sequence[tuple[float, float]], seconds: float) -> tuple[list[float], list[float]]:
    """Returns the times and heights of a curve, which stays as it is to the end of its search."""
    times, heights = map(list, zip(*points, strict=True))
    return [*times, seconds], [*heights, heights[-1]]


def together(
    curves: Sequence[tuple[list[float], list[float]]], of: Callable[[Iterable[float]], float] = statistics.median
) -> tuple[list[float], list[float]]:
    """Returns the median of curves that stay as they are between their points, from when on all of them have one.

    Args:
        curves: times and heights of each.
        of: what is computed of the heights in the place of the median.
    """
    first, last = max(times[0] for times, _ in curves), min(times[-1] for times, _ in curves)
    moments = sorted({time for times, _ in curves for time in times if first <= time <= last})

    def height(curve: tuple[list[float], list[float]], moment: float) -> float:
        return [height for time, height in zip(*curve, strict=True) if time <= moment][-1]

    return moments, [of(height(curve, moment) for curve in curves) for moment in moments]
