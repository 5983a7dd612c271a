"""Generated English sentences: opinions of which the sentiment is known, and a play whose characters say them.

They stand in for texts where a user has none. An opinion has one clause or, half of them, two. A clause says a good or
bad thing of a part of a film, plainly or, a quarter of them, by denying the opposite ("is not dull"). Of two clauses,
which are of opposite sentiments, the one that the sentence stresses decides: the one after "but", or the one outside of
"although". So the words of a sentence say little of its sentiment where their order is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from jaxdl.data.texts.corpus import Corpus, Passages


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_GOOD = _words(
    "brilliant charming clever delightful elegant funny gripping honest lively moving original rich splendid subtle "
    "superb tender thrilling touching warm witty"
)
_BAD = _words(
    "awful bland boring clumsy crude dreary dull empty endless flat forced grim hollow lame lifeless messy shallow "
    "silly stale tedious"
)
_PARTS = _words(
    "acting camera cast comedy dialogue drama ending humour middle mood music opening pace plot romance script setting "
    "sound story style"
)
_VERBS = ("is", "feels", "seems", "remains", "becomes")
_DENIED = ("is not", "is never", "is far from", "does not feel", "never seems")
_MANNERS = ("", "rather ", "truly ", "so very ", "quite ")
_OPENINGS = ("", "", "to me ", "in the end ", "frankly ", "this time ")
_NAMES = ("ALMA", "BRUNO", "CLARA", "DORIAN", "EDITH", "FELIX")

_TRAIN_SEED, _TEST_SEED, _PLAY_SEED = 1, 2, 3
_TRAIN, _TEST, _SPEECHES = 3000, 1000, 2500


@dataclass(frozen=True)
class Generated:
    """Texts that stand in for those of a user who has none.

    Attributes:
        name: of the set.
        words: its description in the banner.
        make: makes the texts.
        passes: passes over them that make one epoch, since recipes are made for larger sets.
    """

    name: str
    words: str
    make: Callable[[], Corpus]
    passes: int = 1


def reviews() -> Corpus:
    """Returns generated opinions of the classes negative and positive, as many of each: splits train and test."""
    splits = {}
    for role, count, seed in (("train", _TRAIN, _TRAIN_SEED), ("test", _TEST, _TEST_SEED)):
        random = np.random.RandomState(seed)  # its stream is the same in all versions of NumPy
        targets = np.arange(count, dtype=np.int32) % 2
        texts = [opinion(bool(target), random) for target in targets]
        splits[role] = Passages(texts, [f"generated {role} text {n}" for n in range(1, count + 1)], targets)
    return Corpus(splits, "labelled", ("negative", "positive"))


def play() -> Corpus:
    """Returns one generated text: the names of characters, each with the opinions that it states."""
    random = np.random.RandomState(_PLAY_SEED)
    speeches = []
    for _ in range(_SPEECHES):
        said = [opinion(bool(random.randint(2)), random).capitalize() for _ in range(random.randint(1, 4))]
        speeches.append(f"{_one(_NAMES, random)}:\n" + "\n".join(said) + "\n")
    return Corpus({"train": Passages(["\n".join(speeches)], ["the generated play"])}, "running")


def opinion(good: bool, random: np.random.RandomState) -> str:
    """Returns a sentence of that sentiment."""
    decisive, other = _clause(good, random), _clause(not good, random)
    form = random.randint(6)
    opening = _one(_OPENINGS, random)
    if form == 0:
        return f"{opening}{other} , but {decisive} ."
    if form == 1:
        return f"{opening}although {other} , {decisive} ."
    if form == 2:
        return f"{opening}{decisive} , although {other} ."
    return f"{opening}{decisive} ."


def _clause(good: bool, random: np.random.RandomState) -> str:
    denied = random.randint(4) == 0
    what = _one(_GOOD if good != denied else _BAD, random)
    verb = _one(_DENIED, random) if denied else f"{_one(_VERBS, random)} {_one(_MANNERS, random)}".rstrip()
    return f"the {_one(_PARTS, random)} {verb} {what}"


def _one(choices: tuple[str, ...], random: np.random.RandomState) -> str:
    return choices[random.randint(len(choices))]


STAND_INS: Mapping[str, Generated] = {
    "reviews": Generated(
        "generated_reviews", f"generated_reviews ({_TRAIN:,} generated sentences to train on, no person's)", reviews, 3
    ),
    "play.txt": Generated("generated_play", "generated_play (one generated text, no author's)", play),
}
"""What stands in, by the path that an experiment gives whose user has named none."""
