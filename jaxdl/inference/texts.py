"""Texts as a model's inputs: with the units, the vocabulary and the length of the training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxdl.data import Spec
from jaxdl.data.frames import listed
from jaxdl.data.tables import read_table
from jaxdl.data.texts.coding import UNKNOWN, TextCoding
from jaxdl.data.texts.files import files_below
from jaxdl.data.texts.reading import lines_of, read_text
from jaxdl.data.texts.tables import is_table, texts_of
from jaxdl.errors import UserError, did_you_mean

Notify = Callable[[str], None]


def are_texts(values: Any) -> bool:
    """Returns whether values are texts: one, or a sequence of them."""
    if isinstance(values, str):
        return True
    if isinstance(values, np.ndarray):
        return values.dtype.kind in "UT" or (values.dtype.kind == "O" and all(isinstance(v, str) for v in values.flat))
    return isinstance(values, list | tuple) and bool(values) and all(isinstance(each, str) for each in values)


def as_ids(texts: Sequence[str], spec: Spec, name: str, notify: Notify) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns texts as ids, and how many of each are valid.

    Args:
        texts: the texts.
        spec: describes the data of the training.
        name: what the texts are called in messages.
        notify: called with lines that say what is cut, and which texts have no unit of the vocabulary.

    Returns:
        (texts, length) of dtype spec.input_dtype, and (texts,) int32, or None where the training had no lengths.

    Raises:
        UserError: the model was not trained on texts, or a text is empty.
    """
    coding = spec.coding
    if coding is None:
        raise UserError(f"{name} are texts, but the model was not trained on texts: it takes numbers.")
    if isinstance(texts, str):
        raise UserError(f"{name} is one text; give a list of texts, such as [{texts[:20]!r}].")
    given = [str(text) for text in texts]
    for number, text in enumerate(given):
        if not text.strip():
            raise UserError(f"{name}[{number}] is an empty text.")
    ids = coding.ids_of(given)
    longer = sum(len(each) > coding.length for each in ids)
    if longer:
        notify(f"{name}: {longer:,} of {len(ids):,} texts have more than {coding.length} {coding.units} and are cut.")
    strange = [number for number, each in enumerate(ids) if (each == UNKNOWN).all()] if coding.has_unknown else []
    if strange:
        notify(
            f"{name}: {len(strange):,} of {len(ids):,} texts have no {coding.units} that train has, such as "
            f"{given[strange[0]][:60]!r}."
        )
    inputs, lengths = coding.padded(ids)
    return inputs, lengths if spec.lengths else None


def read_texts(path: Path, coding: TextCoding) -> tuple[list[str], list[str]]:
    """Returns the name and the text of each example of a file or folder.

    Args:
        path: a folder, of which each file is a text; a table with the column that the training read; or a file with a
            text in each line.
        coding: that of the training.

    Raises:
        UserError: there is no such path, no text, or one that is empty or not encoded as the training's.
    """
    problems: list[str] = []
    if path.is_dir():
        rows = []
        for file in files_below(path):
            text, problem = read_text(file, coding.encoding)
            rows.append((text, str(file)))
            problems += [problem] if problem else []
    elif not path.is_file():
        raise UserError(f"--input={path}: there is no such file or folder.")
    elif is_table(path):
        frame = read_table(path, (coding.column,))
        if coding.column not in frame.arrays:
            raise UserError(
                f"{path} has no column {coding.column!r}, which the model reads."
                f"{did_you_mean(coding.column, frame.arrays)} Its columns are {listed(frame.arrays)}."
            )
        texts = texts_of(frame, coding.column)
        rows = [(text, f"{path.name}[{number}]") for number, text in enumerate(texts)]
    else:
        lines, problems = lines_of(path, coding.encoding)
        rows = [(text, f"{path.name}[{number}]") for number, (text, _) in enumerate(lines)]
    problems += [f"{name}: there is no text" for text, name in rows if not text.strip()]
    if problems:
        more = f" {len(problems):,} texts cannot be used." if len(problems) > 1 else ""
        raise UserError(f"{problems[0]}.{more}")
    if not rows:
        raise UserError(f"--input={path} has no text.")
    return [name for _, name in rows], [text for text, _ in rows]
