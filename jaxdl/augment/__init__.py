"""Random changes of training examples, inside the compiled step."""

from __future__ import annotations

from jaxdl.augment.audio import AudioAugmentation
from jaxdl.augment.images import Augmentation
from jaxdl.augment.series import SeriesAugmentation
from jaxdl.augment.tables import TableAugmentation
from jaxdl.augment.text import TextAugmentation
from jaxdl.fields import Family

# The first one was the only one once; configs from that time do not name it.
AUGMENTATIONS = Family(
    "augmentation",
    {
        "images": Augmentation,
        "tables": TableAugmentation,
        "text": TextAugmentation,
        "audio": AudioAugmentation,
        "series": SeriesAugmentation,
    },
    unnamed="images",
)

__all__ = [
    "AUGMENTATIONS",
    "AudioAugmentation",
    "Augmentation",
    "SeriesAugmentation",
    "TableAugmentation",
    "TextAugmentation",
]
