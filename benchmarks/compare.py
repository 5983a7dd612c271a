"""The same recipes side by side in jaxdl, Keras 3, PyTorch and plain Flax, in turns, each training in a new process.

    python -m benchmarks.compare [--workloads=mnist_cnn,gru_200] [--python=torch=/path/to/python]
    python -m benchmarks.compare --report=DIR       # make tables and figure again from DIR/results.json

Each round runs every workload with one framework after another, so that other load on the machine affects all of them.
The speed job trains for --seconds after a warm-up epoch; the accuracy job trains from process start until the test
accuracy reaches the workload's target. Compiled programs are kept from one process to the next only with --warm_cache.
Written to --output: results.json (after each round), results.md and results.png.

Exit status: 0; 1 if a run failed, or a framework reached a different accuracy; 2 for bad input.
"""

from __future__ import annotations

import argparse
import datetime
import json
import shlex
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NoReturn

from benchmarks import data, machine, process
from benchmarks.frameworks import FRAMEWORKS, named
from benchmarks.interpreters import BadInput, Interpreters
from benchmarks.summary import JUDGED, Case, case_name, slow_peers, summarise
from benchmarks.task import Task
from benchmarks.workloads import TINY, WORKLOADS

RESULTS = "results.json"
_DEFAULT = [name for name in WORKLOADS if name != TINY]


