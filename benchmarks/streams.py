"""Trainings on sets that stay on disk: memory, waiting for input, the time to resume, and the same bits after kills.

    python -m benchmarks.streams [--kinds=arrays,array_record,folder] [--gigabytes=5] [--pictures=100000]
        [--batch_size=256] [--step_ms=50] [--rounds=3] [--kills=20] [--folder=DIR] [--output=FILE]

For each kind a set is generated below the folder: `gigabytes` of pictures of 64x64x3 bytes, as ``.npy`` files and in
array_record files, and a folder of so many small JPEG files. Then, each in a process of its own:

- one epoch, the first time that the set is read: decoding it, its fingerprint and means are in that, too. The largest
  resident memory of the process; how long the device waited for examples, as a share of the train steps' time. A train
  step takes `step_ms` asleep, as if an accelerator computed it.
- `rounds` times: a fresh start, and, after it was killed at a random step, the start that goes on: seconds from the
  start of the process to its first train step.
- `kills` stops at random moments of trainings with quicker steps, whose final bits are compared with those of one that
  was not stopped; see `jaxdl.verify_resume`.

Writes a JSON file; removes what it generated. Exit status: 0; 1 if a process failed or bits differ.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import jaxdl
from benchmarks import machine
from benchmarks.stream_sets import EXAMPLE_BYTES, WRITERS

_QUICK_MS = 2.0


class Failed(Exception):
    """A training ended in another way than it should."""


class Bench:
    """The measurements on one set.

    Args:
        kind: of the set.
        folder: an existing folder, for the set, runs and what jaxdl keeps.
        options: the command's.
    """

    def __init__(self, kind: str, folder: Path, options: argparse.Namespace):
        self._kind, self._folder, self._options = kind, folder, options
        self._path = folder / "set"
        self._random = random.Random(0)

    def run(self) -> dict[str, Any]:
        """Generates the set, measures, and returns the figures.

        Raises:
            Failed: a training did not end as it should.
        """
        options = self._options
        count = options.pictures if self._kind == "folder" else int(options.gigabytes * 1e9) // EXAMPLE_BYTES
        begin = time.monotonic()
        WRITERS[self._kind](self._path, count)
        figures: dict[str, Any] = {
            "kind": self._kind,
            "examples": count,
            "seconds_to_generate": time.monotonic() - begin,
        }
        figures |= self._epoch()
        figures |= self._resuming()
        figures |= self._kills()
        return figures

    def _command(self, step_ms: float) -> list[str]:
        given = (self._kind, self._path, self._options.batch_size, step_ms, 1)
        with_own_cache = ["env", f"XDG_CACHE_HOME={self._folder / 'cache'}"]
        return [*with_own_cache, sys.executable, "-m", "benchmarks.stream_worker", *map(str, given)]

    def _start(self, run_dir: Path, step_ms: float) -> subprocess.Popen[str]:
        command = [*self._command(step_ms), f"--run_dir={run_dir}"]
        with open(self._folder / "log.txt", "a") as log:
            return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)

    def _epoch(self) -> dict[str, Any]:
        run_dir = self._folder / "epoch"
        output, _ = self._start(run_dir, self._options.step_ms).communicate()
        lines = output.splitlines()
        if not lines or not lines[-1].startswith("{"):
            raise Failed(f"the training failed: see {self._folder / 'log.txt'}")
        told = json.loads(lines[-1])
        summary = told["summary"]
        steps = summary["last_step"]
        seconds = steps * self._options.batch_size / summary["train_examples_per_second"]
        waited = summary["seconds_waiting_for_examples"]
        shutil.rmtree(run_dir)
        return {
            "steps": steps,
            "peak_gigabytes": told["peak_bytes"] / 1e9,
            "milliseconds_per_step": seconds / steps * 1e3,
            "waiting_share": waited / seconds,
            "first_seconds_to_first_step": summary["seconds_to_first_step"],
        }

    def _resuming(self) -> dict[str, Any]:
        fresh, resumed = [], []
        for number in range(self._options.rounds):
            run_dir = self._folder / f"resumed-{number}"
            fresh.append(self._first_step(run_dir, until_saved=True))
            resumed.append(self._first_step(run_dir, until_saved=False))
            shutil.rmtree(run_dir)
        return {"fresh_start_seconds": fresh, "resumed_start_seconds": resumed}

    def _first_step(self, run_dir: Path, until_saved: bool) -> float:
        """Returns the seconds from the start of a process to its first train step, and kills it."""
        begin = time.monotonic()
        process = self._start(run_dir, self._options.step_ms)
        try:
            assert process.stdout is not None
            if process.stdout.readline() != "first step\n":
                raise Failed(f"the training failed: see {self._folder / 'log.txt'}")
            seconds = time.monotonic() - begin
            while until_saved and not any(path.name.isdigit() for path in run_dir.glob("checkpoints/*")):
                if process.poll() is not None:
                    raise Failed("the training ended before it saved its state; give more examples or a smaller batch")
                time.sleep(0.05)
            if until_saved:
                time.sleep(self._random.uniform(0, 5))
            return seconds
        finally:
            process.kill()
            process.communicate()

    def _kills(self) -> dict[str, Any]:
        proof = jaxdl.verify_resume(
            self._command(_QUICK_MS), self._folder / "kills", self._options.kills, notify=_overwrite
        )
        print(f"\n{proof.text()}", flush=True)
        return {"kills": proof.kills, "slowest_stop": proof.slowest_stop, "different": proof.different}


def text(figures: dict[str, Any]) -> str:
    """Returns the figures in a few lines."""
    fresh, resumed = (statistics.median(figures[f"{name}_start_seconds"]) for name in ("fresh", "resumed"))
    return "\n".join(
        [
            f"{figures['kind']}: {figures['examples']:,} examples, {figures['steps']:,} steps",
            f"  largest resident memory: {figures['peak_gigabytes']:.2f} GB",
            f"  waiting for input: {100 * figures['waiting_share']:.2f} % at "
            f"{figures['milliseconds_per_step']:.1f} ms a step",
            f"  to the first step: fresh {fresh:.1f} s, resumed {resumed:.1f} s ({resumed - fresh:+.1f} s); "
            f"the first time {figures['first_seconds_to_first_step']:.1f} s",
            f"  stopped {sum(figures['kills'].values())} times: "
            + ("the same bits" if not figures["different"] else f"DIFFERENT: {figures['different']}"),
        ]
    )


def main(arguments: list[str]) -> int:
    """Measures all kinds; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", default=",".join(WRITERS), help="kinds of sets (all)")
    parser.add_argument("--gigabytes", type=float, default=5.0, help="size of a set of arrays or records (5)")
    parser.add_argument("--pictures", type=int, default=100_000, help="pictures in the folder (100000)")
    parser.add_argument("--batch_size", type=int, default=256, help="examples in a train step (256)")
    parser.add_argument("--step_ms", type=float, default=50.0, help="how long a train step sleeps (50)")
    parser.add_argument("--rounds", type=int, default=3, help="how often resuming is timed (3)")
    parser.add_argument("--kills", type=int, default=20, help="stops at random moments (20)")
    parser.add_argument(
        "--folder", type=Path, help="an existing folder for the sets (the system's for temporary files)"
    )
    parser.add_argument("--output", type=Path, default=Path("streams.json"), help="the JSON file (streams.json)")
    options = parser.parse_args(arguments)
    results: dict[str, Any] = {
        "machine": machine.describe(),
        "options": {name: str(value) for name, value in vars(options).items()},
        "sets": [],
    }
    status = 0
    for kind in options.kinds.split(","):
        with tempfile.TemporaryDirectory(prefix=f"jaxdl-{kind}-", dir=options.folder) as folder:
            try:
                figures = Bench(kind, Path(folder), options).run()
            except (Failed, jaxdl.UserError) as error:
                print(f"benchmarks.streams: {kind}: {error}", file=sys.stderr)
                print((Path(folder) / "log.txt").read_text()[-2000:], file=sys.stderr)
                status = 1
                continue
        print(text(figures), flush=True)
        results["sets"].append(figures)
        options.output.write_text(json.dumps(results, indent=1) + "\n")
        status = status or int(bool(figures["different"]))
    return status


def _overwrite(line: str) -> None:
    print(f"\r{line:60}", end="", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
