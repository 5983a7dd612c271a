"""What a trained model has inside: the filters of its first convolution, and what its layers make of one example."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict

from jaxdl.data import Spec
from jaxdl.inference.inspection.shown import png

_MOST_FILTERS, _MOST_MAPS, _MOST_UNITS, _MOST_STEPS = 64, 32, 64, 400
_MOST_LAYERS, _MOST_CURVES, _ACROSS = 4, 6, 8
_GAP = 0.8  # the gray between pictures
# From the least to the largest number: blue, white in the middle, and red.
_BELOW, _ABOVE = np.array([33, 102, 172]) / 255, np.array([178, 24, 43]) / 255

Path = tuple[str, ...]


def filters(spec: Spec, params: Any) -> dict[str, Any] | None:
    """Returns the kernels of the first convolution that reads the inputs, as one picture; None where there is none.

    Args:
        spec: describes the data.
        params: the parameters.
    """
    if len(spec.model_shape) != 3:
        return None
    channels = spec.model_shape[-1]
    for path, kernel in flatten_dict(params).items():
        if path[-1] == "kernel" and kernel.ndim == 4 and kernel.shape[2] == channels and max(kernel.shape[:2]) > 1:
            return _drawn("/".join(path[:-1]), np.asarray(kernel, np.float32))
    return None


def _drawn(name: str, kernel: np.ndarray) -> dict[str, Any]:
    """Returns kernels (height, width, channels, filters) as a picture: those of three channels as colours."""
    each = kernel.transpose(3, 0, 1, 2)[:_MOST_FILTERS]
    most = float(np.abs(each).max()) or 1.0
    colours = each / most / 2 + 0.5 if each.shape[-1] == 3 else diverging(each.mean(-1) / most)
    return {
        "layer": name,
        "shape": list(kernel.shape),
        "shown": len(each),
        "most": most,
        "png": png(sheet(colours), 2000),
    }


def activations(captured: Mapping[Path, np.ndarray]) -> list[dict[str, Any]]:
    """Returns what layers make of one picture: a sheet with a picture for each channel, of up to four layers.

    Args:
        captured: (1, ...) by the path of each module, in the order of their calls.
    """
    maps = _distinct({path: each for path, each in captured.items() if each.ndim == 4 and min(each.shape[1:3]) > 1})
    found = []
    for path, array in spread(maps):
        each = np.moveaxis(np.asarray(array, np.float32), -1, 0)[:_MOST_MAPS]
        least, most = float(each.min()), float(each.max())
        gray = np.repeat(((each - least) / (most - least or 1.0))[..., None], 3, -1)
        found.append(
            {
                "layer": "/".join(path),
                "shape": list(array.shape),
                "shown": len(each),
                "least": least,
                "most": most,
                "png": png(sheet(gray), 2000),
            }
        )
    return found


def traces(captured: Mapping[Path, np.ndarray], steps: int, valid: int) -> list[dict[str, Any]]:
    """Returns the states of recurrent layers over the steps of one example, as a picture and as curves.

    Args:
        captured: (1, ...) by the path of each module, in the order of their calls.
        steps: of an example, as the model reads it.
        valid: how many of them count.
    """
    states = _distinct({path: each for path, each in captured.items() if each.ndim == 3 and each.shape[1] == steps > 1})
    found = []
    for path, array in spread(states):
        shown = np.asarray(array, np.float32)[: min(valid, _MOST_STEPS)]
        most = float(np.abs(shown).max()) or 1.0
        liveliest = np.argsort(-shown.std(0), kind="stable")[:_MOST_CURVES]
        found.append(
            {
                "layer": "/".join(path),
                "steps": len(shown),
                "units": array.shape[1],
                "shown": min(array.shape[1], _MOST_UNITS),
                "most": most,
                "png": png(diverging(shown[:, :_MOST_UNITS].T / most), 2000),
                "curves": {
                    f"unit {n}": [float(f"{value:.4g}") for value in shown[:, n]] for n in sorted(liveliest.tolist())
                },
            }
        )
    return found


def _distinct(captured: Mapping[Path, np.ndarray]) -> dict[Path, np.ndarray]:
    """Returns what is captured of the only example, without what equals the result before it, as dropout's does."""
    found: dict[Path, np.ndarray] = {}
    for path, array in captured.items():
        if not any(np.array_equal(array[0], other) for other in found.values()):
            found[path] = array[0]
    return found


def spread(layers: Mapping[Path, Any]) -> list[tuple[Path, Any]]:
    """Returns some of the layers, evenly spread from the first to the last."""
    places = np.unique(np.linspace(0, len(layers) - 1, min(_MOST_LAYERS, len(layers))).round().astype(int))
    items = list(layers.items())
    return [items[place] for place in places] if items else []


def sheet(pictures: np.ndarray) -> np.ndarray:
    """Returns pictures (count, height, width, 3) in rows, with a gray gap of one pixel; floats from 0 to 1."""
    count, height, width, _ = pictures.shape
    across = min(_ACROSS, count)
    down = -(-count // across)
    whole = np.full((down * (height + 1) - 1, across * (width + 1) - 1, 3), _GAP, np.float32)
    for number, picture in enumerate(pictures):
        top, left = number // across * (height + 1), number % across * (width + 1)
        whole[top : top + height, left : left + width] = picture
    return whole


def diverging(values: np.ndarray) -> np.ndarray:
    """Returns numbers from -1 to 1 as colours (..., 3) from 0 to 1: below 0 blue, 0 white, above 0 red."""
    share = np.clip(np.nan_to_num(values), -1, 1)[..., None]
    colours: np.ndarray = np.where(share < 0, 1 + share * (1 - _BELOW), 1 - share * (1 - _ABOVE))
    return colours
