"""Plots as SVG text that is embedded in a page and uses its colours.

Matplotlib draws in placeholder colours that are then replaced by the page's own, so that one drawing fits light and
dark.
"""

from __future__ import annotations

import contextlib
import hashlib
import html
import io
import logging
import re
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Placeholder colours, and the colours of the page that replace them.
INK, LINE = "#010203", "#010204"
SERIES = {"train": "#010205", "validation": "#010206", "test": "#010207"}
OTHER = "#010208"
_PAGE = {
    INK: "var(--ink)",
    LINE: "var(--line)",
    SERIES["train"]: "var(--train)",
    SERIES["validation"]: "var(--validation)",
    SERIES["test"]: "var(--test)",
    OTHER: "var(--other)",
}
_LONGEST_NAME = 24


def quiet_about_its_folder() -> None:
    """Keeps Matplotlib from two warnings where the home is not writable; call it before the first import.

    It then uses a temporary folder, and is only slower.
    """
    logging.getLogger("matplotlib").addFilter(_is_of_other_matters)  # added once, however often


def _is_of_other_matters(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(("mkdir -p failed for path", "Matplotlib created a temporary"))


@contextlib.contextmanager
def drawing() -> Iterator[type[Figure]]:
    """Yields a Matplotlib figure with our own settings, independent of the user's configuration files."""
    quiet_about_its_folder()
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "jaxdl"})
        yield Figure


def whole_numbers(axes: Axes) -> None:
    """Labels only whole numbers on the x axis, even if there is only one."""
    from matplotlib.ticker import MaxNLocator

    low, high = axes.get_xlim()
    if high - low < 1:
        axes.set_xlim((low + high - 1) / 2, (low + high + 1) / 2)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def dress(axes: Axes) -> None:
    """Gives axes the page's colours and font sizes."""
    axes.patch.set_visible(False)
    axes.tick_params(labelsize=8, color=LINE, labelcolor=INK)
    for spine in axes.spines.values():
        spine.set_color(LINE)
    axes.grid(color=LINE, lw=0.6)
    axes.set_axisbelow(True)


def shortened_name(name: str) -> str:
    """Shortens a name to leave room for the plot; the page's tables show all of it."""
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"


def svg(figure: Figure, title: str) -> str:
    """Returns the figure as one ``<svg>`` element that refers to nothing outside the page."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    figure.patch.set_visible(False)
    FigureCanvasSVG(figure)
    buffer = io.StringIO()
    with warnings.catch_warnings():
        # The text is drawn in the page's fonts, so a letter missing in Matplotlib's fonts does not matter.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'\sxmlns(:xlink)?="[^"]*"|<!--.*?-->|font-family: [^;"]*; ?', "", text, flags=re.DOTALL)
    # One page has several drawings, and each names its parts axes_1, patch_2 and so on.
    prefix = "p" + hashlib.sha256(text.encode()).hexdigest()[:8]
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}-", text)
    for drawn, shown in _PAGE.items():
        text = text.replace(drawn, shown)
    return text.replace("<svg", f'<svg role="img" aria-label="{html.escape(title)}"', 1)
