"""One framework makes a trained model of a folder of recordings: reads WAV files, computes log-mel, trains, tests.

    python -m benchmarks.sound_worker FRAMEWORK FOLDER EPOCHS

Names are those of the Free Spoken Digit Dataset, such as ``7_jackson_32.wav``; recordings 0 to 4 are the test split.
All train the recipe of ``experiments/spoken_digit_rnn.py`` without validation: 64 bands, a GRU of 64 units in each
direction over the valid frames, Adam with a cosine, batches of 64. Prints JSON: the seconds from the imports to the
tested model, the seconds that cores worked for it, the seconds of each epoch, and the test accuracy.

| framework | what it is |
|---|---|
| ``jaxdl`` | `jaxdl.Audio` with a new cache folder and `jaxdl.Trainer`; log-mel in every step, compiled anew |
| ``jaxdl, again`` | the same, with the programs that an earlier process has compiled, as by default |
| ``torch`` | soundfile, `torch.stft` once for all recordings, `nn.GRU` on packed sequences |
| ``keras`` | soundfile, `keras.layers.MelSpectrogram` once for all recordings, `Masking`, `GRU`, `fit`, on TensorFlow |
"""

from __future__ import annotations

import functools
import math
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.from_files import AGAIN, Training, jaxdl_training, timed

BATCH, UNITS, BANDS, RATE, CLASSES = 64, 64, 64, 8000, 10
WINDOW, HOP, TRANSFORM, LEARNING_RATE = 200, 80, 256, 5e-3
LABELS, TEST = r"^(?P<label>[0-9])_", r"_[0-4][.]wav"


def recordings(folder: Path) -> Mapping[str, tuple[Any, Any, Any]]:
    """Returns waves (recordings, samples) float32, their lengths and labels, of train and of test, for the peers."""
    import numpy as np
    import soundfile

    found: dict[str, list[tuple[Any, int]]] = {"train": [], "test": []}
    for path in sorted(folder.glob("*.wav")):
        wave, _ = soundfile.read(str(path), dtype="float32")
        split = "test" if int(path.stem.rpartition("_")[2]) < 5 else "train"
        found[split].append((wave, int(path.name[0])))
    longest = int(np.percentile([len(wave) for wave, _ in found["train"]], 95, method="higher"))
    splits = {}
    for split, both in found.items():
        waves = np.zeros((len(both), longest), np.float32)
        for row, (wave, _) in zip(waves, both, strict=True):
            row[: len(wave)] = wave[:longest]
        lengths = np.array([min(longest, len(wave)) for wave, _ in both])
        splits[split] = waves, lengths, np.array([label for _, label in both])
    return splits


def standardized(splits: Mapping[str, tuple[Any, Any]]) -> dict[str, Any]:
    """Returns spectrograms (recordings, frames, bands) standardised by the valid frames of train; the others are 0."""
    import numpy as np

    valid = {split: np.arange(mel.shape[1]) < frames[:, None] for split, (mel, frames) in splits.items()}
    train = splits["train"][0][valid["train"]]
    mean, deviation = train.mean(0), train.std(0)
    return {split: np.where(valid[split][..., None], (mel - mean) / deviation, 0) for split, (mel, _) in splits.items()}


def of_jaxdl(folder: Path, epochs: int, again: bool = False) -> Training:
    """Trains with jaxdl."""
    import soundfile  # noqa: F401  (imported before the clock starts, as by the others)

    import jaxdl

    def data() -> jaxdl.Audio:
        return jaxdl.Audio(str(folder), label_pattern=LABELS, test_pattern=TEST, validation=0.0)

    return jaxdl_training("spoken_digit_rnn", data, folder, epochs, again=again)


