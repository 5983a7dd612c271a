"""The results of a sweep as tables: CSV and Parquet of the trials, Markdown and LaTeX of the statistics over seeds."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from jaxdl.fields import short_names, show
from jaxdl.files.atomic import named_cause, replace_file
from jaxdl.report.format import figure
from jaxdl.sweeps.definition import REPEATED
from jaxdl.sweeps.results.results import SweepResults


def write_tables(results: SweepResults) -> None:
    """Writes the rows as ``results.csv`` and ``results.parquet``, and the groups as Markdown and LaTeX.

    Raises:
        UserError: a file cannot be written.
    """
    folder = results.sweep_dir
    write_rows(results)
    replace_file(folder / "results.parquet", _parquet(results))
    head, rows = group_table(results)
    replace_file(folder / "results.md", markdown_table(head, rows))
    replace_file(folder / "results.tex", latex_table(head, rows))


def write_rows(results: SweepResults) -> None:
    """Writes the rows as ``results.csv``.

    Raises:
        UserError: it cannot be written.
    """
    replace_file(results.sweep_dir / "results.csv", csv_text(results))


def csv_text(results: SweepResults) -> str:
    """Returns the rows as CSV with a header (RFC 4180, lines ended by a line feed)."""
    text = io.StringIO()
    rows = results.rows
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    return "" if value is None else show(value) if isinstance(value, tuple | float | bool) else value


def _parquet(results: SweepResults) -> bytes:
    import pyarrow
    from pyarrow import parquet

    # Lists and parts become text: a column of a file has one type.
    rows = [{k: show(v) if isinstance(v, tuple) else v for k, v in row.items()} for row in results.rows]
    columns = {key: _column([row[key] for row in rows]) for key in (rows[0] if rows else ())}
    buffer = pyarrow.BufferOutputStream()
    with named_cause(results.sweep_dir, "write"):
        parquet.write_table(pyarrow.table(columns), buffer)
    content: bytes = buffer.getvalue().to_pybytes()
    return content


def _column(values: Sequence[Any]) -> list[Any]:
    """Returns a column in one type: numbers if all values are numbers, otherwise text."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int} or kinds <= {float} or kinds <= {bool} or kinds <= {str}:
        return list(values)
    if kinds <= {int, float}:
        return [None if value is None else float(value) for value in values]
    return [None if value is None else show(value) for value in values]


def group_table(results: SweepResults) -> tuple[list[str], list[list[str]]]:
    """Returns head and rows of the table over seeds, the best combination first."""
    name = results.definition.objective
    also = list(results.also[0]) if results.trials else []
    swept = [axis.path for axis in results.definition.space.axes if axis.path not in REPEATED]
    paths = list(dict.fromkeys([*swept, *also]))
    data = ", ".join(sorted({trial.outcome.data for trial in results.trials if trial.outcome and trial.outcome.data}))
    short = {path: last for last, path in short_names(paths).items()}
    names = [short.get(path, path) for path in paths]
    definition = results.definition
    others = tuple(dict.fromkeys([*definition.others, *(bound.aim for bound in definition.bounds)]))
    best = {group.trials for group in results.front} if definition.others else set()
    head = [
        *names,
        "trials",
        f"{name}, mean",
        "std",
        "95 % interval",
        *others,
        *(["front"] * bool(definition.others)),
        "measured on",
    ]
    rows = [
        [
            *(show(values[path]) if path in values else "" for path in paths),
            str(len(group.trials)) if len(group.trials) == group.of else f"{len(group.trials)} of {group.of}",
            *("" if value is None else figure(value) for value in (group.mean, group.std)),
            "" if group.ci95 is None else f"± {figure(group.ci95)}",
            *(_figure_of(aim, group.others[aim]) if aim in group.others else "" for aim in others),
            *(["yes" if group.trials in best else ""] * bool(definition.others)),
            data,
        ]
        for group, values in ((group, {**group.values, **group.also}) for group in results.groups)
    ]
    return head, rows


def _figure_of(aim: str, value: float) -> str:
    """Returns the figure of an aim; what is counted is a whole number, unless it is a mean of different ones."""
    return f"{value:,.0f}" if aim in ("parameters", "steps") and value == round(value) else figure(value)


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def latex_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a table in LaTeX, for the package ``booktabs``."""
    body = "".join("  " + " & ".join(map(_latex, row)) + r" \\" + "\n" for row in rows)
    return (
        f"\\begin{{tabular}}{{{'l' * len(head)}}}\n  \\toprule\n  {' & '.join(map(_latex, head))} \\\\\n"
        f"  \\midrule\n{body}  \\bottomrule\n\\end{{tabular}}\n"
    )


_LATEX = {
    **{character: "\\" + character for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
}


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
