"""Tables, plots and the HTML report of a run."""

from __future__ import annotations

from jaxdl.report.layers import LayerTable, layer_table, render
from jaxdl.report.run import write_report

__all__ = ["LayerTable", "layer_table", "render", "write_report"]
