"""What a person should know of coded texts: units, lengths, what is unknown, and examples as a model sees them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxdl.data.spec import Dataset, Split
from jaxdl.data.texts.coding import UNKNOWN, TextCoding

_COMMONEST = 20


def text_facts(dataset: Dataset, coding: TextCoding) -> dict[str, str]:
    """Returns facts by name."""
    capitals = ", capitals as small letters" if coding.lowercase else ""
    facts = {"units": f"{coding.units}{capitals}; {coding.size:,} ids"}
    if coding.tokens:
        facts["commonest units"] = " ".join(map(repr, coding.tokens[:_COMMONEST]))
    if "lengths" in dataset.splits["train"]:
        for name, split in dataset.splits.items():
            lengths = split["lengths"]
            shares = np.percentile(lengths, (0, 50, 95, 100), method="inverted_cdf")
            least, middle, most, longest = (int(share) for share in shares)
            full = int((lengths == coding.length).sum())
            facts[f"{coding.units} of a text in {name}"] = (
                f"{least} to {longest}, median {middle}, 95 percent have at most {most}; {full:,} have all "
                f"{coding.length} steps, where longer ones are cut"
            )
    if coding.has_unknown:
        shares_of = (f"{name} {_unknown(split):.2%}" for name, split in dataset.splits.items())
        facts[f"unknown {coding.units}"] = ", ".join(shares_of)
    return facts


def _unknown(split: Split) -> float:
    inputs = split["inputs"]
    counts = np.ones(inputs.shape, bool)
    if "lengths" in split:
        counts = np.arange(inputs.shape[1]) < split["lengths"][:, None]
    return float((inputs[counts] == UNKNOWN).sum() / max(1, counts.sum()))


def shown_texts(inputs: np.ndarray, lengths: np.ndarray | None, coding: TextCoding) -> Sequence[str]:
    """Returns the texts of ids (texts, steps) without padding, in which unknown units are marked."""
    ends = [inputs.shape[1]] * len(inputs) if lengths is None else [int(length) for length in lengths]
    return [coding.text(row[:end]) for row, end in zip(inputs, ends, strict=True)]
