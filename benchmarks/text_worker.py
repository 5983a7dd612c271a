"""One framework makes a trained model of sentences: reads two files, makes a vocabulary, trains, tests.

    python -m benchmarks.text_worker FRAMEWORK FOLDER EPOCHS

FOLDER has a file of sentences, one a line, for each of two classes. All train the recipe of
``experiments/sentiment_lstm.py`` without validation on four fifths of them: words that occur twice or more, three of
ten read as unknown in training, vectors of 64 numbers, an LSTM of 64 units in each direction, the largest value of each
unit over the words, half of them dropped, Adam with a cosine, batches of 64 sentences of similar length. Prints JSON:
the seconds from the imports to the tested model, the seconds that cores worked for it, the seconds of each epoch, and
the test accuracy.

| framework | what it is |
|---|---|
| ``jaxdl`` | `jaxdl.Text` and `jaxdl.Trainer`, compiled anew |
| ``jaxdl, again`` | the same, with the programs that an earlier process has compiled, as by default |
| ``jaxdl, native`` and ``jaxdl, native, again`` | both with ``--library=onednn``: native LSTMs (the extra `native`) |
| ``torch`` | sorted by length into batches, in a new order in each epoch; `nn.LSTM` on packed sequences |
| ``keras`` | `tf.data`'s `bucket_by_sequence_length`, four lengths; `Embedding` with a mask, `LSTM`, on TensorFlow |
"""

from __future__ import annotations

import functools
import math
import os
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.from_files import AGAIN, NATIVE, NATIVE_AGAIN, Training, jaxdl_training, timed

BATCH, UNITS, EMBED, DROPOUT, WORD_DROPOUT, LEARNING_RATE, MIN_COUNT = 64, 64, 64, 0.5, 0.3, 2e-3, 2
PADDING, UNKNOWN = 0, 1
_WORDS, _TEST, _SHARE, _LENGTHS = re.compile(r"\w+(?:['\u2019]\w+)*|[^\w\s]"), 5, 95, 4


def sentences(folder: Path) -> tuple[Mapping[str, list[tuple[list[int], int]]], int]:
    """Returns the ids of each sentence with its label, of train and of test, and the number of ids, for the peers."""
    both = []
    for label, path in enumerate(sorted(folder.iterdir())):
        both += [(_WORDS.findall(line.lower()), label) for line in path.read_text(encoding="utf-8").splitlines()]
    random.Random(0).shuffle(both)
    count = len(both) // _TEST
    counts = Counter(word for words, _ in both[count:] for word in words)
    ids = {word: number for number, (word, seen) in enumerate(counts.most_common(), 2) if seen >= MIN_COUNT}
    lengths = sorted(len(words) for words, _ in both[count:])
    longest = lengths[math.ceil(len(lengths) * _SHARE / 100) - 1]
    coded = [([ids.get(word, UNKNOWN) for word in words[:longest]] or [UNKNOWN], label) for words, label in both]
    return {"test": coded[:count], "train": coded[count:]}, 2 + len(ids)


def of_jaxdl(folder: Path, epochs: int, again: bool = False, library: str = "xla") -> Training:
    """Trains with jaxdl."""
    import jaxdl

    def data() -> jaxdl.Text:
        return jaxdl.Text(str(folder), min_count=MIN_COUNT, validation=0.0, test=1 / _TEST)

    return jaxdl_training("sentiment_lstm", data, folder, epochs, again=again, library=library)


