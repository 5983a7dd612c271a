"""Tables and a figure of a comparison: on the terminal, ``results.md`` for the README, and ``results.png``."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.frameworks import FRAMEWORKS
from benchmarks.summary import OURS, PLAIN, best_peak, case_name, ratios, speeds
from benchmarks.workloads import WORKLOADS

# Okabe and Ito's palette, distinguishable with each common kind of colour blindness; jaxdl's is the darkest.
_COLORS = dict(
    zip(FRAMEWORKS, ("#000000", "#E69F00", "#F0E442", "#D55E00", "#0072B2", "#56B4E9", "#009E73"), strict=True)
)


def write(results: Mapping[str, Any], folder: Path) -> None:
    """Writes ``results.md`` and ``results.png`` into `folder`."""
    (folder / "results.md").write_text(markdown(results))
    plot(results, folder / "results.png")


def text(results: Mapping[str, Any]) -> str:
    """Returns a table for each workload, and then the problems."""
    lines = [_about(results), ""]
    head = ("framework", "examples/s", "jaxdl / it", "s to target", "epochs", "accuracy", "peak MiB", "% of peak")
    for entry in results["summary"]:
        recipe = WORKLOADS[entry["workload"]]
        case = case_name((entry["workload"], entry["precision"]))
        lines += [f"{case}: target {recipe.target}, accuracy after {recipe.compare_epochs} epochs", ""]
        rows = [head, *(_row(name, figures) for name, figures in entry["frameworks"].items())]
        widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
        for name, *numbers in rows:
            cells = (number.rjust(width) for number, width in zip(numbers, widths[1:], strict=True))
            lines.append("  ".join([name.ljust(widths[0]), *cells]))
        if any(figures["dropped"] for figures in entry["frameworks"].values()):
            share = results["settings"]["drop_below"]
            lines.append(f"* below {share:g} of the best peer in the first rounds, and not run again")
        lines.append("")
    wrong = [problem for entry in results["summary"] for problem in entry["problems"]]
    return "\n".join([*lines, *(f"WRONG: {problem}" for problem in wrong)]).rstrip()


def _row(name: str, figures: Mapping[str, Any]) -> tuple[str, ...]:
    share = figures.get("share_of_peak")
    return (
        name + ("*" if figures["dropped"] else ""),
        _middle(figures["examples_per_second"], ",.0f"),
        "" if name == OURS else _spread(figures["ours_over_it"]),
        _middle(figures["seconds_to_target"], ".1f"),
        _middle(figures["epochs_to_target"], ".0f"),
        _middle(figures["accuracy"], ".4f"),
        _middle(figures["device_peak_mib"] or figures["peak_mib"], ",.0f"),
        f"{100 * share:.1f}" if share else "-",
    )


def markdown(results: Mapping[str, Any]) -> str:
    """Returns the table for the README: one row for each workload."""
    lines = [
        _about(results),
        "",
        "| workload | jaxdl, examples/s | best peer | jaxdl / best peer | jaxdl / plain Flax | share of peak |",
        "|---|---|---|---|---|---|",
    ]
    for entry in results["summary"]:
        frameworks, best = entry["frameworks"], entry["best_peer"]
        ours = frameworks.get(OURS, {})
        share = ours.get("share_of_peak")
        cells = (
            case_name((entry["workload"], entry["precision"])),
            _middle(ours.get("examples_per_second"), ",.0f"),
            f"{best}, {_middle(frameworks[best]['examples_per_second'], ',.0f')}" if best else "-",
            _spread(frameworks[best]["ours_over_it"]) if best else "-",
            _spread(frameworks.get(PLAIN, {}).get("ours_over_it")),
            f"{100 * share:.0f} %" if share else "-",
        )
        lines.append("| " + " | ".join(cells) + " |")
    wrong = [problem for entry in results["summary"] for problem in entry["problems"]]
    if wrong:
        lines += ["", "Wrong in this comparison:", "", *(f"- {problem}" for problem in wrong)]
    return "\n".join(lines) + "\n"


def _about(results: Mapping[str, Any]) -> str:
    """Returns one line that says what was measured, on which machine, and how to read it."""
    machine, settings = results["machine"], results["settings"]
    where = machine["gpu"] if results["device"] == "gpu" else f"{machine['processor']}, {machine['cores']} cores"
    peaks = [best_peak(results["peaks"], precision) for precision in ("float32", "bfloat16")]
    named = ", ".join(f"{p['gflops']:,.0f} GFLOP/s ({p['library']}, {p['precision']})" for p in peaks if p)
    versions: dict[str, list[str]] = {}  # several of one framework if interpreters differ
    for run in results["runs"]:
        for name, version in run.get("versions", {}).items():
            versions[name] = [*dict.fromkeys([*versions.get(name, []), version])]
    listed = ", ".join(f"{name} {' and '.join(numbers)}" for name, numbers in versions.items())
    others = [run["other_cores"] for run in results["runs"] if run["other_cores"] is not None]
    busy = f"other work kept {statistics.median(others):.1f} cores busy (at most {max(others):.1f}); " if others else ""
    return (
        f"{results['began'][:10]}, {where}; median [least, largest] of up to {settings['pairs']} rounds in turns, "
        f"compilation left out; {busy}share of the largest measured matrix product, {named or 'not measured'}; "
        f"{listed}."
    )


def _middle(figures: Mapping[str, float] | None, form: str) -> str:
    return format(figures["median"], form) if figures else "-"


def _spread(figures: Mapping[str, float] | None) -> str:
    if not figures:
        return "-"
    if figures["count"] == 1:
        return f"{figures['median']:.2f} (1 run)"
    return f"{figures['median']:.2f} [{figures['min']:.2f}, {figures['max']:.2f}]"


def plot(results: Mapping[str, Any], path: Path) -> None:
    """Draws the examples per second of each framework over those of the best peer in the same round, as grouped bars.

    A bar is the median over the rounds; its error bar goes from the smallest to the largest. If plain Flax is the only
    peer, the bars are relative to it.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    summary = [
        entry for entry in results["summary"] if any(f["examples_per_second"] for f in entry["frameworks"].values())
    ]
    names = [name for name in FRAMEWORKS if any(name in entry["frameworks"] for entry in summary)]
    width = 0.84 / max(1, len(names))
    figure, axes = pyplot.subplots(figsize=(max(7.0, 1.5 * len(summary) + 2), 4.5), layout="constrained")
    for number, name in enumerate(names):
        places, heights, below, above = [], [], [], []
        for place, entry in enumerate(summary):
            rates = speeds(results["runs"], (entry["workload"], entry["precision"]))
            measure = entry["best_peer"] or (PLAIN if PLAIN in rates else OURS)
            relative = ratios(rates.get(name, {}), rates.get(measure, {}))
            if relative:
                places.append(place + (number - (len(names) - 1) / 2) * width)
                heights.append(relative["median"])
                below.append(relative["median"] - relative["min"])
                above.append(relative["max"] - relative["median"])
        style: Any = {"ecolor": "0.45", "capsize": 2, "edgecolor": "0.2", "linewidth": 0.5}
        axes.bar(places, heights, width, yerr=(below, above), label=name, color=_COLORS[name], **style)
    axes.axhline(1, color="0.4", linewidth=0.8, linestyle="--")
    labels = [case_name((entry["workload"], entry["precision"])).replace(" ", "\n") for entry in summary]
    axes.set_xticks(range(len(summary)), labels)
    axes.set_ylabel("examples/s over those of the best peer")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(ncols=len(names), loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False, fontsize="small")
    figure.savefig(path, dpi=150)
    pyplot.close(figure)
