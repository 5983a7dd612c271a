"""Data sources: what an example is, and where examples come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxdl.data.images import find_images, load_image, load_images
from jaxdl.data.preprocess import Preprocess
from jaxdl.data.sounds import find_sounds, load_sound, load_sounds
from jaxdl.data.source import Data, Notify, default_data_dir
from jaxdl.data.sources.addition import Addition
from jaxdl.data.sources.array_file import ArrayFile
from jaxdl.data.sources.arrays import Arrays
from jaxdl.data.sources.audio import Audio
from jaxdl.data.sources.bits import Bits
from jaxdl.data.sources.digits import Digits
from jaxdl.data.sources.folder import Folder
from jaxdl.data.sources.samples import BreastCancer, Diabetes, Iris, Wine
from jaxdl.data.sources.series import Series
from jaxdl.data.sources.shapes import Shapes
from jaxdl.data.sources.sine import Sine
from jaxdl.data.sources.spoken_digit import SpokenDigit
from jaxdl.data.sources.subtraction import Subtraction
from jaxdl.data.sources.table import Table
from jaxdl.data.sources.tasks import Adding, CopyMemory, Parity
from jaxdl.data.sources.text import Text
from jaxdl.data.sources.tfds import Tfds, check_name
from jaxdl.data.sources.trees import Trees
from jaxdl.data.sources.vowels import Vowels
from jaxdl.data.spec import Dataset, Spec, Split, examples, fingerprint
from jaxdl.errors import UserError
from jaxdl.fields import Family

_EMBEDDED = (
    "digits, iris, wine, breast_cancer, diabetes, bits, shapes, vowels, subtraction, sine, adding, copy, "
    "parity, addition"
)
# Sources of their user's own files, named as KIND:PATH.
_OF_FILES: Mapping[str, type[Data]] = {
    "folder": Folder,
    "table": Table,
    "csv": Table,
    "arrays": ArrayFile,
    "text": Text,
    "audio": Audio,
    "trees": Trees,
    "series": Series,
}


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
            f"an embedded set ({_EMBEDDED}) or a name of tensorflow-datasets such as fashion_mnist or mnist:3.0.1."
        )
    raise UserError(
        f"unknown data set {name!r}: it is not an embedded set ({_EMBEDDED}), and names of "
        f"tensorflow-datasets look like fashion_mnist or emnist/letters.{_lower_hint(name)}"
    )


def _lower_hint(name: str) -> str:
    lower = name.lower().replace("-", "_")
    return "" if check_name(lower) else f" Did you mean {lower!r}?"


DATA = Family(
    "data set",
    {
        "digits": Digits,
        "bits": Bits,
        "shapes": Shapes,
        "iris": Iris,
        "wine": Wine,
        "breast_cancer": BreastCancer,
        "diabetes": Diabetes,
        "arrays": Arrays,
        "array_file": ArrayFile,
        "audio": Audio,
        "spoken_digit": SpokenDigit,
        "vowels": Vowels,
        "folder": Folder,
        "table": Table,
        "text": Text,
        "trees": Trees,
        "subtraction": Subtraction,
        "series": Series,
        "sine": Sine,
        "adding": Adding,
        "copy": CopyMemory,
        "parity": Parity,
        "addition": Addition,
        "tfds": Tfds,
    },
    other=_named,
)

__all__ = [
    "DATA",
    "Adding",
    "Addition",
    "ArrayFile",
    "Arrays",
    "Audio",
    "Bits",
    "BreastCancer",
    "CopyMemory",
    "Data",
    "Dataset",
    "Diabetes",
    "Digits",
    "Folder",
    "Iris",
    "Notify",
    "Parity",
    "Preprocess",
    "Series",
    "Shapes",
    "Sine",
    "Spec",
    "Split",
    "SpokenDigit",
    "Subtraction",
    "Table",
    "Text",
    "Tfds",
    "Trees",
    "Vowels",
    "Wine",
    "default_data_dir",
    "examples",
    "find_images",
    "find_sounds",
    "fingerprint",
    "load_image",
    "load_images",
    "load_sound",
    "load_sounds",
]
