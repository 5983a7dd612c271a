"""From a folder of recordings to a trained model, beside PyTorch and Keras, in turns.

    python -m benchmarks.sounds [--python=torch=PATH] [--rounds=3] [--epochs=4] [--recordings=FOLDER] [--output=FILE]

The recordings are 1,500 generated words as WAV files of 8,000 samples a second, or those of the Free Spoken Digit
Dataset in FOLDER. Each framework trains in a process of its own, one after another, on the same cores, in an order that
changes from round to round; see `sound_worker` for how each is set up. The files are in the system's cache by then.

Prints the median of the seconds from the imports to the tested model, of the seconds that cores worked for it, which
other processes on the machine change less, of the fastest epoch, and, in brackets, the median over rounds of theirs
divided by jaxdl's. Writes all figures with the machine. A framework that is not installed in its Python is left out,
with the reason.

Exit status: 0; 1 if jaxdl failed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import wave
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.process import ROOT, run
from benchmarks.sound_worker import RATE, TRAININGS

_LIMIT, _NUMBERS, _SPEAKERS = 3600.0, 30, 5
FIGURES = ("seconds", "core_seconds", "epoch")
Figures = Mapping[str, Any]


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


def measure(framework: str, python: str, folder: Path, epochs: int) -> Figures:
    """Runs one framework once; returns its figures, or a problem."""
    command = [python, "-m", "benchmarks.sound_worker", framework, str(folder), str(epochs)]
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu"}
    done = run(command, quiet, _LIMIT)
    if done.problem:
        return {"problem": done.problem}
    told = json.loads(done.output.splitlines()[-1])
    return {"problem": None, **told, "epoch": min(told["epochs"]), "other_cores": done.other_cores}


def table(rounds: Sequence[Mapping[str, Figures]]) -> str:
    """Returns the figures of all rounds by framework, as a table in Markdown."""
    lines = ["| framework | file to model | a core's work | fastest epoch | test accuracy |", "|---|---|---|---|---|"]
    for framework in TRAININGS:
        both = [each for each in rounds if {"jaxdl", framework} <= each.keys()]
        if not both:
            continue
        cells = []
        for which in FIGURES:
            ratios = [each[framework][which] / each["jaxdl"][which] for each in both]
            ratio = "" if framework == "jaxdl" else f" ({statistics.median(ratios):.2f})"
            cells.append(f"{statistics.median(each[framework][which] for each in both):.3g} s{ratio}")
        accuracy = statistics.median(each[framework]["accuracy"] for each in both)
        lines.append(f"| {framework} | {' | '.join(cells)} | {accuracy:.4f} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", action="append", default=[], help="FRAMEWORK=PATH of its Python")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--recordings", type=Path, help="folder of recordings; default: generated words")
    parser.add_argument("--output", type=Path, default=Path("sounds.json"))
    options = parser.parse_args(arguments)
    pythons = dict.fromkeys(TRAININGS, sys.executable) | dict(each.split("=", 1) for each in options.python)
    rounds: list[dict[str, Figures]] = []
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "recordings"
        folder.mkdir()
        if options.recordings is None:
            write_recordings(folder)
        else:
            for file in options.recordings.glob("*.wav"):
                (folder / file.name).symlink_to(file.resolve())
        for number in range(options.rounds):
            names = [name for name in TRAININGS if name not in failed]
            names = names[number % len(names) :] + names[: number % len(names)]
            found = {name: measure(name, pythons[name], folder, options.epochs) for name in names}
            failed |= {name: figures["problem"] for name, figures in found.items() if figures["problem"]}
            rounds.append({name: figures for name, figures in found.items() if not figures["problem"]})
            print(f"round {number + 1}: {', '.join(names)}", file=sys.stderr)
    about = {"machine": machine.describe(), "commit": machine.commit(ROOT), "epochs": options.epochs}
    options.output.write_text(json.dumps({**about, "left_out": failed, "rounds": rounds}, indent=1) + "\n")
    print(table(rounds))
    for name, problem in failed.items():
        print(f"{name} is left out: {problem}")
    return 1 if "jaxdl" in failed else 0


if __name__ == "__main__":
    sys.exit(main())
