"""Parts of words as units, by the `tokenizers` library: byte-pair encoding, learned from train."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jaxdl.data.texts.coding import SPECIAL
from jaxdl.errors import UserError, check_installed

FEWEST = 256 + len(SPECIAL)
"""The smallest vocabulary: every byte has an id of its own, so that any text can be coded."""


def learned(texts: Iterable[str], size: int) -> tuple[tuple[str, ...], str]:
    """Learns a vocabulary by byte-pair encoding of bytes (Sennrich et al. 2016; Radford et al. 2019).

    Args:
        texts: the texts of train.
        size: how many ids there are at most, those of padding and of unknown units included.

    Returns:
        The text of each id from 2 on, and the tokenizer in the library's own JSON form.

    Raises:
        UserError: the library is not installed, or the vocabulary is too small.
    """
    _check_installed()
    if size < FEWEST:
        raise UserError(
            f"data.vocabulary={size}: subwords need {FEWEST} or more, one for each byte and two for padding and "
            "unknown ones."
        )
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(unk_token=SPECIAL[1]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    numbers: dict[str, int] = tokenizer.get_vocab()
    tokens = sorted(numbers, key=lambda token: numbers[token])
    return tuple(tokens[len(SPECIAL) :]), str(tokenizer.to_str())


def tokenizer_of(subwords: str) -> Any:
    """Returns the tokenizer of its JSON form.

    Raises:
        UserError: the library is not installed.
    """
    _check_installed()
    from tokenizers import Tokenizer

    return Tokenizer.from_str(subwords)


def _check_installed() -> None:
    check_installed(["tokenizers"], "text", "--data.level=subword", "give --data.level=word or --data.level=character")
