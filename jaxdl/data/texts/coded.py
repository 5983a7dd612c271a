"""Makes a data set of texts: cuts validation and test, learns the vocabulary from train, and codes all of them."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from jaxdl.data.preprocess import Preprocess
from jaxdl.data.source import Notify
from jaxdl.data.spec import Dataset, Spec, Split, examples, fingerprint
from jaxdl.data.splits import cut
from jaxdl.data.texts.coding import UNKNOWN, TextCoding
from jaxdl.data.texts.corpus import Corpus, Passages, refuse_or_list
from jaxdl.data.texts.vocabulary import Wish, coding_of, steps_of
from jaxdl.errors import UserError

_WINDOW = 100
_SPACE, _NEAR = re.compile(r"\s"), 1000
Ids = Mapping[str, list[np.ndarray]]


@dataclass(frozen=True)
class Shares:
    """What is split off train for what the source does not have.

    Attributes:
        validation, test: shares, at least 0 and below 1.
        stretches: in how many parts a running text is cut, of each of which the end is split off.
    """

    validation: float
    test: float
    stretches: int = 1


def coded(corpus: Corpus, wish: Wish, shares: Shares, name: str, notify: Notify, skip: bool = False) -> Dataset:
    """Returns the data set of texts; vocabulary and length follow from train, after the other splits are cut from it.

    Inputs are (texts, length) ids in the smallest integer dtype. With targets, their lengths are among the arrays. Of
    texts without targets, the targets are the ids that follow, (texts, length) int32: of one running text, windows that
    do not overlap; of lines, the line from its begin to its end, both of which are the end of a line as a unit.

    Args:
        corpus: the texts, all of which can be used.
        wish: what the coding is to be like.
        shares: the shares of splits that there are not.
        name: of the set.
        notify: called with lines that say what was found.
        skip: whether train texts without a known unit are left out, or an error.

    Raises:
        UserError: a split is too short, or has no unit of the vocabulary.
    """
    splits = _cut(corpus, shares)
    following = corpus.kind != "labelled"
    if corpus.kind == "lines":
        splits = {
            role: dataclasses.replace(each, texts=[f"\n{text}\n" for text in each.texts])
            for role, each in splits.items()
        }
    coding = coding_of(splits["train"].texts, wish, following)
    ids = {role: coding.ids_of(each.texts) for role, each in splits.items()}
    for role in splits:
        splits[role], ids[role] = _known(splits[role], ids[role], role, coding, skip, notify)
    steps = wish.length or (_WINDOW if corpus.kind == "running" else steps_of(ids["train"]) - (corpus.kind == "lines"))
    coding = dataclasses.replace(coding, length=max(1, steps))
    _say(ids, coding, corpus.kind == "running", notify)
    make = _windows if corpus.kind == "running" else _lines if corpus.kind == "lines" else _labelled
    arrays = {role: make(splits[role], ids[role], coding, role) for role in splits}
    cut_off = 0 if "validation" not in arrays or "validation" in corpus.splits else examples(arrays["validation"])
    return Dataset(
        spec=_spec(arrays["train"], coding, corpus),
        splits=arrays,
        requested=name,
        used=name,
        fingerprint=_digest(arrays, coding),
        train_examples=examples(arrays["train"]) + cut_off,
    )


def _cut(corpus: Corpus, shares: Shares) -> dict[str, Passages]:
    """Returns train, validation and test: the source's own, and otherwise the shares of train."""
    train, splits = corpus.splits["train"], {}
    if corpus.kind == "running" and not {"validation", "test"} <= corpus.splits.keys():
        train = _parts(train, shares.stretches)
    for role, share in (("test", shares.test), ("validation", shares.validation)):
        if role in corpus.splits:
            splits[role] = corpus.splits[role]
        elif share:
            cut_off = _ends if corpus.kind == "running" else _some
            train, splits[role] = cut_off(train, share, bool(corpus.class_names))
    found = {"train": train, **splits}
    return {role: found[role] for role in ("train", "validation", "test") if role in found and found[role].texts}


def _some(train: Passages, share: float, by_class: bool) -> tuple[Passages, Passages]:
    """Returns texts without a share of them, and this share, the same one of each class."""
    targets = train.targets if by_class and train.targets is not None else np.zeros(len(train.texts))
    split: Split = {"inputs": np.arange(len(train.texts)), "targets": targets}
    rest, off = cut(split, share, "class" if by_class else "example")
    return train.at(rest["inputs"]), train.at(off["inputs"])


