"""What Jupyter shows: areas of a cell's output that are kept up to date, and parts of a page beside a cell.

IPython is never imported: where there is a notebook, it is there already.
"""

from __future__ import annotations

import io
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from typing import Any

_SECONDS_BETWEEN = 0.25

# A notebook's own colours of text and page, light or dark, with those of the plots in the middle between both.
_STYLE = """
.jaxdl { --ink: currentColor; --soft: #7d8590; --line: #8b949e66; --card: #8b949e22; --train: #2f81f7;
  --validation: #d97706; --test: #059669; --other: #8957e5; --fifth: #be185d; --sixth: #0e7490;
  --alarm: #b45309; max-width: 62rem; }
.jaxdl h1 { font-size: 1.15rem; margin: 0; } .jaxdl h2 { font-size: 1rem; margin: .8rem 0 .2rem; }
.jaxdl p.sub { color: var(--soft); margin: .1rem 0 .5rem; }
.jaxdl p.banner { border: 2px solid var(--alarm); border-radius: 6px; padding: .3rem .7rem; font-weight: 600; }
.jaxdl table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 0 0 .5rem; }
.jaxdl th, .jaxdl td { border-bottom: 1px solid var(--line); padding: .15rem .9rem .15rem 0; text-align: left; }
.jaxdl td.number, .jaxdl th.number { text-align: right; } .jaxdl td.value { white-space: pre-wrap; }
.jaxdl .plots { display: flex; flex-wrap: wrap; gap: 1rem; } .jaxdl figure { margin: 0; }
.jaxdl figcaption { font-size: .9em; font-weight: 600; } .jaxdl svg { max-width: 100%; height: auto; }
.jaxdl svg text { font-size: 12px; fill: var(--ink); } .jaxdl svg .grid { stroke: var(--line); }
.jaxdl figure.chart { width: 34rem; }
.jaxdl .said { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.jaxdl pre { background: var(--card); border-radius: 6px; padding: .5rem; overflow-x: auto; }
.jaxdl progress { width: 14rem; vertical-align: middle; } .jaxdl .soft { color: var(--soft); }
"""


def in_notebook() -> bool:
    """Returns whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    return shell is not None and hasattr(shell, "kernel")


def quiet_about_its_bars() -> None:
    """Keeps tqdm, which Optuna and TFDS import, from a warning about bars that are not shown."""
    if in_notebook():
        warnings.filterwarnings("ignore", message="IProgress not found")


def framed(sections: Iterable[str]) -> str:
    """Returns parts of a page, such as those of `jaxdl.report.page`, as one that fits into a notebook."""
    return f'<div class="jaxdl"><style>{_STYLE}</style>\n' + "\n".join(filter(None, sections)) + "\n</div>"


def preformatted(renderable: Any) -> str:
    """Returns what rich would write to a terminal as HTML."""
    from rich.console import Console

    console = Console(file=io.StringIO(), record=True, width=120, force_jupyter=False, force_terminal=True)
    console.print(renderable)
    return str(console.export_html(inline_styles=True, code_format="<pre>{code}</pre>"))


class CellArea:
    """A part of a cell's output that is replaced as often as it changes.

    Args:
        rendered: returns its present HTML, and the same as plain text for where no HTML is shown.
        clock: returns seconds; for tests.
    """

    def __init__(self, rendered: Callable[[], tuple[str, str]], clock: Callable[[], float] = time.monotonic):
        self._rendered = rendered
        self._clock = clock
        self._name = f"jaxdl-{os.urandom(8).hex()}"
        self._shown_at: float | None = None

    def refresh(self, now: bool = False) -> None:
        """Shows the present state, at most four times a second unless it must be `now`."""
        at = self._clock()
        if not now and self._shown_at is not None and at - self._shown_at < _SECONDS_BETWEEN:
            return
        html, text = self._rendered()
        sys.modules["IPython"].display.publish_display_data(
            {"text/html": html, "text/plain": text},
            transient={"display_id": self._name},
            update=self._shown_at is not None,
        )
        self._shown_at = at
