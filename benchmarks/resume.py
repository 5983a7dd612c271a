"""The cost of checkpoints and the time to resume a stopped training: jaxdl, Keras's BackupAndRestore, Lightning.

    python -m benchmarks.resume [--pairs=3] [--frameworks=jaxdl,keras,lightning] [--data_dir=DIR] [--output=DIR]

The network and optimizer are those of mnist_cnn (1.2 million parameters with Adam's two moments), on 3,200 images of
MNIST. Each process trains 2 or 12 epochs, without checkpoints or with one each epoch; the difference between the two
lengths is the time of ten epochs, without start and compilation. The cost of a checkpoint is the difference between an
epoch with and without checkpoints in the same round; it is negative if the noise of the machine is larger than the
cost. For jaxdl, it is also given as a percentage of its default interval. To measure resuming, a process is killed
after its first checkpoint and started again; the time is from the start of the process to the end of its first new
train step. Everything is run in turns, in new processes; the compilation cache is filled before and kept, as on a
user's machine. Writes resume.json. Needs the extra ``bench``. Exit status: 0, 1 if a process failed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import data
from benchmarks.summary import spread
from benchmarks.workloads import WORKLOADS

_RECIPE = WORKLOADS["mnist_cnn"]
_EXAMPLES, _SHORT, _LONG = 3_200, 2, 12
FRAMEWORKS = ("jaxdl", "keras", "lightning")
SAVES = ("none", "epoch")


def train_jaxdl(options: argparse.Namespace) -> None:
    """Trains with `jaxdl.train`, with a data source that shortens the train split."""
    import jaxdl

    jaxdl.configure(platform="cpu")
    every = {"none": "1000h", "epoch": "1epoch"}[options.save]
    experiment = jaxdl.load_experiment("mnist_cnn", Path(__file__).resolve().parents[1] / "experiments")
    changes = {"training.epochs": options.epochs, "checkpoint.every": every, "data": _Cut(folder=str(options.data))}
    summary = jaxdl.train(
        jaxdl.replace(experiment, changes), run_dir=options.run_dir, data_dir=options.data, begin=options.started
    )
    seconds = summary["seconds_to_first_step"]
    assert seconds is not None, "a run that was finished has no first step"
    _report(options, seconds)


def _Cut(folder: str) -> Any:
    from benchmarks.frameworks.jaxdl_ import Stored

    return Stored(folder, 10, validation=0.0)


def _load(options: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    inputs, targets = data.load(options.data, "train")
    return data.as_float(inputs), targets


def train_keras(options: argparse.Namespace) -> None:
    """Trains with `fit` on TensorFlow; BackupAndRestore saves after each epoch and resumes from there."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras

    from benchmarks.frameworks.keras_ import network_of, optimizer_of

    keras.utils.set_random_seed(0)
    inputs, targets = _load(options)
    network = network_of(keras, _RECIPE)
    network.compile(
        optimizer=optimizer_of(keras, _RECIPE, options.epochs * _EXAMPLES // _RECIPE.batch_size),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    first: list[float] = []
    clock = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: first.append(time.monotonic()))
    callbacks = [clock]
    if options.save == "epoch":
        callbacks.append(keras.callbacks.BackupAndRestore(str(options.run_dir), delete_checkpoint=False))
    network.fit(inputs, targets, batch_size=_RECIPE.batch_size, epochs=options.epochs, verbose=0, callbacks=callbacks)
    _report(options, first[0] - options.started)


def train_lightning(options: argparse.Namespace) -> None:
    """Trains with Lightning's Trainer; ModelCheckpoint saves after each epoch, ``ckpt_path="last"`` resumes."""
    import lightning
    import torch

    from benchmarks.frameworks.torch_ import network_of

    inputs, targets = _load(options)
    first: list[float] = []

    class Module(lightning.LightningModule):
        """The network with its loss and optimizer."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network_of(_RECIPE)

        def training_step(self, batch: Any, number: int) -> Any:
            images, labels = batch
            return torch.nn.functional.cross_entropy(self.network(images), labels)

        def on_train_batch_end(self, *arguments: Any) -> None:
            first.append(time.monotonic())

        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(self.parameters(), lr=2e-3, weight_decay=1e-4)

    images = torch.from_numpy(inputs.transpose(0, 3, 1, 2).copy())
    dataset = torch.utils.data.TensorDataset(images, torch.from_numpy(targets.astype(np.int64)))
    loader = torch.utils.data.DataLoader(dataset, batch_size=_RECIPE.batch_size, shuffle=True)
    saves = options.save == "epoch"
    keeper = lightning.pytorch.callbacks.ModelCheckpoint(options.run_dir, save_last=True, every_n_epochs=1)
    trainer = lightning.Trainer(
        accelerator="cpu", max_epochs=options.epochs, logger=False, enable_progress_bar=False,
        enable_model_summary=False, enable_checkpointing=saves, callbacks=[keeper] if saves else [],
        default_root_dir=options.run_dir,
    )  # fmt: skip
    last = options.run_dir / "last.ckpt"
    trainer.fit(Module(), loader, ckpt_path=str(last) if last.exists() else None)
    _report(options, first[0] - options.started)


def _report(options: argparse.Namespace, first_step: float) -> None:
    print(json.dumps({"first_step": first_step}))


class Bench:
    """Runs the processes of one comparison.

    Args:
        folder: folder of the data and runs.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.data = folder / "data"
        self.environment = os.environ | {
            "XDG_CACHE_HOME": str(folder / "cache"),
            "TF_CPP_MIN_LOG_LEVEL": "2",
            "CUDA_VISIBLE_DEVICES": "-1",
            "JAX_PLATFORMS": "cpu",
        }
        self.runs = 0

    def start(self, framework: str, save: str, epochs: int, run_dir: Path) -> subprocess.Popen[str]:
        """Starts one training."""
        command = [sys.executable, "-m", "benchmarks.resume", "--worker", framework, "--save", save]
        command += ["--epochs", str(epochs), "--data", str(self.data), "--run_dir", str(run_dir)]
        command += ["--started", repr(time.monotonic())]
        return subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def finish(self, process: subprocess.Popen[str]) -> dict[str, float]:
        """Waits for a training and returns its report.

        Raises:
            RuntimeError: it failed.
        """
        output, errors = process.communicate()
        if process.returncode:
            raise _failure(process, errors)
        report: dict[str, float] = json.loads(output.splitlines()[-1])
        return report

    def new_dir(self) -> Path:
        """Returns a path that no other run has."""
        self.runs += 1
        return self.folder / "runs" / str(self.runs)

    def epoch_seconds(self, framework: str, save: str) -> float:
        """Returns the seconds of one epoch, from two trainings of different lengths."""
        seconds = {}
        for epochs in (_SHORT, _LONG):
            begin = time.monotonic()
            self.finish(self.start(framework, save, epochs, self.new_dir()))
            seconds[epochs] = time.monotonic() - begin
        return (seconds[_LONG] - seconds[_SHORT]) / (_LONG - _SHORT)

    def resume_seconds(self, framework: str) -> float:
        """Returns the seconds from the start of a resumed process to the end of its first new step.

        Raises:
            RuntimeError: a process failed, or ended before it could be killed.
        """
        run_dir = self.new_dir()
        process = self.start(framework, "epoch", _LONG, run_dir)
        while process.poll() is None and not _saved(framework, run_dir):
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
        if process.returncode == 0:
            raise _failure(process, "it was finished before it could be killed, so there is nothing to resume")
        if process.returncode != -signal.SIGKILL:
            raise _failure(process, errors)
        return self.finish(self.start(framework, "epoch", _LONG, run_dir))["first_step"]


def _failure(process: subprocess.Popen[str], output: str) -> RuntimeError:
    assert isinstance(process.args, list)  # as set in `Bench.start`
    lines = output.strip().splitlines() or ["no message"]
    return RuntimeError(f"{' '.join(process.args[3:7])} ended with status {process.returncode}: {lines[-1]}")


def _saved(framework: str, run_dir: Path) -> bool:
    if framework == "jaxdl":
        folder = run_dir / "checkpoints"
        return folder.exists() and any(path.name.isdigit() for path in folder.iterdir())
    return any(run_dir.glob("last.ckpt" if framework == "lightning" else "**/*.json"))


def default_interval() -> float:
    """Returns the default seconds between two checkpoints of jaxdl."""
    from jaxdl.experiment import Checkpointing
    from jaxdl.fields.interval import Interval

    return Interval.parse(Checkpointing().every).amount


def with_costs(framework: str, figures: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a framework's figures and the cost of one checkpoint: median, smallest and largest over rounds.

    Args:
        framework: its name.
        figures: ``epoch_seconds`` and ``resume_seconds`` of each round, the first by how often it is saved: ``none``,
            or one checkpoint each ``epoch``.
    """
    pairs = zip(figures["epoch_seconds"]["epoch"], figures["epoch_seconds"]["none"], strict=True)
    costs = [saving - plain for saving, plain in pairs]
    found = {**figures, "checkpoint_seconds": spread(costs)}
    if framework == "jaxdl":
        found["share_at_default_interval"] = spread(cost / default_interval() for cost in costs)
    return found


def lines(framework: str, found: Mapping[str, Any]) -> list[str]:
    """Returns the result of `with_costs` as text."""
    epochs = [
        f"{framework}, {save}: {_in_words(spread(seconds))} s an epoch"
        for save, seconds in found["epoch_seconds"].items()
    ]
    costs = [f"{framework}: {_in_words(found['checkpoint_seconds'], digits=3)} s of the training for one checkpoint"]
    if "share_at_default_interval" in found:
        share = _in_words(found["share_at_default_interval"], percent=True)
        costs.append(f"{framework}: {share} % of it at one every {default_interval():g} s, the default")
    return [*epochs, *costs, f"{framework}: {_in_words(spread(found['resume_seconds']))} s to the first new step"]


def _in_words(values: Mapping[str, float] | None, digits: int = 2, percent: bool = False) -> str:
    assert values is not None  # there is at least one round
    median, least, largest = ((100 if percent else 1) * values[name] for name in ("median", "min", "max"))
    return f"{median:.{digits}f} [{least:.{digits}f}, {largest:.{digits}f}]"


def main(arguments: list[str]) -> int:
    """Runs all pairs, or one training with ``--worker``; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=3, help="rounds (3)")
    parser.add_argument("--frameworks", default=",".join(FRAMEWORKS), help="names, with commas between")
    parser.add_argument("--data_dir", type=Path, help="where MNIST is prepared")
    parser.add_argument("--output", type=Path, default=Path("runs/resume"), help="folder of the runs and resume.json")
    for name, kind in (("worker", str), ("save", str), ("epochs", int), ("started", float)):
        parser.add_argument(f"--{name}", type=kind, help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--run_dir", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.worker:
        {"jaxdl": train_jaxdl, "keras": train_keras, "lightning": train_lightning}[options.worker](options)
        return 0
    folder = options.output.resolve()
    bench = Bench(folder)
    _write_data(bench.data, options.data_dir)
    frameworks = options.frameworks.split(",")
    for framework in frameworks:
        bench.epoch_seconds(framework, "none")  # fills the compilation cache
    results: dict[str, Any] = {}
    figures: dict[str, Any] = {name: {"epoch_seconds": {}, "resume_seconds": []} for name in frameworks}
    for number in range(1, options.pairs + 1):
        for framework, into in figures.items():
            for save in SAVES:
                into["epoch_seconds"].setdefault(save, []).append(bench.epoch_seconds(framework, save))
            into["resume_seconds"].append(bench.resume_seconds(framework))
            print(f"[{number}/{options.pairs}] {framework}: {json.dumps(into)}", flush=True)
        results = {framework: with_costs(framework, into) for framework, into in figures.items()}
        (folder / "resume.json").write_text(json.dumps(results, indent=2) + "\n")
    for framework, found in results.items():
        print("\n".join(lines(framework, found)))
    return 0


def _write_data(folder: Path, data_dir: Path | None) -> None:
    if folder.exists():
        return
    splits = data.make(_RECIPE, data_dir)
    folder.mkdir(parents=True)
    for split, (inputs, targets) in splits.items():
        np.save(folder / f"{split}-inputs.npy", inputs[:_EXAMPLES])
        np.save(folder / f"{split}-targets.npy", targets[:_EXAMPLES])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