def _parts(train: Passages, count: int) -> Passages:
    """Returns a running text in parts of about the same size."""
    text, place = "".join(train.texts), train.places[0]
    bounds = [0, *(_behind_space(text, len(text) * part // count) for part in range(1, count)), len(text)]
    if count == 1:
        return Passages([text], [place])
    texts = [text[start:stop] for start, stop in itertools.pairwise(bounds)]
    return Passages(texts, [f"{place}, from character {start:,}" for start in bounds[:-1]])


def _ends(train: Passages, share: float, by_class: bool) -> tuple[Passages, Passages]:
    """Returns the parts of a running text without their ends, and these ends."""
    starts = [_behind_space(text, int(len(text) * (1 - share))) for text in train.texts]
    pairs = list(zip(train.texts, starts, strict=True))
    places = [f"the end of {place}" for place in train.places]
    return Passages([text[:at] for text, at in pairs], train.places), Passages(
        [text[at:] for text, at in pairs], places
    )


def _behind_space(text: str, start: int) -> int:
    """Returns a place behind a white space, so that no word is cut in two, unless none is near."""
    # And within half of what is behind the place, which may be the whole of a short split.
    space = _SPACE.search(text, start, start + min(_NEAR, (len(text) - start) // 2))
    return space.end() if space and space.end() < len(text) else start


def _known(
    passages: Passages, ids: list[np.ndarray], role: str, coding: TextCoding, skip: bool, notify: Notify
) -> tuple[Passages, list[np.ndarray]]:
    """Returns the texts without those of train of which no unit is known; counts and lists such texts.

    Those of validation and test stay: a model has to answer for them too, and figures without them would be too good.
    """
    what = coding.units
    strange = [number for number, each in enumerate(ids) if (each == UNKNOWN).all()] if coding.has_unknown else []
    if not strange:
        return passages, ids
    if len(strange) == len(ids):
        raise UserError(
            f"{passages.places[0]}: no text of {role} has {what} that train has; is it of another language, or "
            "encoded in another way (--data.encoding)?"
        )
    if role != "train":
        first = passages.places[strange[0]]
        verb = "has" if len(strange) == 1 else "have"
        notify(
            f"{role}: {len(strange):,} of {len(ids):,} texts {verb} no {what} that train has, such as {first}; kept, "
            "since a model has to answer for them too."
        )
        return passages, ids
    refuse_or_list([f"{passages.places[number]}: none of its {what} is known" for number in strange], skip, notify)
    left = np.setdiff1d(np.arange(len(ids)), strange)
    return passages.at(left), [ids[number] for number in left]


def _say(ids: Ids, coding: TextCoding, windows: bool, notify: Notify) -> None:
    what, shares = coding.units, []
    for role, each in ids.items():
        total, unknown = sum(map(len, each)), sum(int((units == UNKNOWN).sum()) for units in each)
        shares.append(f"{role} {unknown / max(1, total):.2%}")
    known = "" if not coding.has_unknown else f"; unknown: {', '.join(shares)}"
    notify(f"{what}: {coding.size:,} ids, the commonest of train{known}." if known else f"{what}: {coding.size} ids.")
    lines = 1 if coding.following else 0  # the last unit of a line is only a target
    longer = {role: sum(len(each) > coding.length + lines for each in of_role) for role, of_role in ids.items()}
    if not windows and any(longer.values()):
        shown = ", ".join(f"{count:,} of {len(ids[role]):,} in {role}" for role, count in longer.items())
        notify(f"texts of more than {coding.length} {what} are cut there: {shown}; --data.length=N keeps more.")


def _labelled(passages: Passages, ids: list[np.ndarray], coding: TextCoding, role: str) -> Split:
    inputs, lengths = coding.padded(ids)
    assert passages.targets is not None  # of this kind
    return {"inputs": inputs, "targets": passages.targets, "lengths": lengths}


def _lines(passages: Passages, ids: list[np.ndarray], coding: TextCoding, role: str) -> Split:
    inputs, lengths = coding.padded([each[:-1] for each in ids])
    targets, _ = coding.padded([each[1:] for each in ids])
    return {"inputs": inputs, "targets": targets.astype(np.int32), "lengths": lengths}


def _windows(passages: Passages, ids: list[np.ndarray], coding: TextCoding, role: str) -> Split:
    inputs, targets = [], []
    for each in ids:
        count = max(0, (len(each) - 1) // coding.length)
        inputs.append(each[: count * coding.length].reshape(count, coding.length))
        targets.append(each[1 : count * coding.length + 1].reshape(count, coding.length))
    if not sum(map(len, inputs)):
        raise UserError(
            f"{passages.places[0]}: the text of {role} has {sum(map(len, ids)):,} {coding.units}, and a window "
            f"needs {coding.length + 1}: give a longer text, a smaller --data.length, or other --data.validation and "
            "--data.test."
        )
    return {"inputs": np.concatenate(inputs).astype(coding.dtype), "targets": np.concatenate(targets)}


def _spec(train: Split, coding: TextCoding, corpus: Corpus) -> Spec:
    following = corpus.kind != "labelled"
    return Spec(
        input_shape=(coding.length,),
        input_dtype=coding.dtype,
        preprocess=Preprocess(cast="none"),
        target_shape=(coding.length,) if following else (),
        outputs=coding.size if following else len(corpus.class_names) or 1,
        class_names=coding.names if following else corpus.class_names,
        vocabulary=coding.size,
        coding=coding,
    )


def _digest(arrays: Mapping[str, Split], coding: TextCoding) -> str:
    """Returns a fingerprint of the ids and of what they stand for: other words may have the same ids."""
    of_ids = fingerprint(arrays["train"], arrays.get("test"), arrays.get("validation"))
    about = json.dumps([of_ids, dataclasses.asdict(coding)])
    return hashlib.sha256(about.encode("utf-8", "surrogatepass")).hexdigest()
