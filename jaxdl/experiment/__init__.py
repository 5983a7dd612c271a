"""The experiment: a recipe that is a value.

Its names are imported at their first use, so that ``--list`` imports no JAX.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxdl.experiment.recipe import Checkpointing, Experiment, Training

__all__ = ["Checkpointing", "Experiment", "Training"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from jaxdl.experiment import recipe

        return getattr(recipe, name)
