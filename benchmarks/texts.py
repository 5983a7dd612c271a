"""From two files of sentences to a trained model, beside PyTorch and Keras, in turns.

    python -m benchmarks.texts [FOLDER] [--python=torch=PATH] [--rounds=3] [--epochs=6] [--output=FILE]

FOLDER has a file of sentences, one a line, for each of two classes, such as those of Pang and Lee 2005; without it,
10,000 generated sentences are taken. Each framework trains in a process of its own, one after another, on the same
cores, in an order that changes from round to round; see `text_worker` for how each is set up.

Prints the median of the seconds from the imports to the tested model, of the seconds that cores worked for it, which
other processes on the machine change less, of the fastest epoch, and, in brackets, the median over rounds of theirs
divided by jaxdl's. Writes all figures with the machine. A framework that is not installed in its Python is left out,
with the reason.

Exit status: 0; 1 if jaxdl failed; 2 for bad input.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.from_files import in_turns, table
from benchmarks.text_worker import TRAININGS
from benchmarks.turns import Turns, parser_of

_WORDS, _SENTENCES, _LONGEST = 8000, 5000, 40


def write_sentences(folder: Path, count: int = _SENTENCES) -> None:
    """Writes `count` sentences of each class; a tenth of the words tell which class it is."""
    chosen = random.Random(0)
    # As in natural languages, the n-th word is about 1/n as frequent as the first.
    weights = [1 / (rank + 1) for rank in range(_WORDS)]
    for label, name in enumerate(("worse", "better")):
        lines = []
        for _ in range(count):
            ranks = chosen.choices(range(_WORDS), weights, k=chosen.randint(3, _LONGEST))
            tells = (f"{name}{rank % 50}" if chosen.random() < 0.1 else f"w{rank}" for rank in ranks)
            lines.append(" ".join(tells))
        (folder / f"{label}_{name}.txt").write_text("\n".join(lines) + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints."""
    parser = parser_of(__doc__, "texts.json")
    parser.add_argument("folder", type=Path, nargs="?", metavar="FOLDER")
    parser.add_argument("--epochs", type=int, default=6)
    options = parser.parse_args(arguments)
    turns = Turns(parser, options.python, TRAININGS)
    with tempfile.TemporaryDirectory() as work:
        folder = options.folder or Path(work) / "sentences"
        if options.folder is None:
            folder.mkdir()
            write_sentences(folder)
        folder = folder.resolve()
        rounds = in_turns(turns, "benchmarks.text_worker", folder, options.epochs, options.rounds)
    return turns.conclude(options.output, rounds, table(rounds, list(TRAININGS)), epochs=options.epochs)


if __name__ == "__main__":
    sys.exit(main())