class _Parser(argparse.ArgumentParser):
    """Prints an error in one line."""

    def error(self, message: str) -> NoReturn:
        print(f"benchmarks.compare: {message}", file=sys.stderr)
        sys.exit(2)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Returns the options; ends the process with status 2 if one is wrong."""
    parser = _Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("--workloads", default=",".join(_DEFAULT), help="names, with commas between")
    parser.add_argument("--frameworks", default=",".join(FRAMEWORKS), help="names, with commas between; default: all")
    parser.add_argument("--pairs", type=_at_least(1, int), default=5, help="rounds of the speed job (default 5)")
    parser.add_argument("--accuracy_pairs", type=_at_least(0, int), default=1, help="rounds of the accuracy job (1)")
    parser.add_argument("--seconds", type=_at_least(0.1, float), default=6.0, help="minimum steady time, in s (6)")
    parser.add_argument(
        "--drop_below",
        type=_at_least(0, float),
        default=0.6,
        help="peers below this part of the best run only twice",
    )
    parser.add_argument("--limit", type=_at_least(1, float), default=1200.0, help="seconds after which a run is killed")
    parser.add_argument("--device", choices=("auto", "cpu", "gpu"), default="auto", help="a GPU also runs bfloat16")
    parser.add_argument(
        "--precisions",
        default="",
        help="float32, bfloat16 or both; default: float32, a GPU also bfloat16",
    )
    parser.add_argument(
        "--python", action="append", default=[], metavar="FRAMEWORK=PATH", help="repeatable: its Python"
    )
    parser.add_argument("--data_dir", help="folder with MNIST, or to prepare it in; default: TFDS's own folder")
    parser.add_argument("--output", type=Path, default=Path("runs/benchmarks"), help="folder of the results")
    parser.add_argument("--warm_cache", action="store_true", help="keep compiled programs from one process to the next")
    parser.add_argument("--report", type=Path, metavar="DIR", help="only make tables and figure from DIR/results.json")
    options = parser.parse_args(arguments)
    options.workloads = _names(parser, "workload", options.workloads, list(WORKLOADS))
    precisions = _names(parser, "precision", options.precisions, ["float32", "bfloat16"]) if options.precisions else []
    options.precisions = precisions
    options.frameworks = _names(parser, "framework", options.frameworks, list(FRAMEWORKS), expand=True)
    return options


def _at_least(least: float, kind: type) -> Any:
    def convert(text: str) -> Any:
        value = kind(text)
        if not value >= least:
            raise argparse.ArgumentTypeError(f"must be at least {least}")
        return value

    convert.__name__ = kind.__name__
    return convert


def _names(parser: _Parser, noun: str, text: str, possible: list[str], *, expand: bool = False) -> list[str]:
    chosen: list[str] = []
    for name in filter(None, text.split(",")):
        found = named(name) if expand and name not in possible else [name] if name in possible else []
        if not found:
            parser.error(f"unknown {noun} {name!r}. Choose from: {', '.join(possible)}.")
        chosen += [each for each in found if each not in chosen]
    if not chosen:
        parser.error(f"no {noun} is given. Choose from: {', '.join(possible)}.")
    return chosen


class Comparison:
    """One comparison while it runs.

    Args:
        options: see `parse`.
        command: the command line, for the record.

    Raises:
        BadInput: an interpreter or the data cannot be used.
    """

    def __init__(self, options: argparse.Namespace, command: str):
        self.options = options
        self.device = options.device
        if self.device == "auto":
            self.device = "gpu" if machine.gpu_name() else "cpu"
        self.output: Path = options.output.resolve()
        self.work = self.output / "work"
        self.environment = {
            "TF_CPP_MIN_LOG_LEVEL": "2",
            "JAX_COMPILATION_CACHE_DIR": "",
            "KERAS_HOME": str(self.work / "keras"),
            # Hide GPUs for CPU runs: JAX would use one that it finds, and PyTorch would see one.
            **({"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": "-1"} if self.device == "cpu" else {}),
        }
        self.interpreters = Interpreters(options.python, options.frameworks, self.environment)
        precisions = options.precisions or ["float32", "bfloat16"][: 1 if self.device == "cpu" else 2]
        self.cases: list[Case] = [(workload, precision) for workload in options.workloads for precision in precisions]
        self.results: dict[str, Any] = {
            "command": command,
            "began": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "commit": machine.commit(process.ROOT),
            "machine": machine.describe(),
            "device": self.device,
            "settings": {
                name: getattr(options, name)
                for name in ("pairs", "accuracy_pairs", "seconds", "drop_below", "limit", "warm_cache")
            },
            "left_out": self.interpreters.left_out,
            "workloads": {name: _recipe(name) for name in options.workloads},
            "peaks": [],
            "runs": [],
        }

    def run(self) -> dict[str, Any]:
        """Runs all rounds and returns the results.

        Raises:
            BadInput: the data are not available.
        """
        for framework, reason in self.interpreters.left_out.items():
            print(f"{framework} is left out: {reason}")
        self._write_data()
        self._measure_peaks()
        for number in range(1, max(self.options.pairs, self.options.accuracy_pairs) + 1):
            for case in self.cases:
                if number <= self.options.pairs:
                    self._round(number, case, "speed")
                if number <= self.options.accuracy_pairs:
                    self._round(number, case, "accuracy")
            self._write()
        return self.results

    def _round(self, number: int, case: Case, job: str) -> None:
        # The first accuracy job, which takes the longest, runs only the peers that were not slow in the round before
        # it.
        judged = job == "speed" and number <= JUDGED
        slow = set() if judged else slow_peers(self.results["runs"], case, self.options.drop_below)
        for framework in self.interpreters.frameworks:
            if framework not in slow:
                run = self._train(number, case, framework, job)
                self.results["runs"].append(run)
                rounds = self.options.pairs if job == "speed" else self.options.accuracy_pairs
                print(f"[{job} {number}/{rounds}] {case_name(case)}, {framework}: {_outcome(run)}", flush=True)

    def _train(self, number: int, case: Case, framework: str, job: str) -> dict[str, Any]:
        workload, precision = case
        with tempfile.TemporaryDirectory(dir=self.work) as folder:
            cache = self.work / "cache" if self.options.warm_cache else Path(folder) / "cache"
            result = Path(folder) / "result.json"
            task = Task(
                workload=workload,
                framework=framework,
                job=job,  # type: ignore[arg-type]
                precision=precision,  # type: ignore[arg-type]
                device=self.device,
                seed=number,
                seconds=self.options.seconds,
                data=str(data.folder_of(WORKLOADS[workload], self.work)),
                data_dir=self.options.data_dir and str(Path(self.options.data_dir).absolute()),
                started=time.monotonic(),
            )
            command = [self.interpreters.of(framework), "-m", "benchmarks.worker", task.to_json(), str(result)]
            caches = {"XDG_CACHE_HOME": str(cache), "TORCHINDUCTOR_CACHE_DIR": str(cache / "torchinductor")}
            finished = process.run(command, {**self.environment, **caches}, self.options.limit)
            figures = json.loads(result.read_text()) if finished.problem is None else {}
        return {
            "round": number,
            "workload": workload,
            "precision": precision,
            "framework": framework,
            "job": job,
            "problem": finished.problem,
            "peak_mib": finished.peak_mib,
            "wall_seconds": finished.wall_seconds,
            "cpu_seconds": finished.cpu_seconds,
            "other_cores": finished.other_cores,
            **figures,
        }

    def _write_data(self) -> None:
        self.work.mkdir(parents=True, exist_ok=True)
        for name in self.options.workloads:
            folder = data.folder_of(WORKLOADS[name], self.work)
            if folder.exists():
                continue
            command = [sys.executable, "-m", "benchmarks.data", f"--workload={name}", f"--folder={folder}"]
            if self.options.data_dir:
                command.append(f"--data_dir={Path(self.options.data_dir).absolute()}")
            finished = process.run(command, self.environment, self.options.limit)
            if finished.problem is not None:
                raise BadInput(f"the data of {name} are not available: {finished.problem}")

    def _measure_peaks(self) -> None:
        libraries = {"jax": ("jaxdl", "flax", "keras-jax"), "torch": ("torch", "torch-compile", "keras-torch")}
        for library, users in libraries.items():
            present = [framework for framework in users if framework in self.interpreters.frameworks]
            for precision in dict.fromkeys(precision for _, precision in self.cases):
                if not present:
                    continue
                options = [f"--library={library}", f"--precision={precision}", f"--device={self.device}"]
                command = [self.interpreters.of(present[0]), "-m", "benchmarks.peak", *options]
                finished = process.run(command, self.environment, self.options.limit)
                if finished.problem is not None:
                    print(f"[peak] {library} {precision}: {finished.problem}", flush=True)
                    continue
                peak = json.loads(finished.output.splitlines()[-1])
                self.results["peaks"].append(peak)
                print(f"[peak] {library} {precision}: {peak['gflops']:,.0f} GFLOP/s", flush=True)

    def _write(self) -> None:
        self.results["summary"] = summarise(self.results)
        draft = self.output / (RESULTS + ".new")
        draft.write_text(json.dumps(self.results, indent=1) + "\n")
        draft.replace(self.output / RESULTS)


def _recipe(name: str) -> dict[str, Any]:
    """Returns a workload for the record, with figures computed from its layers."""
    workload = WORKLOADS[name]
    return {"recipe": repr(workload), "parameters": workload.parameters, "train_flops": workload.train_flops}


def _outcome(run: dict[str, Any]) -> str:
    if run["problem"] is not None:
        return f"FAILED: {run['problem']}"
    took = f"{run['wall_seconds']:.0f} s in all"
    if run["job"] == "speed":
        return f"{run['examples_per_second']:,.0f} examples/s ({took})"
    curve = " ".join(f"{accuracy:.4f}" for accuracy in run["accuracies"])
    reached = run["seconds_to_target"]
    return f"accuracy {curve}, target {f'after {reached:.1f} s' if reached else 'not reached'} ({took})"


def _read(folder: Path) -> dict[str, Any]:
    """Returns the results in a folder, with a new summary.

    Raises:
        BadInput: there are none.
    """
    try:
        results = json.loads((folder / RESULTS).read_text())
        return {**results, "summary": summarise(results)}
    except (OSError, ValueError) as error:
        raise BadInput(f"--report={folder}: {folder / RESULTS} cannot be read: {error}") from error
    except (KeyError, TypeError) as error:
        raise BadInput(f"--report={folder}: {folder / RESULTS} does not have this program's format") from error


def main(arguments: list[str]) -> int:
    """Runs the comparison, or makes tables and figure of an old one again; returns the exit status."""
    options = parse(arguments)
    try:
        if options.report:
            folder: Path = options.report
            results = _read(folder)
        else:
            comparison = Comparison(options, shlex.join(["python", "-m", "benchmarks.compare", *arguments]))
            folder = comparison.output
            results = comparison.run()
    except (BadInput, OSError) as error:
        print(f"benchmarks.compare: {error}", file=sys.stderr)
        return 2
    from benchmarks import report  # not earlier: matplotlib would make this process larger than some workers

    report.write(results, folder)
    print(report.text(results))
    return 1 if any(entry["problems"] for entry in results["summary"]) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
