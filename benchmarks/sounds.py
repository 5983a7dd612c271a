"""From a folder of recordings to a trained model, beside PyTorch and Keras, in turns.

    python -m benchmarks.sounds [--python=torch=PATH] [--rounds=3] [--epochs=4] [--recordings=FOLDER] [--output=FILE]

The recordings are 1,500 generated words as WAV files of 8,000 samples a second, or those of the Free Spoken Digit
Dataset in FOLDER. Each framework trains in a process of its own, one after another, on the same cores, in an order that
changes from round to round; see `sound_worker` for how each is set up. The files are in the system's cache by then.

Prints the median of the seconds from the imports to the tested model, of the seconds that cores worked for it, which
other processes on the machine change less, of the fastest epoch, and, in brackets, the median over rounds of theirs
divided by jaxdl's. Writes all figures with the machine. A framework that is not installed in its Python is left out,
with the reason.

Exit status: 0; 1 if jaxdl failed; 2 for bad input.
"""

from __future__ import annotations

import sys
import tempfile
import wave
from collections.abc import Sequence
from pathlib import Path

from benchmarks.from_files import in_turns, table
from benchmarks.sound_worker import RATE, TRAININGS
from benchmarks.turns import Turns, parser_of

_NUMBERS, _SPEAKERS = 30, 5


def write_recordings(folder: Path, numbers: int = _NUMBERS, speakers: int = _SPEAKERS) -> None:
    """Writes generated words as WAV files with the names of spoken digits, such as ``7_c_12.wav``."""
    import jaxdl

    count = 10 * numbers * speakers
    words = jaxdl.Vowels(train_examples=count, test_examples=1).read(Path(), print).splits["train"]
    seen = [0] * 10
    for sound, length, label in zip(words["inputs"], words["lengths"], words["targets"], strict=True):
        number, speaker = divmod(seen[label], speakers)
        seen[label] += 1
        with wave.open(str(folder / f"{label}_{'abcdefgh'[speaker]}_{number}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(sound[:length].astype("<i2").tobytes())


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints."""
    parser = parser_of(__doc__, "sounds.json")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--recordings", type=Path, help="folder of recordings; default: generated words")
    options = parser.parse_args(arguments)
    turns = Turns(parser, options.python, TRAININGS)
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "recordings"
        folder.mkdir()
        if options.recordings is None:
            write_recordings(folder)
        else:
            for file in options.recordings.glob("*.wav"):
                (folder / file.name).symlink_to(file.resolve())
        rounds = in_turns(turns, "benchmarks.sound_worker", folder, options.epochs, options.rounds)
    return turns.conclude(options.output, rounds, table(rounds, list(TRAININGS)), epochs=options.epochs)


if __name__ == "__main__":
    sys.exit(main())