def torch_training(folder: Path, epochs: int) -> Training:
    """Trains with PyTorch."""
    import torch
    from torch import nn

    yield 0
    torch.manual_seed(0)
    read, vocabulary = sentences(folder)

    def batches(split: str) -> list[Any]:
        ordered = sorted(read[split], key=lambda each: len(each[0]))
        found = []
        for first in range(0, len(ordered), BATCH):
            ids, labels = zip(*ordered[first : first + BATCH], strict=True)
            padded = nn.utils.rnn.pad_sequence([torch.tensor(each) for each in ids], batch_first=True)
            found.append((padded, torch.tensor([len(each) for each in ids]), torch.tensor(labels)))
        return found

    embed, dropout = nn.Embedding(vocabulary, EMBED), nn.Dropout(DROPOUT)
    lstm, dense = nn.LSTM(EMBED, UNITS, batch_first=True, bidirectional=True), nn.Linear(2 * UNITS, 2)
    parameters = [*embed.parameters(), *lstm.parameters(), *dense.parameters()]
    train = batches("train")
    steps = len(train) * epochs
    optimizer = torch.optim.Adam(parameters, LEARNING_RATE, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: (1 + math.cos(math.pi * step / steps)) / 2)

    def logits(ids: Any, lengths: Any) -> Any:
        packed = nn.utils.rnn.pack_padded_sequence(embed(ids), lengths, batch_first=True, enforce_sorted=False)
        states, _ = nn.utils.rnn.pad_packed_sequence(lstm(packed)[0], batch_first=True, padding_value=-1e9)
        return dense(dropout(states.amax(1)))

    for _ in range(epochs):
        for number in torch.randperm(len(train)).tolist():
            ids, lengths, labels = train[number]
            seen = torch.where((torch.rand(ids.shape) < WORD_DROPOUT) & (ids != PADDING), UNKNOWN, ids)
            loss = nn.functional.cross_entropy(logits(seen, lengths), labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            schedule.step()
        yield 0
    dropout.eval()
    with torch.inference_mode():
        right = sum(int((logits(x, lengths).argmax(1) == y).sum()) for x, lengths, y in batches("test"))
    yield right / len(read["test"])


def keras_training(folder: Path, epochs: int) -> Training:
    """Trains with Keras on TensorFlow."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras
    import numpy as np
    import tensorflow as tf
    from keras import layers, ops

    yield 0
    keras.utils.set_random_seed(0)
    read, vocabulary = sentences(folder)
    lengths = sorted(len(ids) for ids, _ in read["train"])
    bounds = [lengths[len(lengths) * share // _LENGTHS] for share in range(1, _LENGTHS)]

    def batches(split: str) -> Any:
        def examples() -> Iterator[Any]:
            for ids, label in read[split]:
                yield np.array(ids, np.int32), label  # a list would be a structure of its own

        found = tf.data.Dataset.from_generator(
            examples, output_signature=(tf.TensorSpec((None,), tf.int32), tf.TensorSpec((), tf.int32))
        ).cache()
        if split == "train":
            found = found.shuffle(len(read[split]))
        found = found.bucket_by_sequence_length(
            lambda ids, label: tf.shape(ids)[0],
            [bound + 1 for bound in bounds],
            [BATCH] * _LENGTHS,
            pad_to_bucket_boundary=False,
        )
        if split == "train":
            found = found.map(dropped)
        return found.prefetch(tf.data.AUTOTUNE)

    def dropped(ids: Any, label: Any) -> Any:
        drop = (tf.random.uniform(tf.shape(ids)) < WORD_DROPOUT) & (ids != PADDING)
        return tf.where(drop, UNKNOWN, ids), label

    ids = keras.Input((None,), dtype="int32")
    vectors = layers.Embedding(vocabulary, EMBED, mask_zero=True)(ids)
    states = layers.Bidirectional(layers.LSTM(UNITS, return_sequences=True))(vectors)
    padding = ops.expand_dims(ops.cast(ops.equal(ids, PADDING), "float32"), -1)
    outputs = layers.Dense(2)(layers.Dropout(DROPOUT)(ops.max(states - 1e9 * padding, 1)))
    network = keras.Model(ids, outputs)
    steps = -(-len(read["train"]) // BATCH) * epochs
    network.compile(
        optimizer=keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps), epsilon=1e-8, global_clipnorm=1.0
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    train, test = batches("train"), batches("test")
    for _ in range(epochs):  # the schedule counts the optimizer's steps, which go on
        network.fit(train, epochs=1, verbose=0)
        yield 0
    yield float(network.evaluate(test, verbose=0)[1])


TRAININGS: dict[str, Callable[[Path, int], Training]] = {
    "jaxdl": of_jaxdl,
    AGAIN: functools.partial(of_jaxdl, again=True),
    NATIVE: functools.partial(of_jaxdl, library="onednn"),
    NATIVE_AGAIN: functools.partial(of_jaxdl, again=True, library="onednn"),
    "torch": torch_training,
    "keras": keras_training,
}


if __name__ == "__main__":
    sys.exit(timed(TRAININGS, sys.argv[1:]))
