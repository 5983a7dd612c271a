"""What a person reads about a data set before training: lines for the terminal, and a self-contained page."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table

from jaxdl.report.format import figure
from jaxdl.report.page import escaped, page, pairs, section, table

# Rows of a table that are shown; a page of thousands would not be read.
_MOST_ROWS = 100
_PICTURE_PIXELS = 112

_PAGE_STYLE = """<style>
.examples { display: flex; flex-wrap: wrap; gap: .8rem; } .examples figure { margin: 0; width: 7rem; }
.examples img { width: 7rem; height: auto; image-rendering: pixelated; border: 1px solid var(--line); }
.examples figcaption { font-size: .8rem; font-weight: 400; overflow-wrap: anywhere; }
.bar { display: inline-block; height: .7rem; background: var(--train); vertical-align: middle; }
</style>"""

Row = Sequence[Any]


def data_lines(facts: Mapping[str, Any], balance: Sequence[Row], splits: Sequence[str]) -> RenderableType:
    """Returns the facts and the class balance of a data set for the terminal.

    Args:
        facts: values by name.
        balance: for each class its name and its number of examples in each split.
        splits: names of the splits.
    """
    lines = Table(box=None, show_header=False)
    lines.add_column(no_wrap=True)
    lines.add_column(overflow="fold")
    for name, value in facts.items():
        lines.add_row(name, str(value))
    if not balance:
        return lines
    counts = Table("class", *splits, box=None)
    for column in counts.columns[1:]:
        column.justify = "right"
    for name, *numbers in balance[:_MOST_ROWS]:
        counts.add_row(str(name), *(f"{number:,}" for number in numbers))
    return Group(lines, "", counts, *_more(len(balance)))


def data_page(
    title: str,
    facts: Mapping[str, Any],
    warnings: Sequence[str],
    balance: Sequence[Row],
    splits: Sequence[str],
    statistics: Mapping[str, Sequence[Row]],
    examples: Mapping[str, str],
) -> str:
    """Returns the page.

    Args:
        title: name of the data.
        facts: values by name.
        warnings: what looks wrong, one sentence each.
        balance: for each class its name and its number of examples in each split.
        splits: names of the splits.
        statistics: for each kind of numbers (inputs, targets), for each one its name, least, mean, standard deviation,
            most and missing share.
        examples: content of a section by its title, such as the result of `pictures` or `numbers`.
    """
    doubts = "".join(f"<li>{escaped(warning)}</li>" for warning in warnings)
    return page(
        title,
        [
            _PAGE_STYLE,
            f"<h1>{escaped(title)}</h1>",
            section("What looks wrong", f"<ul>{doubts}</ul>" if doubts else "<p>Nothing was found.</p>"),
            section("The data", pairs(facts)),
            section("Class balance", _balance(balance, splits)),
            *(section(f"Statistics of the {name} of train", _statistics(rows)) for name, rows in statistics.items()),
            *(section(name, content) for name, content in examples.items()),
        ],
    )


def pictures(images: np.ndarray, captions: Sequence[str]) -> str:
    """Returns images with their captions.

    Args:
        images: (images, height, width, 1 or 3) from 0 for black to 1 for white.
        captions: one for each.
    """
    from PIL import Image

    figures = []
    for pixels, caption in zip(images, captions, strict=True):
        data, bytes_ = io.BytesIO(), np.rint(np.clip(np.nan_to_num(pixels), 0, 1) * 255).astype(np.uint8)
        image = Image.fromarray(bytes_[..., 0] if bytes_.shape[-1] == 1 else bytes_)
        image.thumbnail((2 * _PICTURE_PIXELS, 2 * _PICTURE_PIXELS))
        image.save(data, "PNG")
        source = "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()
        figures.append(
            f'<figure><img src="{source}" alt="{escaped(caption)}"><figcaption>{escaped(caption)}</figcaption></figure>'
        )
    return f'<div class="examples">{"".join(figures)}</div>'


def numbers(rows: np.ndarray, captions: Sequence[str], names: Sequence[str]) -> str:
    """Returns examples as a table.

    Args:
        rows: (examples, values).
        captions: one for each example.
        names: names of the values; the first hundred are shown.
    """
    shown = [
        [caption, *(figure(float(value)) for value in row[:_MOST_ROWS])]
        for row, caption in zip(rows, captions, strict=True)
    ]
    width = min(len(names), _MOST_ROWS)
    more = f"<p>and {len(names) - width:,} more values</p>" if len(names) > width else ""
    return table(["target", *names[:width]], shown, numbers=range(1, width + 1)) + more


def passages(texts: Sequence[str], captions: Sequence[str]) -> str:
    """Returns texts as a table, with a caption for each."""
    return table(["target", "text"], [[caption, text] for text, caption in zip(texts, captions, strict=True)])


def _balance(balance: Sequence[Row], splits: Sequence[str]) -> str:
    if not balance:
        return ""
    most = max(max(counts) for _, *counts in balance) or 1
    head = "".join(f"<th>{escaped(name)}</th>" for name in ("class", *splits, ""))
    rows = []
    for name, *counts in balance[:_MOST_ROWS]:
        cells = "".join(f'<td class="number">{count:,}</td>' for count in counts)
        bar = f'<td><span class="bar" style="width: {12 * counts[0] / most:.2f}rem"></span></td>'
        rows.append(f"<tr><td>{escaped(name)}</td>{cells}{bar}</tr>\n")
    more = "".join(f"<p>{escaped(line)}</p>" for line in _more(len(balance)))
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>{''.join(rows)}</tbody></table>{more}"


def _statistics(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    head = ["", "least", "mean", "deviation", "most", "missing"]
    shown = [[str(name), *map(figure, values), f"{missing:.1%}"] for name, *values, missing in rows[:_MOST_ROWS]]
    return table(head, shown, numbers=range(1, 6)) + "".join(f"<p>{line}</p>" for line in _more(len(rows)))


def _more(count: int) -> list[str]:
    return [f"and {count - _MOST_ROWS:,} more"] if count > _MOST_ROWS else []
