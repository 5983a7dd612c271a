"""The parts of a self-contained HTML page."""

from __future__ import annotations

import html
import importlib.resources
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #59636e; --line: #d5dae0; --page: #ffffff; --card: #f6f8fa;
  --train: #2563eb; --validation: #d97706; --test: #059669; --other: #7c3aed; --alarm: #b45309; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --soft: #98a2ad; --line: #363d46; --page: #14171b;
  --card: #1c2026; --train: #6ea8fe; --validation: #f5b04c; --test: #4fd1a1; --other: #b79bff; --alarm: #f5b04c; } }
body { background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; max-width: 62rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin-top: 2.2rem; }
p.sub { color: var(--soft); margin-top: .2rem; }
p.banner { border: 2px solid var(--alarm); border-radius: 6px; padding: .6rem .9rem; font-weight: 600; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .8rem .25rem 0; text-align: left; vertical-align: top; }
th { font-weight: 600; } td.number, th.number { text-align: right; }
td { overflow-wrap: anywhere; } td.value { white-space: pre-wrap; }
.plots { display: flex; flex-wrap: wrap; gap: 1.5rem; } figure { margin: 0 0 1rem; max-width: 100%; }
figcaption { font-size: .9rem; font-weight: 600; margin-bottom: .3rem; } svg, img { max-width: 100%; height: auto; }
pre { background: var(--card); border-radius: 6px; padding: .8rem; overflow-x: auto; font-size: 13px; }
"""


def page(
    title: str, sections: Iterable[str], style: str = "", *, interactive: bool = False, scripts: Sequence[str] = ()
) -> str:
    """Returns a complete page; empty sections are left out.

    Args:
        title: of the page.
        sections: its content.
        style: further CSS.
        interactive: whether it has figures to point at and to save, see ``charts.js`` and ``figures.js``.
        scripts: names of further scripts that lie beside this file.
    """
    style, script = _STYLE + style, ""
    if interactive:
        style += _beside("figures.css")
        script = "".join(f"<script>{_beside(name)}</script>" for name in ("charts.js", "figures.js", *scripts))
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escaped(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{style}</style></head>\n<body>\n<main>\n"
        + "\n".join(filter(None, sections))
        + f"\n</main>\n{script}</body></html>\n"
    )


def _beside(name: str) -> str:
    """Returns the text of a file that lies beside this one."""
    return importlib.resources.files("jaxdl.report").joinpath(name).read_text(encoding="utf-8")


def plotted(title: str, drawing: str, kind: str = "") -> str:
    """Returns a plot with its title; `kind` is its class in the style sheet."""
    named = f' class="{kind}"' if kind else ""
    return f"<figure{named}><figcaption>{escaped(title)}</figcaption>{drawing}</figure>"


def titled(name: str, used: str) -> str:
    """Returns the title of a plot: what it shows, and the name of the data that it was measured on, if known."""
    return f"{name}, {used}" if used else name


def section(title: str, content: str) -> str:
    """Returns a section, or an empty string without content."""
    return f"<h2>{escaped(title)}</h2>\n{content}" if content else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int] = ()) -> str:
    """Returns a table; the columns `numbers` are aligned right."""
    aligned = set(numbers)

    def cells(tag: str, row: Sequence[str]) -> str:
        kinds = [' class="number"' if n in aligned else "" for n in range(len(row))]
        return "".join(f"<{tag}{kind}>{escaped(cell)}</{tag}>" for kind, cell in zip(kinds, row, strict=True))

    body = "".join(f"<tr>{cells('td', row)}</tr>\n" for row in rows)
    return f"<table><thead><tr>{cells('th', head)}</tr></thead>\n<tbody>{body}</tbody></table>"


def wide(content: str, name: str) -> str:
    """Returns a table that scrolls within itself where the page is narrow; reachable by keyboard."""
    return f'<div class="wide" tabindex="0" role="region" aria-label="{escaped(name)}">{content}</div>'


def pairs(values: Mapping[str, Any]) -> str:
    """Returns a table of names and values."""
    rows = (f'<tr><th>{escaped(k)}</th><td class="value">{escaped(in_words(v))}</td></tr>' for k, v in values.items())
    return f"<table><tbody>{''.join(rows)}</tbody></table>" if values else ""


def in_words(value: Any) -> str:
    """Returns a JSON value as text."""
    if isinstance(value, list):
        return ", ".join(in_words(item) for item in value) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {in_words(item)}" for key, item in value.items())
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return str(value)


def escaped(value: Any) -> str:
    """Returns a text with HTML's special characters escaped."""
    return html.escape(str(value), quote=True)
