"""Parts that other frameworks have, by their names on the command line: one training with many of them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

import jaxdl
from jaxdl.cli.flags import parse_command_line
from jaxdl.steps.functions import hyperparameters

FLAGS = [
    *("--objective=focal", "--gamma=1.5", "--optimizer=muon", "--clip_each=1", "--clip_adaptive=0.5"),
    *("--optimizer.schedule=cosine_restarts", "--cycles=2", "--warmup=0.1", "--warmup_from=0.5"),
    *("--initializer=glorot_uniform", "--l1=1e-5", "--l2=1e-4", "--patience=5", "--min_delta=0.01"),
    "--metrics=accuracy,auc,pr_auc,average_precision,f1_weighted,f0.5_micro,balanced_accuracy,matthews,cohen_kappa,"
    "calibration_error",
]


def test_one_training_with_many_of_them(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    labels = random.integers(3, size=120)
    inputs = (random.normal(size=(120, 6)) + 2 * np.eye(6)[labels]).astype(np.float32)
    recipe = jaxdl.Experiment(
        name="recipe",
        data=jaxdl.Arrays(train=(inputs[:90], labels[:90]), test=(inputs[90:], labels[90:])),
        model=jaxdl.MLP(features=(16,)),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(),
        training=jaxdl.Training(epochs=6, batch_size=15),
    )
    _, experiment = parse_command_line(["--experiment=recipe", *FLAGS, "--learning_rate=0.02"], recipe)
    assert experiment is not None
    traced = {path.rpartition(".")[2] for path in hyperparameters(experiment)}
    assert traced >= {"gamma", "beta", "rms", "clip_each", "clip_adaptive", "l1", "l2", "learning_rate"}
    summary = jaxdl.train(experiment, run_dir=tmp_path / "run", data_dir=tmp_path, notify=None)
    figures = summary["metrics"]
    for name in experiment.metrics or ():
        assert math.isfinite(figures[f"test/{name}"]), name
    assert figures["test/auc"] > 0.8 and len(figures["test/auc_per_class"]) == 3
    assert jaxdl.load_run(tmp_path / "run", experiment).experiment.objective == jaxdl.Focal(gamma=1.5)
