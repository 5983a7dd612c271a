"""What `class_weight` comes to on the data, and trainings with it."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

import jaxdl
from jaxdl.errors import UserError
from jaxdl.experiment.weights import class_weights
from jaxdl.training.cache import Cache
from tests.training.test_stacked import _in_threads, _steps

RANDOM = np.random.RandomState(0)
INPUTS = RANDOM.standard_normal((80, 4)).astype(np.float32)
LABELS = RANDOM.choice(3, 80, p=[0.7, 0.2, 0.1])
WEIGHTS = RANDOM.choice([0.5, 1.0, 3.0], 80)


def recipe(data: jaxdl.Data, weight: Any = "balanced", **changes: Any) -> jaxdl.Experiment:
    base = jaxdl.Experiment(
        name="weighted",
        data=data,
        model=jaxdl.MLP(features=(8,)),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(learning_rate=1e-2),
        training=jaxdl.Training(epochs=2, batch_size=16, class_weight=weight),
    )
    return jaxdl.replace(base, changes)


def arrays(targets: Any, inputs: Any = INPUTS, **more: Any) -> jaxdl.Arrays:
    split = {"inputs": inputs, "targets": targets, **more}
    return jaxdl.Arrays(train=split, test=split)


def found(experiment: jaxdl.Experiment) -> Any:
    return class_weights(experiment, experiment.data.load(Path("unused"), print))


def balanced(labels: np.ndarray) -> Any:
    return pytest.approx(compute_class_weight("balanced", classes=np.unique(labels), y=labels), rel=1e-12)


@pytest.mark.parametrize("form", ["numbers", "texts", "one-hot rows"])
def test_balanced_is_that_of_scikit_learn_on_train_without_validation(form: str) -> None:
    rows = np.eye(3, dtype=np.float32)[LABELS]
    targets = {"numbers": LABELS, "texts": np.array(["a", "b", "c"])[LABELS], "one-hot rows": rows}[form]
    train = arrays(LABELS).load(Path("unused"), print).splits["train"]["targets"]
    assert len(train) == 72
    assert found(recipe(arrays(targets))) == balanced(train)


def test_answers_to_one_question_have_two_weights() -> None:
    answers = (LABELS == 0).astype(int)
    data = arrays(answers, weights=WEIGHTS)
    train = data.load(Path("unused"), print).splits["train"]["targets"]
    assert found(recipe(data, objective=jaxdl.SigmoidCrossEntropy())) == balanced(train)


def test_of_sequences_the_valid_steps_are_counted() -> None:
    lengths = RANDOM.randint(1, 6, 40)
    inputs, targets = np.zeros((40, 5, 2), np.float32), RANDOM.choice(3, (40, 5), p=[0.6, 0.3, 0.1])
    data = arrays(targets, inputs, lengths=lengths)
    train = data.load(Path("unused"), print).splits["train"]
    valid = np.arange(5) < train["lengths"][:, None]
    assert found(recipe(data)) == balanced(train["targets"][valid])


def test_of_masks_the_pixels_are_counted() -> None:
    images = np.zeros((20, 4, 6, 1), np.uint8)
    data = arrays(RANDOM.choice(3, (20, 4, 6), p=[0.8, 0.15, 0.05]), images)
    train = data.load(Path("unused"), print).splits["train"]["targets"]
    assert train.ndim == 3 and found(recipe(data)) == balanced(train.reshape(-1))


def test_a_class_that_train_lacks_counts_one() -> None:
    data = jaxdl.Arrays((INPUTS, 2 * (LABELS > 0)), (INPUTS, LABELS), validation=0.0)
    (first, absent, last), labels = found(recipe(data)), 2 * (LABELS > 0)
    assert (first, last) == balanced(labels) and absent == 1


def test_numbers_are_taken_as_given_and_none_stays_none() -> None:
    assert found(recipe(arrays(LABELS), (1.0, 2.5, 0.0))) == (1.0, 2.5, 0.0)
    assert found(recipe(arrays(LABELS), None)) is None


@pytest.mark.parametrize(
    ("changes", "targets", "message"),
    [
        ({}, INPUTS[:, 0], "class_weight=balanced: the targets of arrays are no classes; weigh single examples by"),
        ({"objective": jaxdl.SigmoidCrossEntropy()}, np.eye(3)[LABELS].astype(int), "are no classes"),
        ({"objective": jaxdl.MeanSquaredError()}, LABELS, "are no classes"),
        ({"training.class_weight": (1.0, 2.0)}, LABELS, r"class_weight=1\.0,2\.0: 2 given for 3 classes"),
        ({"training.class_weight": None, "weighted_metrics": True}, LABELS, "weighted_metrics=true: arrays has no wei"),
    ],
)
def test_what_does_not_fit_the_data_is_refused(changes: dict[str, Any], targets: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        found(recipe(arrays(targets), **changes))


@pytest.mark.parametrize("weight", ["balancd", (1.0, -1.0), (0.0, 0.0, 0.0), (1.0, float("inf"), 1.0)])
def test_weights_that_make_no_sense_are_refused(weight: Any) -> None:
    with pytest.raises(UserError, match=r"training\.class_weight="):
        recipe(arrays(LABELS), weight).for_spec(arrays(LABELS).spec(Path("unused")))


def test_it_is_read_from_a_config_as_it_was() -> None:
    for weight in (None, "balanced", (1.0, 2.5, 1.0)):
        experiment = recipe(arrays(LABELS), weight)
        assert jaxdl.from_config(json.loads(json.dumps(jaxdl.to_config(experiment))), experiment) == experiment
    whole = jaxdl.to_config(recipe(arrays(LABELS), (1.0, 2.0, 1.0)))
    whole["training"]["class_weight"] = [1, 2, 1]
    assert jaxdl.from_config(whole, recipe(arrays(LABELS))).training.class_weight == (1.0, 2.0, 1.0)


@pytest.mark.slow
def test_a_run_records_its_numbers_and_is_evaluated_to_its_figures(tmp_path: Path) -> None:
    experiment = recipe(arrays(LABELS, weights=WEIGHTS), weighted_metrics=True)
    summary = jaxdl.train(experiment, run_dir=tmp_path / "run", data_dir=tmp_path, notify=None)
    assert summary["data"]["class_weight"] == list(found(experiment))
    evaluated = jaxdl.evaluate(tmp_path / "run", experiment, tmp_path)["metrics"]
    assert {"validation/loss", "test/loss", "test/accuracy"} <= evaluated.keys()
    assert evaluated == pytest.approx({name: summary["metrics"][name] for name in evaluated}, rel=1e-6)
    shares = jaxdl.load_run(tmp_path / "run", experiment).predict(INPUTS)
    weights = WEIGHTS * np.asarray(found(experiment))[LABELS]
    accuracy = np.average(shares.argmax(1) == LABELS, weights=weights)
    assert evaluated["test/accuracy"] == pytest.approx(accuracy, rel=1e-6)


def test_a_training_that_stops_in_an_epoch_goes_on_to_the_same_bits() -> None:
    experiment = recipe(arrays(LABELS, weights=WEIGHTS))
    trainer = jaxdl.Trainer(experiment, experiment.data.load(Path("unused"), print))
    straight, _ = trainer.advance(trainer.init_state(), 9)
    stopped, _ = trainer.advance(trainer.init_state(), 4)
    resumed, _ = trainer.advance(stopped, 5)
    assert jaxdl.params_sha256(resumed.params) == jaxdl.params_sha256(straight.params)


def test_trainings_side_by_side_are_weighted_each(tmp_path: Path) -> None:
    cache = Cache(tmp_path, print)
    base = recipe(arrays(LABELS, weights=WEIGHTS))
    base = base.for_spec(cache.dataset(base).spec)
    recipes = [jaxdl.replace(base, {"optimizer.learning_rate": rate}) for rate in (1e-2, 1e-1)]
    alone = [_steps(cache.trainer(each), 6)[1] for each in recipes]
    cache.side_by_side = 2
    trainers = [cache.trainer(each, place_of="one") for each in recipes]
    together = _in_threads([functools.partial(_steps, trainer, 6) for trainer in trainers])
    np.testing.assert_allclose([losses for _, losses in together], alone, rtol=1e-4)


@pytest.mark.slow
def test_a_sweep_over_weights_trains_each_with_its_own(tmp_path: Path) -> None:
    results = jaxdl.sweep(
        recipe(arrays(LABELS), None),
        {"training.class_weight": [None, "balanced", (1.0, 1.0, 9.0)]},
        sweep_dir=tmp_path / "sweep",
        data_dir=tmp_path,
    )
    assert len({trial.objective for trial in results.trials}) == 3
