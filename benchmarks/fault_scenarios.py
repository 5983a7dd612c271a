"""What the fault campaign disturbs: a training, a save, a resume, sweeps and a prediction, each small.

A scenario is run in a fork of this process, which has imported what commands import but has started no backend of JAX:
that saves the seconds of the imports.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import importlib
import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from benchmarks import syscalls
from benchmarks.process import ROOT
from benchmarks.syscalls import Decide

# What a command imports on its way, among it what is imported late.
_IMPORTED = (
    "jaxdl.cli.run", "jaxdl.cli.training", "jaxdl.cli.sweep", "jaxdl.cli.inference", "jaxdl.cli.flags",
    "flax.linen", "matplotlib.figure", "optax", "optuna", "orbax.checkpoint", "pandas", "PIL.Image", "pyarrow.parquet",
    "rich.live", "scipy.special", "sklearn.datasets", "tensorstore",
)  # fmt: skip
LIMIT = 120.0
_RECIPE = ("--experiment=digits_mlp", "--platform=cpu", "--model.features=8", "--every=20steps", "--batch_size=128")


@dataclasses.dataclass(frozen=True)
class Scenario:
    """One command, from a prepared state to a result.

    Attributes:
        arguments: the command line; empty for `save`.
        before: the command line that prepares the state, empty if there is nothing to prepare.
        until: the file after whose appearance the preparing command is killed; empty to let it end.
        result: reads the result from the folder: what must be the same, by name.
        compiled: whether its compiled programs are in the cache.
    """

    arguments: tuple[str, ...]
    result: Callable[[Path], dict[str, Any]]
    before: tuple[str, ...] = ()
    until: str = ""
    compiled: bool = True


@dataclasses.dataclass(frozen=True)
class Done:
    """How a command ended: its status, whether it hung, and what it wrote."""

    status: int
    hung: bool
    output: str
    errors: str


def run_result(folder: Path) -> dict[str, Any]:
    """Returns what must be the same in two finished runs in ``run/`` below a folder, by name."""
    run_dir = folder / "run"
    summary = json.loads((run_dir / "summary.json").read_text())
    found = {name: summary[name] for name in ("status", "step", "epoch", "params_sha256", "metrics", "data")}
    found["metrics.jsonl"] = (run_dir / "metrics.jsonl").read_text()
    found["config.json"] = (run_dir / "config.json").read_text()
    found["files"] = sorted(path.name.partition(".out")[0] for path in run_dir.iterdir())
    found["files"] = sorted(set(found["files"]))
    # A kill may leave an older one that was about to be removed.
    names = [path.name for path in (run_dir / "checkpoints").iterdir()]
    found["checkpoints"] = max(int(name) for name in names if name.isdecimal()), [n for n in names if "damaged" in n]
    return found


def sweep_result(folder: Path) -> dict[str, Any]:
    """Returns what must be the same in two finished sweeps in ``sweep/`` below a folder, by name."""
    sweep_dir = folder / "sweep"
    summary = json.loads((sweep_dir / "summary.json").read_text())
    with open(sweep_dir / "results.csv") as file:
        rows = [
            {k: v for k, v in row.items() if k not in ("seconds", "examples_per_second", "attempts")}
            for row in csv.DictReader(file)
        ]
    best = summary["best"] and {key: value for key, value in summary["best"].items() if key != "command"}
    files = sorted({path.name for path in sweep_dir.iterdir() if not path.name.startswith(".")})
    return {"status": summary["status"], "trials": summary["trials"], "best": best, "rows": rows, "files": files}


def _prediction_result(folder: Path) -> dict[str, Any]:
    return {"predictions.csv": (folder / "predictions.csv").read_text()}


def _save_result(folder: Path) -> dict[str, Any]:
    return {"checkpoints": sorted(path.name for path in (folder / "checkpoints").iterdir())}


_TRAINING = (*_RECIPE, "--epochs=4", "--run_dir=run")
SWEEP = (
    *_RECIPE, "--epochs=2", "--sweep=learning_rate=1e-3,1e-2", "--sweep_dir=sweep",
    "--sweep_objective=validation/accuracy",
)  # fmt: skip
SCENARIOS = {
    "training": Scenario(_TRAINING, run_result, compiled=False),
    "save": Scenario((), _save_result),
    "resume": Scenario(_TRAINING, run_result, before=_TRAINING, until="run/checkpoints/20"),
    "sweep": Scenario((*SWEEP, "--sweep_batch=off"), sweep_result),
    "sweep in one program": Scenario((*SWEEP, "--sweep_batch=2"), sweep_result),
    "prediction": Scenario(
        ("--mode=predict", "--run_dir=run", "--input=images", "--output=predictions.csv", "--platform=cpu"),
        _prediction_result,
        before=_TRAINING,
    ),
}


def import_all() -> None:
    """Imports what commands import; before `run`."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # no thread may be there when this process forks
    os.environ.pop("JAX_COMPILATION_CACHE_DIR", None)  # each folder has a cache of its own
    for name in _IMPORTED:
        importlib.import_module(name)
    from jaxdl.report import plots, sweep_plots

    for drawn_by in (plots, sweep_plots):  # a drawing reads and writes no file, and takes half of the time
        drawn_by.svg = lambda figure, title: "<svg></svg>"  # type: ignore[attr-defined]


