"""Texts with their targets and places, before they are coded."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from jaxdl.data.source import Notify
from jaxdl.errors import UserError

_SHOWN = 10  # places that a line lists


@dataclass(frozen=True, eq=False)
class Passages:
    """The texts of one split.

    Attributes:
        texts: the texts.
        places: where each comes from, such as ``reviews.pos, line 3``.
        targets: (texts,) int32 classes or float32 numbers; None where the targets are the units that follow.
    """

    texts: Sequence[str]
    places: Sequence[str]
    targets: np.ndarray | None = None

    def at(self, numbers: Sequence[int] | np.ndarray) -> Passages:
        """Returns the texts of the given numbers."""
        return Passages(
            [self.texts[number] for number in numbers],
            [self.places[number] for number in numbers],
            None if self.targets is None else self.targets[np.asarray(numbers, np.int64)],
        )


@dataclass(frozen=True, eq=False)
class Corpus:
    """What lies at a path.

    Attributes:
        splits: the source's own splits; ``"train"`` is there.
        kind: what an example is: a text with a target; a line, of which each unit is to be predicted from those before
            it; or a window of one running text, likewise.
        class_names: names of the classes, empty if there are none.
        problems: what cannot be used, each as a message that begins with its place.
        remarks: what is worth a line, but no problem.
    """

    splits: Mapping[str, Passages]
    kind: Literal["labelled", "lines", "running"]
    class_names: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def usable(corpus: Corpus, skip: bool, notify: Notify) -> Corpus:
    """Returns the texts without what cannot be used, which is counted and listed.

    Args:
        corpus: what was found.
        skip: whether it is left out, or an error.
        notify: called with the lines.

    Raises:
        UserError: something cannot be used and `skip` is not set, or nothing is left of train.
    """
    problems, splits = list(corpus.problems), dict(corpus.splits)
    for name, passages in corpus.splits.items():
        empty = [number for number, text in enumerate(passages.texts) if not text.strip()]
        problems += [f"{passages.places[number]}: there is no text" for number in empty]
        if empty:
            splits[name] = passages.at(np.setdiff1d(np.arange(len(passages.texts)), empty))
    for line in corpus.remarks:
        notify(line)
    refuse_or_list(problems, skip, notify)
    for name, passages in splits.items():
        if not len(passages.texts):
            raise UserError(f"no text of {name} can be used: {problems[0]}." if problems else f"{name} has no text.")
    return dataclasses.replace(corpus, splits=splits, problems=(), remarks=())


def refuse_or_list(problems: Sequence[str], skip: bool, notify: Notify) -> None:
    """Raises `UserError` for the first problem; or, to skip them, counts and lists them."""
    if not problems:
        return
    count = len(problems)
    if not skip:
        more = "" if count == 1 else f" {count:,} texts cannot be used."
        raise UserError(f"{problems[0]}.{more} --data.on_bad=skip leaves such texts out and lists them.")
    notify(
        f"{count:,} texts cannot be used and are left out:" if count > 1 else "one text cannot be used and is left out:"
    )
    for problem in problems[:_SHOWN]:
        notify(f"  {problem}")
    if count > _SHOWN:
        notify(f"  and {count - _SHOWN:,} more")