def torch_training(folder: Path, epochs: int) -> Training:
    """Trains with PyTorch."""
    import numpy as np
    import soundfile  # noqa: F401
    import torch

    from jaxdl.ops.mel import mel_bank

    yield 0
    torch.manual_seed(0)
    read = recordings(folder)
    bank, window = torch.from_numpy(mel_bank(RATE, TRANSFORM, BANDS, 0, RATE / 2)), torch.hann_window(WINDOW)

    def log_mel(waves: Any) -> Any:
        spectra = torch.stft(
            torch.from_numpy(waves), TRANSFORM, HOP, WINDOW, window, pad_mode="constant", return_complex=True
        )
        return torch.log(torch.clamp(spectra.abs().square().transpose(1, 2) @ bank, min=1e-10)).numpy()

    frames = {split: 1 + lengths // HOP for split, (_, lengths, _) in read.items()}
    seen = standardized({split: (log_mel(waves), frames[split]) for split, (waves, _, _) in read.items()})
    inputs = {split: torch.from_numpy(mel.astype(np.float32)) for split, mel in seen.items()}
    labels = {split: torch.from_numpy(labels) for split, (_, _, labels) in read.items()}
    lengths = {split: torch.from_numpy(counts) for split, counts in frames.items()}
    gru, dense = torch.nn.GRU(BANDS, UNITS, batch_first=True, bidirectional=True), torch.nn.Linear(2 * UNITS, CLASSES)
    parameters = [*gru.parameters(), *dense.parameters()]
    steps = -(-len(labels["train"]) // BATCH) * epochs
    optimizer = torch.optim.Adam(parameters, LEARNING_RATE, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: (1 + math.cos(math.pi * step / steps)) / 2)

    def logits(x: Any, counts: Any) -> Any:
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, counts, batch_first=True, enforce_sorted=False)
        return dense(gru(packed)[1].transpose(0, 1).flatten(1))

    for _ in range(epochs):
        for rows in torch.randperm(len(labels["train"])).split(BATCH):
            x, counts, y = (each["train"][rows] for each in (inputs, lengths, labels))
            loss = torch.nn.functional.cross_entropy(logits(x, counts), y)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            schedule.step()
        yield 0
    with torch.inference_mode():
        right = logits(inputs["test"], lengths["test"]).argmax(1) == labels["test"]
    yield float(right.float().mean())


def keras_training(folder: Path, epochs: int) -> Training:
    """Trains with Keras on TensorFlow."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras
    import numpy as np
    import soundfile  # noqa: F401

    yield 0
    keras.utils.set_random_seed(0)
    read = recordings(folder)
    mel = keras.layers.MelSpectrogram(
        fft_length=TRANSFORM,
        sequence_stride=HOP,
        sequence_length=WINDOW,
        sampling_rate=RATE,
        num_mel_bins=BANDS,
        min_freq=0.0,
        max_freq=RATE / 2,
    )
    frames = {split: 1 + lengths // HOP for split, (_, lengths, _) in read.items()}
    spectra = {split: np.asarray(mel(waves)).transpose(0, 2, 1) for split, (waves, _, _) in read.items()}
    inputs = standardized({split: (spectra[split], frames[split]) for split in read})
    labels = {split: labels for split, (_, _, labels) in read.items()}
    steps = -(-len(labels["train"]) // BATCH) * epochs
    network = keras.Sequential(
        [
            keras.layers.Masking(),
            keras.layers.Bidirectional(keras.layers.GRU(UNITS)),
            keras.layers.Dense(CLASSES),
        ]
    )
    network.compile(
        optimizer=keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps), epsilon=1e-8, global_clipnorm=1.0
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    for _ in range(epochs):  # the schedule counts the optimizer's steps, which go on
        network.fit(inputs["train"], labels["train"], batch_size=BATCH, epochs=1, verbose=0)
        yield 0
    yield float(network.evaluate(inputs["test"], labels["test"], batch_size=BATCH, verbose=0)[1])


TRAININGS: dict[str, Callable[[Path, int], Training]] = {
    "jaxdl": of_jaxdl,
    AGAIN: functools.partial(of_jaxdl, again=True),
    "torch": torch_training,
    "keras": keras_training,
}


if __name__ == "__main__":
    sys.exit(timed(TRAININGS, sys.argv[1:]))
