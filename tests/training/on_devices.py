"""Whole trainings on 8 virtual devices in one process; prints what tests compare. Argument: a folder to write in."""

from __future__ import annotations

import dataclasses
import json
import sys
import threading
from pathlib import Path
from typing import Any, ClassVar

import jax
import jax.export
import numpy as np
from flax import linen as nn

jax.config.update("jax_num_cpu_devices", 8)

import jaxdl  # noqa: E402
from jaxdl.experiment import Experiment  # noqa: E402
from jaxdl.inference.export import export_program  # noqa: E402
from jaxdl.record import read_record  # noqa: E402
from jaxdl.search import lr_find  # noqa: E402
from jaxdl.training.hooks import Hooks  # noqa: E402
from jaxdl.training.run import train  # noqa: E402
from jaxdl.training.stacked import Stacked  # noqa: E402
from tests.named import recipe as two_inputs  # noqa: E402

RECIPE = jaxdl.Experiment(
    name="devices",
    data=jaxdl.Digits(),
    model=jaxdl.MLP(features=(64,), dropout=0.2),
    objective=jaxdl.SoftmaxCrossEntropy(),
    optimizer=jaxdl.Adam(learning_rate=1e-2, clip_norm=1.0),
    training=jaxdl.Training(epochs=3, batch_size=64, eval_batch_size=100, final="best"),
    augmentation=jaxdl.Augmentation(shift=1),
)
FSDP = {"training.devices": 8, "training.shard": "fsdp"}


def given(**fields: Any) -> dict[str, Any]:
    """Returns fields of the training by their paths."""
    return {f"training.{name}": value for name, value in fields.items()}


def finished(folder: Path, first: dict[str, Any], then: dict[str, Any] | None = None) -> dict[str, Any]:
    """Trains to the end, or stops after an epoch and goes on with other fields; returns the figures and digests."""
    said: list[str] = []
    if then is not None:
        stop = Hooks(give_up=lambda epoch, figures: epoch == 1, plots=False)
        assert (
            train(jaxdl.replace(RECIPE, first), run_dir=folder, notify=said.append, hooks=stop)["status"] == "preempted"
        )
    recipe = jaxdl.replace(RECIPE, first if then is None else then)
    summary = train(recipe, run_dir=folder, notify=said.append, hooks=Hooks(plots=False))
    record, model = read_record(folder), jaxdl.load_run(folder)
    images = np.linspace(0, 255, 2 * 64).astype(np.uint8).reshape(2, 8, 8, 1)
    return {
        "status": summary["status"],
        "metrics": {name: value for name, value in summary["metrics"].items() if isinstance(value, float)},
        "sha256": summary["params_sha256"],
        "layout": record.get("layout"),
        "changed": [change for again in record.get("resumptions", []) for change in again["changed"]],
        "said": said,
        "loaded": np.asarray(model.predict(images)).tolist(),
        "devices_of_loaded": len(jax.tree.leaves(model.state.params)[0].sharding.device_set),
    }


def streamed(folder: Path, stream: str) -> list[float]:
    """Returns the losses of the first steps on four devices, from memory or from disk."""
    random = np.random.RandomState(0)
    inputs = random.randint(0, 256, (300, 12)).astype(np.uint8)
    np.savez(folder / "a.npz", inputs=inputs, targets=(inputs.mean(1) > 127).astype(np.int64))
    data = jaxdl.ArrayFile(path=str(folder / "a.npz"), scale=1 / 255, stream=stream)
    recipe = jaxdl.replace(dataclasses.replace(RECIPE, data=data, augmentation=jaxdl.Augmentation()), given(devices=4))
    trainer = jaxdl.Trainer(recipe, recipe.data.load(folder, print))
    state, losses = trainer.advance(trainer.init_state(), 7)
    assert len(jax.tree.leaves(state.params)[0].sharding.device_set) == 4
    return [*losses.tolist(), trainer.evaluate(state, "test")["loss"]]


def named(devices: int) -> list[float]:
    """Returns the losses of the first steps on two inputs and two targets, and the figures of the test split."""
    trainer = jaxdl.Trainer(jaxdl.replace(two_inputs(), given(devices=devices)), two_inputs().data.load())
    state, losses = trainer.advance(trainer.init_state(), 7)
    assert len(jax.tree.leaves(state.params)[0].sharding.device_set) == devices
    return [*losses.tolist(), *trainer.evaluate(state, "test").values()]


