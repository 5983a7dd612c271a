"""A comparison as a table: for the terminal, as CSV, Markdown, LaTeX, and as a page."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jaxdl.comparison.compare import Comparison, Group
from jaxdl.comparison.page import comparison_page
from jaxdl.errors import UserError, printable
from jaxdl.files.atomic import replace_file
from jaxdl.report.format import figure

if TYPE_CHECKING:
    from rich.table import Table

_LATEX = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "±": r"$\pm$"},
}
_MINUS = re.compile(r"(?<![\w.-])-(?=[\d.])")


def cells(comparison: Comparison, group: Group) -> list[str]:
    """Returns a recipe's row as text: its name, its seeds, and each figure with its interval and difference."""
    row = [group.name, str(group.seeds)]
    for metric in comparison.metrics:
        mean, against = comparison.estimate(group, metric), comparison.difference(group, metric)
        if mean is None:
            row.append("")
            continue
        text = figure(mean.mean) + (f" ± {figure(mean.half)}" if mean.half is not None else "")
        if against is not None:
            p = "" if against.p is None else f", p = {against.p:.2g}"
            seeds = "" if against.seeds == group.seeds else f", {against.seeds} in common"
            text += f" ({'+' if against.mean >= 0 else ''}{figure(against.mean)}{p}{seeds})"
        row.append(text)
    return row


def head(comparison: Comparison) -> list[str]:
    """Returns the columns' names."""
    return ["recipe", "seeds", *comparison.metrics]


def legend(comparison: Comparison) -> str:
    """Returns what the numbers of a table mean, and what the number of seeds allows to conclude."""
    return " ".join(filter(None, [_meaning(comparison), comparison.caution]))


def _meaning(comparison: Comparison) -> str:
    base = comparison.groups[comparison.baseline].name
    text = "Means over seeds ± half of the 95 % interval (Student's t)."
    if len(comparison.groups) > 1:
        text += f" In brackets: the difference from {base} over common seeds, and the p-value of the paired t-test"
        text += " (each test by itself; not corrected for their number)." if len(comparison.groups) > 2 else "."
    return text


def terminal_table(comparison: Comparison) -> Table:
    """Returns the table for the terminal."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for number, name in enumerate(head(comparison)):
        table.add_column(Text(printable(name)), justify="left" if not number else "right", overflow="fold")
    for group in comparison.groups:
        name, *others = map(printable, cells(comparison, group))
        table.add_row(Text(name), *(Text(cell.replace(" (", "\n(")) for cell in others))
    return table


def csv_text(comparison: Comparison) -> str:
    """Returns the rows as CSV, each number in a column of its own."""
    stream = io.StringIO()
    keys = dict.fromkeys(key for row in comparison.rows for key in row)
    writer = csv.DictWriter(stream, list(keys), lineterminator="\n")
    writer.writeheader()
    writer.writerows(comparison.rows)
    return stream.getvalue()


def markdown_text(comparison: Comparison) -> str:
    """Returns the table in Markdown."""

    def line(row: Sequence[str]) -> str:
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"

    columns = head(comparison)
    rows = [line(columns), line(["---"] * len(columns))]
    rows += [line(cells(comparison, group)) for group in comparison.groups]
    return "\n".join([*rows, "", legend(comparison), ""])


def latex_text(comparison: Comparison) -> str:
    r"""Returns the table in LaTeX, which needs no package: for ``\input``, and a document of one page by itself."""

    def line(row: Sequence[str]) -> str:
        return " & ".join(map(_latex, row)) + r" \\"

    columns = head(comparison)
    return "\n".join(
        [
            f"% {' '.join(printable(legend(comparison)).encode('ascii', 'replace').decode().split())}",
            # \@classoptionslist is \relax until a document class is loaded.
            r"\let\jaxdlend\relax",
            r"\expandafter\ifx\csname @classoptionslist\endcsname\relax",
            r"  \def\jaxdlend{\end{document}}\documentclass{article}\begin{document}\pagestyle{empty}\noindent",
            r"\fi",
            rf"\begin{{tabular}}{{l{'r' * (len(columns) - 1)}}}",
            r"\hline",
            line(columns),
            r"\hline",
            *(line(cells(comparison, group)) for group in comparison.groups),
            r"\hline",
            rf"\multicolumn{{{len(columns)}}}{{p{{0.9\linewidth}}}}{{\footnotesize {_latex(legend(comparison))}}}",
            r"\end{tabular}",
            r"\jaxdlend",
            "",
        ]
    )


def _latex(text: str) -> str:
    """Returns a text for LaTeX; signs that it does not know without further packages become the nearest ASCII."""
    found = []
    for sign in text:
        if sign in _LATEX or sign.isascii():
            found.append(_LATEX.get(sign, sign if sign.isprintable() else " "))
        else:
            found.append(unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode() or "?")
    return _MINUS.sub("$-$", "".join(found))


def html_text(comparison: Comparison) -> str:
    """Returns the comparison as a self-contained page."""
    text = "Means over seeds, and half of their 95 % intervals (Student's t); the drawings show both on one scale."
    if len(comparison.groups) > 1:
        base = comparison.groups[comparison.baseline].name
        text += (
            f" Differences are from {base} over the seeds in common, with their 95 % intervals; p is the p-value of "
        )
        text += "the paired t-test, each by itself and not corrected for the number of tests."
    return comparison_page(comparison, text)


_WRITERS: Mapping[str, Callable[[Comparison], str]] = {
    ".html": html_text,
    ".csv": csv_text,
    ".md": markdown_text,
    ".tex": latex_text,
}


def check_ending(path: Path) -> None:
    """Raises `UserError` for a file of another kind than those that `write` writes."""
    if path.suffix.lower() not in _WRITERS:
        raise UserError(f"--output={path}: the ending must be one of {', '.join(_WRITERS)}.")


def write(comparison: Comparison, path: Path) -> None:
    """Writes a comparison; the kind of the file follows from its ending: .html, .csv, .md or .tex.

    Raises:
        UserError: it has another ending, or the file cannot be written.
    """
    check_ending(path)
    replace_file(path, _WRITERS[path.suffix.lower()](comparison))
