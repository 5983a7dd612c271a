"""Data sources: what an example is, and where examples come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxdl.data.images import find_images, load_image, load_images
from jaxdl.data.preprocess import Preprocess
from jaxdl.data.source import Data, Notify, default_data_dir
from jaxdl.data.sources.arrays import Arrays
from jaxdl.data.sources.bits import Bits
from jaxdl.data.sources.digits import Digits
from jaxdl.data.sources.shapes import Shapes
from jaxdl.data.sources.tfds import Tfds, check_name
from jaxdl.data.spec import Dataset, Spec, Split, examples, fingerprint
from jaxdl.errors import UserError
from jaxdl.fields import Family

# Sources of their user's own files, named as KIND:PATH.
_OF_FILES: Mapping[str, type[Data]] = {}


def _named(name: str) -> tuple[type[Data], Mapping[str, Any]]:
    """Returns the source for KIND:PATH or a TFDS name; loading it checks whether there is such a set."""
    kind, colon, path = name.partition(":")
    if colon and kind in _OF_FILES and path:
        return _OF_FILES[kind], {"path": path}
    if check_name(name) is None:
        return Tfds, {"name": name}
    if colon:
        kinds = ", ".join(known + ":PATH" for known in _OF_FILES)
        raise UserError(
            f"unknown data set {name!r}: there is no kind of source {kind + ':'!r}. Give one of {kinds}, "
            "an embedded set (bits, digits, shapes) or a name of tensorflow-datasets such as mnist or mnist:3.0.1."
        )
    raise UserError(
        f"unknown data set {name!r}: it is not an embedded set (bits, digits, shapes), and names of "
        f"tensorflow-datasets look like fashion_mnist or emnist/letters.{_lower_hint(name)}"
    )


def _lower_hint(name: str) -> str:
    lower = name.lower().replace("-", "_")
    return "" if check_name(lower) else f" Did you mean {lower!r}?"


DATA = Family(
    "data set", {"digits": Digits, "bits": Bits, "shapes": Shapes, "arrays": Arrays, "tfds": Tfds}, other=_named
)

__all__ = [
    "DATA",
    "Arrays",
    "Bits",
    "Data",
    "Dataset",
    "Digits",
    "Notify",
    "Preprocess",
    "Shapes",
    "Spec",
    "Split",
    "Tfds",
    "default_data_dir",
    "examples",
    "find_images",
    "fingerprint",
    "load_image",
    "load_images",
]
