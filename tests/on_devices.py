"""Trains small recipes on 1 to 8 virtual devices in one process, and prints what they gave, for tests to compare.

python -m tests.on_devices RECIPE FIELDS...    where FIELDS are such as devices=8,shard=fsdp
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
STEPS = 12
LAYOUTS = {
    "1": "devices=1",
    "2": "devices=2",
    "4": "devices=4",
    "8": "devices=8",
    "fsdp": "devices=8 shard=fsdp",
    "rules": "mesh=data:4,model:2 shard=rules",
}


def on_devices(name: str, *layouts: str) -> dict[str, dict[str, Any]]:
    """Returns what the trainings of a recipe gave by the name of the layout, run in another process."""
    command = [sys.executable, "-m", "tests.on_devices", name, *layouts]
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT), "XLA_FLAGS": ""}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


def _recipe(name: str) -> Any:
    import jaxdl
    from tests.experiments.twins import twin
    from tests.trained import residual

    small = {"training.batch_size": 64, "training.eval_batch_size": 100}
    if name == "residual":
        return jaxdl.replace(residual(), small | {"optimizer.learning_rate": 0.01, "model.blocks": 1})
    if name in ("parts", "float16"):
        model = jaxdl.MLP(features=(64, 64), dropout=0.2, normalization="layer")
        precision = {"training.precision": "float16"} if name == "float16" else {}
        others = {"accumulate": 2, "ema": 0.9, "remat": True, "norms": True, "nan": "skip"}
        others = {"model": model} | precision | {f"training.{field}": value for field, value in others.items()}
        return jaxdl.replace(twin("digits_mlp"), small | others)
    if name == "weighted":
        weights = {"training.class_weight": tuple(0.1 * n for n in range(10)), "weighted_metrics": True}
        return jaxdl.replace(twin("digits_mlp"), small | weights | {"model.dropout": 0.2, "training.accumulate": 2})
    if name == "mlp":
        return jaxdl.replace(twin("digits_mlp"), small | {"model.dropout": 0.2, "optimizer.clip_norm": 1.0})
    return jaxdl.replace(twin(name), small)


def _trained(recipe: Any, steps: int) -> dict[str, Any]:
    """Returns the losses of the first steps, the figures on test, the state, and what the programs are like."""
    import jax

    import jaxdl
    from jaxdl.profiling.collectives import collectives
    from jaxdl.steps import averages
    from jaxdl.steps.prediction import batch_shapes, predicted_memory
    from jaxdl.steps.state import parted

    trainer = jaxdl.Trainer(recipe, recipe.data.load(Path("no folder"), print))
    state, losses = trainer.advance(trainer.init_state(), steps)
    figures = {name: value for name, value in trainer.evaluate(state, "test").items() if isinstance(value, float)}

    def kept(tree: Any) -> int:
        return sum(array.addressable_shards[0].data.nbytes for array in jax.tree.leaves(tree))

    def said(name: str) -> list[list[Any]]:
        return [list(each) for each in collectives(trainer.programs.optimized_text(name))]

    def named(tree: Any) -> dict[str, Any]:
        flat = jax.tree_util.tree_leaves_with_path(tree)
        return {
            jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf).tolist() for path, leaf in flat
        }

    average = averages.averaged(state)
    _, others = parted(state.opt_state)
    batch = batch_shapes(trainer.experiment, trainer.spec)
    order = 4 * len(trainer.feed.order(0)) + sum(4 * rows.size for rows in trainer.programs.row_shapes.values())
    return {
        "losses": losses.tolist(),
        "figures": figures,
        "params": named(state.params),
        "average": None if average is None else named(average.params),
        "loss_scale": None if "loss_scale" not in others else float(others["loss_scale"]["scale"]),
        "memory": {
            "predicted": predicted_memory(trainer.experiment, trainer.spec, batch, trainer.layout).needed + order,
            "compiled": trainer.programs.memory_needed(),
        },
        "bytes": {"params": kept(state.params), "opt_state": kept(state.opt_state)},
        "collectives": {name: said(name) for name in ("train", "eval")},
        "layout": None if trainer.layout is None else trainer.layout.described(),
    }


def main(name: str, *layouts: str) -> None:
    """Trains a recipe once for each layout."""
    import jax

    import jaxdl

    jax.config.update("jax_num_cpu_devices", 8)
    found = {}
    for layout in layouts:
        given = dict(pair.split("=") for pair in LAYOUTS[layout].split())
        fields = {f"training.{key}": int(value) if value.isdigit() else value for key, value in given.items()}
        found[layout] = _trained(jaxdl.replace(_recipe(name), fields), STEPS)
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