class TwoLayers(nn.Module):
    """The first kernel is divided along its outputs, the second along its inputs, as in Megatron-LM."""

    sharding_axes: ClassVar = {"first/kernel": (None, "model"), "second/kernel": ("model", None)}
    outputs: int = 10

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
        hidden = nn.relu(nn.Dense(128, name="first")(inputs.reshape(len(inputs), -1)))
        return nn.Dense(self.outputs, name="second")(hidden)


def declared(fields: dict[str, Any]) -> dict[str, Any]:
    """Returns how a model with axes of its own trains, and the shapes of one device's part of its kernels."""
    recipe = jaxdl.replace(dataclasses.replace(RECIPE, model=TwoLayers()), fields)
    trainer = jaxdl.Trainer(recipe, recipe.data.load(Path("no folder"), print))
    state, losses = trainer.advance(trainer.init_state(), 7)
    kernels = [state.params[name]["kernel"].addressable_shards[0].data.shape for name in ("first", "second")]
    return {"losses": [*losses.tolist(), trainer.evaluate(state, "test")["loss"]], "kernels": kernels}


def of_average(folder: Path) -> dict[str, Any]:
    """Trains with an average of the parameters in parts on eight devices; returns what is predicted by each way."""
    summary = train(
        jaxdl.replace(RECIPE, FSDP | given(ema=0.9, accumulate=2, remat=True)), run_dir=folder, notify=lambda line: None
    )
    model, images = jaxdl.load_run(folder), np.linspace(0, 255, 2 * 64).astype(np.uint8).reshape(2, 8, 8, 1)
    exported = jax.export.deserialize(bytearray(export_program(model)))
    return {
        "metrics": {name: value for name, value in summary["metrics"].items() if isinstance(value, float)},
        "evaluated": jaxdl.evaluate(folder, data_dir=folder, notify=lambda line: None)["metrics"]["test/ema_loss"],
        "predicted": np.asarray(model.predict(images)).tolist(),
        "exported": np.asarray(exported.call(images)).tolist(),
        "raw": np.asarray(jaxdl.load_run(folder, ema=False).predict(images)).tolist(),
        "report": (folder / "report.html").read_text(),
    }


def side_by_side(fields: dict[str, Any]) -> tuple[dict[str, int], list[list[float]]]:
    """Returns the mesh of a program for two trainings, and the losses of each."""
    trainer = jaxdl.Trainer(jaxdl.replace(RECIPE, fields), RECIPE.data.load(Path("no folder"), print))
    stacked, losses = Stacked(trainer, 2), [[0.0], [0.0]]
    recipes: list[Experiment] = [jaxdl.replace(trainer.experiment, {"seed": seed}) for seed in (1, 2)]
    trainers = [trainer.variant(recipe, stacked.join(str(recipe.seed))) for recipe in recipes]

    def run(number: int) -> None:
        state, found = trainers[number].advance(trainers[number].init_state(), 6)
        losses[number] = [*found.tolist(), trainers[number].evaluate(state, "test")["loss"]]
        trainers[number].close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return dict(stacked._each.mesh.shape), losses


def main(folder: Path) -> None:
    """Runs all, and prints the results as one line of JSON."""
    found = {
        "straight": finished(folder / "straight", FSDP),
        "same": finished(folder / "same", FSDP, FSDP),
        "fewer": finished(folder / "fewer", FSDP, given(mesh="data:2,model:2", shard="rules")),
        "one": finished(folder / "one", FSDP, given(devices=1)),
        "named": [named(devices) for devices in (1, 4)],
        "memory": streamed(folder, "off"),
        "disk": streamed(folder, "on"),
        "declared": [
            declared(given(**fields)) for fields in ({"devices": 1}, {"mesh": "data:2,model:4", "shard": "rules"})
        ],
        "of_average": of_average(folder / "average"),
        "lr_find": [
            lr_find(jaxdl.replace(RECIPE, fields), data_dir=folder, steps=40).smoothed.tolist()
            for fields in (given(devices=1), FSDP)
        ],
        "side_by_side": [
            side_by_side(given(devices=1)),
            side_by_side(given(devices=4, shard="fsdp")),
            side_by_side({}),
        ],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
