"""How long the start takes, compared with the import of the three packages that jaxdl is based on.

    python -m benchmarks.startup [--pairs=5]

Each round runs every command once, each in a separate process, so that other load on the machine affects all equally. A
round before the measurement fills the compilation cache, which is in a temporary folder, and the file caches.

| command | allowed |
|---|---|
| ``--list``, ``--help``, ``--experiment=digits_mlp --help``, to their end | the import |
| ``--experiment=digits_mlp``, until the metrics of its first step are on the host | 1.5 times the import plus 1 s |

The first step's time is ``seconds_to_first_step`` of ``summary.json``, whose clock starts with ``launch.py``'s first
statement; the start of the interpreter before it is measured as ``python -c pass`` in the same round and added.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
IMPORT, FIRST_STEP = "import jax, flax.linen, optax", "first step of digits_mlp"
_EXPERIMENT = "--experiment=digits_mlp"
_TO_THEIR_END = {
    "launch.py --list": ["launch.py", "--list"],
    "launch.py --help": ["launch.py", "--help"],
    f"launch.py {_EXPERIMENT} --help": ["launch.py", _EXPERIMENT, "--help"],
}


def seconds_of(arguments: list[str], folder: Path) -> float:
    """Returns the seconds from before the creation of a Python process to its end.

    Raises:
        RuntimeError: the process failed.
    """
    environment = os.environ | {"XDG_CACHE_HOME": str(folder)}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)  # the user's own cache would be used instead
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - begin
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} ended with status {done.returncode}: {done.stderr}")
    return seconds


def seconds_to_first_step(folder: Path) -> float:
    """Trains in a new run directory below `folder`; returns the seconds from the process's start to the first step."""
    run_dir = Path(tempfile.mkdtemp(dir=folder))
    seconds_of(["launch.py", _EXPERIMENT, f"--run_dir={run_dir}"], folder)
    summary: dict[str, float] = json.loads((run_dir / "summary.json").read_text())
    return summary["seconds_to_first_step"]


def round_of(folder: Path) -> dict[str, float]:
    """Runs every command once; returns its seconds by name."""
    seconds = {IMPORT: seconds_of(["-c", IMPORT], folder)}
    seconds |= {name: seconds_of(arguments, folder) for name, arguments in _TO_THEIR_END.items()}
    seconds[FIRST_STEP] = seconds_of(["-c", "pass"], folder) + seconds_to_first_step(folder)
    return seconds


def table(rounds: list[dict[str, float]]) -> str:
    """Returns a line for each command: median, min and max in seconds, and median ratio to the round's allowed time."""
    lines = [f"{'seconds':<42}{'median':>8}{'min':>8}{'max':>8}{'of allowed':>12}"]
    for name in rounds[0]:
        values = [seconds[name] for seconds in rounds]
        line = f"{name:<42}{statistics.median(values):8.3f}{min(values):8.3f}{max(values):8.3f}"
        if name != IMPORT:
            ratios = [seconds[name] / allowed(name, seconds[IMPORT]) for seconds in rounds]
            line += f"{statistics.median(ratios):12.2f}"
        lines.append(line)
    return "\n".join(lines)


def allowed(name: str, import_seconds: float) -> float:
    """Returns the seconds that a command may take if the import takes `import_seconds`."""
    return 1.5 * import_seconds + 1 if name == FIRST_STEP else import_seconds


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number of at least 1")
    return int(text)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")  # one line, without the usage


def main(arguments: list[str]) -> None:
    """Measures and prints the table."""
    parser = _Parser(prog="python -m benchmarks.startup", usage="%(prog)s [--pairs=N]")
    parser.add_argument("--pairs", type=_positive, default=5, help="rounds in which every command is measured once")
    pairs = parser.parse_args(arguments).pairs
    with tempfile.TemporaryDirectory(prefix="jaxdl-startup-") as folder:
        round_of(Path(folder))
        print(table([round_of(Path(folder)) for _ in range(pairs)]))


if __name__ == "__main__":
    main(sys.argv[1:])