def run(scenario: Scenario, folder: Path, decide: Decide | None = None) -> Done:
    """Runs a scenario's command in a folder; `decide` is that of `syscalls.run`."""
    return _run(scenario.arguments, folder, decide)


def _run(arguments: Sequence[str], folder: Path, decide: Decide | None = None) -> Done:
    output, errors = folder.with_name("output.txt"), folder.with_name("errors.txt")

    def command() -> NoReturn:
        for number, path in ((1, output), (2, errors)):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(descriptor, number)
            os.close(descriptor)
        end_with((lambda: launch(arguments)) if arguments else (lambda: _save(folder / "checkpoints")), folder)

    ended = syscalls.run(command, folder, decide, LIMIT)
    return Done(ended.status, ended.hung, output.read_text(), errors.read_text(errors="replace"))


def launch(arguments: Sequence[str]) -> NoReturn:
    """Runs a command line as ``launch.py`` does."""
    from jaxdl.cli.main import main

    sys.argv = ["launch.py", *arguments]
    main(ROOT / "experiments")


def end_with(call: Callable[[], NoReturn], folder: Path) -> NoReturn:
    """Makes a call in a folder, with its own cache below, and ends this process as the call wants to."""
    os.chdir(folder)
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    status = 1
    try:
        call()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    with contextlib.suppress(OSError):  # the reader of the output may be gone
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def prepare(scenario: Scenario, folder: Path) -> None:
    """Makes the state from which a scenario begins.

    Raises:
        RuntimeError: a command that prepares it fails.
    """
    folder.mkdir(parents=True)
    images(folder / "images")
    if scenario.before:
        _whole(scenario.before, folder)
        if scenario.until:
            shutil.rmtree(folder / "run")
            until = str(folder / scenario.until)

            def kill(operation: syscalls.Operation) -> str | None:
                return syscalls.KILL if operation.kind == "read" and Path(until).exists() else None

            if _run(scenario.before, folder, kill).status >= 0:
                raise RuntimeError("the run that is to be resumed came to its end")
    if not scenario.arguments:
        _whole((), folder)
        for path in sorted((folder / "checkpoints").iterdir())[1:]:
            shutil.rmtree(path)
        return
    if not scenario.compiled:
        return
    kept = folder.with_name("kept")
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(folder, kept)
    _whole(scenario.arguments, folder)  # fills the cache
    shutil.copytree(folder / "cache", kept / "cache", dirs_exist_ok=True)
    shutil.rmtree(folder)
    kept.rename(folder)


def _whole(arguments: Sequence[str], folder: Path) -> None:
    done = _run(arguments, folder)
    if done.status:
        raise RuntimeError(f"{' '.join(arguments)} ended with status {done.status}: {done.errors}")


def images(folder: Path) -> None:
    """Writes a few of scikit-learn's digits as files of images."""
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    folder.mkdir()
    for number, pixels in enumerate(load_digits().images[:6]):
        Image.fromarray(np.round(pixels / 16 * 255).astype(np.uint8)).save(folder / f"{number}.png")


def _save(folder: Path) -> NoReturn:
    """Saves a second checkpoint beside a first one, reads both back and prints their digests; ends the process."""
    import numpy as np

    from jaxdl.backend.signals import end_process
    from jaxdl.checkpoint import Checkpoints
    from jaxdl.checkpoint.digest import params_sha256
    from jaxdl.errors import UserError

    status = 0
    try:
        with Checkpoints(folder, keep=2) as checkpoints:
            for step in (1, 2):
                values = np.random.default_rng(step)
                state = {name: values.normal(size=(40, 30)).astype(np.float32) for name in "abc"}
                checkpoints.save(step, state, about={"step of the test": step})
                checkpoints.wait()
        with Checkpoints(folder, read_only=True) as checkpoints:
            for step in checkpoints.steps():
                print(step, params_sha256(checkpoints.restore(state, step)))
    except UserError as error:
        print(f"launch.py: error: {error}", file=sys.stderr)
        status = 2
    end_process(status)
