"""Input speed of a folder of JPEGs, beside PyTorch's DataLoader with torchvision, tf.data and Keras.

    python -m benchmarks.images [--python=torch=PATH] [--rounds=3] [--pictures=500] [--data_dir=DIR]

The pictures are generated: smooth shades with a little noise, quality 90, in four classes. Each framework reads them in
a process of its own, in turns, on the same cores, in an order that changes from round to round; see `image_worker` for
how each is set up. The first pass decodes; the later ones, of which the fastest counts, do what the framework does in
later epochs. The files are in the system's cache by then.

| case | pictures | read at |
|---|---|---|
| ``stored`` | 224x224 | 224x224 |
| ``224`` | 1000x750 | 224x224 |
| ``64`` | 500x375 | 64x64 |
| ``mnist`` | MNIST's 60,000, or with no ``--data_dir`` as many random ones, in memory, batches of 128 | 28x28 |

Prints the median of pictures per second and, in brackets, the median over rounds of jaxdl's speed divided by theirs; of
the first pass also per second that a core worked, which other processes on the machine change little. Writes all
figures with the machine. A framework that is not installed in its Python is left out, with the reason.

Exit status: 0; 1 if jaxdl failed; 2 for bad input.
"""

from __future__ import annotations

import functools
import json
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

import jaxdl
from benchmarks import array_passes
from benchmarks.image_worker import PASSES
from benchmarks.process import run
from benchmarks.turns import Figures, Turns, parser_of

CASES = {"stored": ((224, 224), 224), "224": ((1000, 750), 224), "64": ((500, 375), 64)}
MNIST = "mnist"
_CLASSES, _PASSES, _LIMIT = 4, 3, 600.0


def write_pictures(folder: Path, count: int, size: tuple[int, int]) -> None:
    """Writes JPEGs of (width, height) into a folder with a sub-folder for each class."""
    from PIL import Image

    random = np.random.RandomState(0)
    for number in range(count):
        of_class = folder / f"class_{number % _CLASSES}"
        of_class.mkdir(parents=True, exist_ok=True)
        shades = Image.fromarray(random.randint(0, 256, (9, 12, 3)).astype(np.uint8)).resize(
            size, Image.Resampling.BICUBIC
        )
        noise = random.normal(0, 6, (size[1], size[0], 1))
        pixels = np.clip(np.asarray(shades) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(of_class / f"{number:05}.jpg", quality=90)


def write_mnist(file: Path, data_dir: Path | None) -> None:
    """Writes MNIST's train images and labels, or random ones of the same sizes, as ``inputs`` and ``targets``."""
    if data_dir is None:
        random = np.random.RandomState(0)
        inputs, targets = random.randint(0, 256, (60_000, 28, 28, 1)), random.randint(0, 10, 60_000)
    else:
        train = jaxdl.Tfds("mnist", fallback="none", validation=0.0).load(data_dir).splits["train"]
        inputs, targets = train["inputs"], train["targets"]
    np.savez(file, inputs=inputs.astype(np.uint8), targets=targets.astype(np.int32))


def measure(framework: str, python: str, folder: Path, size: int) -> Figures:
    """Runs one framework once; returns pictures per second of its passes, or a problem."""
    command = [python, "-m", "benchmarks.image_worker", framework, str(folder), str(size), str(_PASSES)]
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow", "JAX_PLATFORMS": "cpu"}
    done = run(command, quiet, _LIMIT)
    if done.problem:
        return {"problem": done.problem}
    told = json.loads(done.output.splitlines()[-1])
    first, *later = told["seconds"]
    return {
        "problem": None,
        "first": told["pictures"] / first,
        "first_of_a_core": told["pictures"] / told["core_seconds"][0],
        "later": told["pictures"] / min(later),
        "other_cores": done.other_cores,
    }


def table(rounds: Sequence[Mapping[str, Mapping[str, Figures]]]) -> str:
    """Returns the figures of all rounds, by case and framework, as a table in Markdown."""
    lines = ["| case | framework | first pass | first pass, a core | later passes |", "|---|---|---|---|---|"]
    for case in (*CASES, MNIST):
        for framework in PASSES:
            both = [each[case] for each in rounds if {"jaxdl", framework} <= each.get(case, {}).keys()]
            cells = []
            for which in ("first", "first_of_a_core", "later"):
                speeds = [figures[framework][which] for figures in both]
                ratios = [figures["jaxdl"][which] / figures[framework][which] for figures in both]
                if speeds:
                    ratio = "" if framework == "jaxdl" else f" ({statistics.median(ratios):.2f})"
                    cells.append(f"{statistics.median(speeds):,.0f}{ratio}")
            if cells:
                lines.append(f"| {case} | {framework} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints."""
    parser = parser_of(__doc__, "images.json")
    parser.add_argument("--pictures", type=int, default=500, help="pictures of each case")
    parser.add_argument("--data_dir", type=Path, help="folder with MNIST; without it the images are random")
    options = parser.parse_args(arguments)
    turns = Turns(parser, options.python, PASSES)
    rounds: list[dict[str, dict[str, Figures]]] = []
    with tempfile.TemporaryDirectory() as work:
        for case, (stored, _) in CASES.items():
            write_pictures(Path(work) / case / "pictures", options.pictures, stored)
        mnist = Path(work) / "mnist.npz"
        write_mnist(mnist, options.data_dir)
        for number in range(options.rounds):
            rounds.append({})
            for case in (*CASES, MNIST):
                where = mnist if case == MNIST else Path(work) / case / "pictures"
                size = 28 if case == MNIST else CASES[case][1]
                only = array_passes.PASSES if case == MNIST else None
                run_one = functools.partial(measure, folder=where, size=size)
                rounds[-1][case] = turns.round(number, run_one, only)
                print(f"round {number + 1}, {case}: {', '.join(rounds[-1][case])}", file=sys.stderr)
    return turns.conclude(options.output, rounds, table(rounds), pictures=options.pictures)


if __name__ == "__main__":
    sys.exit(main())
