"""Tables, plots and the HTML report of a run."""

from __future__ import annotations

from jaxdl.report.html import write_report
from jaxdl.report.layers import LayerTable, layer_table, render

__all__ = ["LayerTable", "layer_table", "render", "write_report"]
