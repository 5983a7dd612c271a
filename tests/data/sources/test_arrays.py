"""Arrays that a user holds in memory, as the data of an experiment."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import jaxdl
from jaxdl.errors import UserError

RANDOM = np.random.RandomState(0)
INPUTS = RANDOM.standard_normal((60, 4))
LABELS = (INPUTS[:, 0] > 0).astype(int) + (INPUTS[:, 1] > 0)


def load(train: Any, test: Any = None, **fields: Any) -> jaxdl.Dataset:
    data = jaxdl.Arrays(train=train, test=train if test is None else test, **fields)
    return data.load(Path("unused"), lambda line: None)


def recipe(data: jaxdl.Data, **parts: Any) -> jaxdl.Experiment:
    parts = {"model": jaxdl.MLP(features=(8,)), "objective": jaxdl.SoftmaxCrossEntropy(), **parts}
    return jaxdl.Experiment(
        name="mine",
        data=data,
        optimizer=jaxdl.Adam(learning_rate=1e-2),
        training=jaxdl.Training(epochs=2, batch_size=16),
        **parts,
    )


def train(experiment: jaxdl.Experiment, folder: Path) -> dict[str, Any]:
    return dict(jaxdl.train(experiment, run_dir=folder / "run", data_dir=folder, notify=lambda line: None))


def test_a_pair_of_arrays_trains_resumes_and_predicts(tmp_path: Path) -> None:
    data = jaxdl.Arrays(train=(INPUTS, LABELS), test=(INPUTS[:20], LABELS[:20]))
    summary = train(recipe(data), tmp_path)
    assert summary["data"]["train_examples"] == 60
    assert summary["data"]["test_examples"] == 20
    assert train(recipe(jaxdl.Arrays((INPUTS, LABELS), (INPUTS[:20], LABELS[:20]))), tmp_path) == summary
    model = jaxdl.load_run(tmp_path / "run", recipe(data))
    hits = model.predict(INPUTS[:20].astype(np.float32)).argmax(1) == LABELS[:20]
    assert hits.mean() == pytest.approx(summary["metrics"]["test/accuracy"])


def test_a_config_has_digests_and_no_numbers(tmp_path: Path) -> None:
    data = jaxdl.Arrays(train=(INPUTS, LABELS), test=(INPUTS, LABELS))
    config = jaxdl.to_config(recipe(data))["data"]
    assert len(config["train"]) == 64
    assert len(json.dumps(config)) < 400
    assert jaxdl.from_config(json.loads(json.dumps(jaxdl.to_config(recipe(data)))), recipe(data)) == recipe(data)
    other = jaxdl.Arrays(train=(INPUTS + 1, LABELS), test=(INPUTS, LABELS))
    assert other != data
    train(recipe(data), tmp_path)
    with pytest.raises(UserError, match="another recipe: data.train="):
        train(recipe(other), tmp_path)


def test_a_config_alone_says_that_the_arrays_are_missing() -> None:
    experiment = recipe(jaxdl.Arrays((INPUTS, LABELS), (INPUTS, LABELS)))
    data = jaxdl.from_config(jaxdl.to_config(experiment), recipe(jaxdl.Digits())).data
    with pytest.raises(UserError, match="only their digest; give the experiment with the same arrays"):
        data.load(Path("unused"))
    with pytest.raises(UserError, match=r"there are no arrays; give \(inputs, targets\)"):
        jaxdl.Arrays().load(Path("unused"))


def test_an_array_that_changes_after_it_was_given_is_noticed() -> None:
    inputs = INPUTS.astype(np.float32)
    data = jaxdl.Arrays((inputs, LABELS), (INPUTS, LABELS))
    inputs[3, 0] += 1
    with pytest.raises(UserError, match="an array was changed after it was given"):
        data.load(Path("unused"))


def test_jax_arrays_give_the_same_data_as_numpys() -> None:
    one = load((jnp.asarray(INPUTS, jnp.float32), jnp.asarray(LABELS)))
    assert one.fingerprint == load((INPUTS.astype(np.float32), LABELS)).fingerprint
    assert load((jnp.ones((4, 2), jnp.bfloat16), [0, 1, 0, 1])).spec.input_dtype == "float32"


@pytest.mark.parametrize(
    ("inputs", "stored"),
    [
        (INPUTS, "float32"),
        (INPUTS.astype(np.float16), "float16"),
        ((INPUTS * 9).astype(np.int64), "int32"),
        (INPUTS > 0, "uint8"),
        (INPUTS.tolist(), "float32"),
    ],
)
def test_inputs_are_stored_in_dtypes_that_jax_computes_with(inputs: Any, stored: str) -> None:
    loaded = load((inputs, LABELS), validation=0.0)
    assert loaded.spec.input_dtype == stored
    np.testing.assert_allclose(loaded.splits["train"]["inputs"], np.asarray(inputs), rtol=1e-6)


def test_texts_are_class_names() -> None:
    names = np.array(["owl", "cat", "dog"])
    loaded = load((INPUTS, names[LABELS]), (INPUTS[:9], list(names[LABELS[:9]])), validation=0.0)
    assert loaded.spec.class_names == ("cat", "dog", "owl")
    got = [loaded.spec.class_names[label] for label in loaded.splits["test"]["targets"]]
    assert got == list(names[LABELS[:9]])


@pytest.mark.parametrize(
    ("targets", "outputs", "classes"),
    [
        (LABELS, 3, 3),
        (LABELS.astype(np.float64), 1, 0),
        (INPUTS[:, :2], 2, 0),
        (INPUTS > 0, 4, 0),
        ((INPUTS > 0).astype(int), 4, 0),
        (LABELS[:, None], 3, 3),
    ],
)
def test_the_outputs_follow_the_targets(targets: Any, outputs: int, classes: int) -> None:
    spec = load((INPUTS, targets)).spec
    assert (spec.outputs, len(spec.class_names)) == (outputs, classes)


def test_two_classes_need_one_logit_for_yes_or_no_and_one_value_for_a_regression(tmp_path: Path) -> None:
    data = jaxdl.Arrays((INPUTS, LABELS % 2), (INPUTS, LABELS % 2))
    spec = data.load(tmp_path).spec
    for objective, outputs in ((jaxdl.SoftmaxCrossEntropy(), 2), (jaxdl.SigmoidCrossEntropy(), 1)):
        assert recipe(data, objective=objective).for_spec(spec).model.outputs == outputs
    assert recipe(data, objective=jaxdl.MeanSquaredError()).for_spec(spec).model.outputs == 1


@pytest.mark.slow
def test_sequences_of_different_lengths_are_padded_and_trained_without_their_padding(tmp_path: Path) -> None:
    lengths = [1, 5, 3, 2] * 10
    sequences = [RANDOM.standard_normal((length, 2)) for length in lengths]
    labels = [int(sequence.sum() > 0) for sequence in sequences]
    loaded = load((sequences, labels), validation=0.0)
    assert loaded.spec.lengths
    split = loaded.splits["train"]
    assert split["inputs"].shape == (40, 5, 2)
    np.testing.assert_array_equal(split["lengths"], lengths)
    for row, sequence in zip(split["inputs"], sequences, strict=True):
        np.testing.assert_array_equal(row[: len(sequence)], sequence.astype(np.float32))
        assert not row[len(sequence) :].any()
    garbage = {name: array.copy() for name, array in split.items()}
    garbage["inputs"][np.arange(5) >= split["lengths"][:, None]] = 1e3
    results = []
    for number, given in enumerate((split, garbage)):
        data = jaxdl.Arrays(given, given)
        summary = train(recipe(data, model=jaxdl.RNN(features=(4,))), tmp_path / str(number))
        results.append((summary["params_sha256"], summary["metrics"]))
    assert results[0] == results[1]


def test_splits_of_different_longest_sequences_are_padded_alike() -> None:
    train_split = ([np.ones((2, 1)), np.ones((3, 1))], [[0, 1], [1, 0, 2]])
    test_split = (np.ones((2, 5, 1)), np.zeros((2, 5), int))
    loaded = load(train_split, test_split, validation=0.0)
    assert loaded.spec.target_shape == (5,)
    assert loaded.spec.outputs == 3
    assert loaded.splits["train"]["targets"].tolist() == [[0, 1, 0, 0, 0], [1, 0, 2, 0, 0]]
    assert loaded.splits["test"]["lengths"].tolist() == [5, 5]


def test_ids_stay_integers_and_images_of_8_bits_are_scaled() -> None:
    words = RANDOM.randint(0, 50, (6, 7))
    assert load((words, [0, 1] * 3), ids=True).spec.model_dtype == "int32"
    images = load((np.full((4, 2, 2, 1), 255, np.uint8), [0, 1, 0, 1]))
    assert images.spec.preprocess(images.splits["train"]["inputs"]).max() == 1
    with pytest.raises(UserError, match="ids are integers, but the inputs are float32"):
        load((INPUTS, LABELS), ids=True)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (INPUTS, r"Arrays\(train=...\): give a pair"),
        ({"inputs": INPUTS}, "targets are missing"),
        ({"inputs": INPUTS, "targets": LABELS, "colours": LABELS}, "training does not read 'colours'; the arrays are"),
        ((INPUTS, LABELS[:50]), r"targets of shape \(50,\) does not have one entry for each of the 60 examples"),
        ((INPUTS, LABELS + 1), "labels begin at 1 and end at 3, but classes are counted from 0: subtract 1"),
        ((INPUTS, LABELS * 30_000), "give floating-point targets for a regression, or Arrays.outputs=60001."),
        ((INPUTS.astype(object), LABELS), "an array of object cannot be used"),
        ((np.full((60, 1), 2**40), LABELS), "do not fit into 32 bits"),
        ((np.full((60, 1), 1e60), LABELS), r"train inputs: numbers up to 1e\+60 do not fit into float32; scale them"),
        ((np.array(["a"] * 60), LABELS), "inputs are texts; a model reads numbers, such as ids of words"),
        (([np.ones((2, 1)), np.ones((3, 2))], [0, 1]), "differ only in their time"),
        (
            {"inputs": np.ones((2, 3)), "targets": [0, 1], "lengths": [1, 4]},
            r"lengths of train\[1\] is 4; a length is the number of valid steps, from 0 to 3",
        ),
        ({"inputs": np.ones((2, 3)), "targets": [0, 1], "lengths": [1.0, 2.0]}, "lengths of train is float32"),
    ],
)
def test_arrays_that_cannot_be_used_are_refused_by_name(given: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load(given)


def test_splits_that_do_not_fit_each_other_are_named() -> None:
    with pytest.raises(
        UserError, match=r"the inputs of the splits differ: train has float32 of shape \(60, 4\) and test"
    ):
        load((INPUTS, LABELS), (INPUTS[:, :3], LABELS))


def test_a_copy_in_another_process_has_the_arrays() -> None:
    data = jaxdl.Arrays((INPUTS, LABELS), (INPUTS, LABELS))
    copy = pickle.loads(pickle.dumps(data))
    assert copy == data
    assert copy.load(Path("unused")).fingerprint == data.load(Path("unused")).fingerprint


@pytest.mark.slow
def test_a_sweep_over_arrays_continues(tmp_path: Path) -> None:
    experiment = recipe(jaxdl.Arrays((INPUTS, LABELS), (INPUTS, LABELS)))
    for rates in ([1e-3], [1e-3, 1e-2]):
        results = jaxdl.sweep(
            experiment,
            {"learning_rate": rates},
            sweep_dir=tmp_path / "sweep",
            data_dir=tmp_path,
            extend=len(rates) > 1,
            notify=lambda line: None,
        )
    assert [trial.state for trial in results.trials] == ["completed", "completed"]


def test_weights_are_kept_cut_with_their_examples_and_one_where_a_split_has_none() -> None:
    weights = np.arange(60)
    loaded = load({"inputs": INPUTS, "targets": LABELS, "weights": weights}, (INPUTS[:20], LABELS[:20]))
    assert {split["weights"].dtype for split in loaded.splits.values()} == {np.dtype(np.float32)}
    for name in ("train", "validation"):
        split = loaded.splits[name]
        np.testing.assert_array_equal(INPUTS[split["weights"].astype(int)].astype(np.float32), split["inputs"])
    np.testing.assert_array_equal(loaded.splits["test"]["weights"], np.ones(20))
    plain = load((INPUTS, LABELS), (INPUTS[:20], LABELS[:20]))
    assert all("weights" not in split for split in plain.splits.values())
    assert plain.fingerprint != loaded.fingerprint


def test_weights_that_are_texts_are_refused() -> None:
    with pytest.raises(UserError, match="train weights: weights are numbers, one for each example, not texts"):
        jaxdl.Arrays(train={"inputs": INPUTS, "targets": LABELS, "weights": ["1"] * 60})


def test_answers_with_lengths_of_their_own_are_classes_whatever_the_inputs_steps_are() -> None:
    questions = [RANDOM.randint(0, 4, length).astype(np.int32) for length in (3, 1, 2, 4)] * 3
    answers = [[0, 1], [2], [1, 1], [2, 0]] * 3
    longer = [[0, 1, 2], [2]] * 2
    data = jaxdl.Arrays(train=(questions, answers), test=(questions[:4], longer), ids=True, validation=0)
    loaded = data.load(Path("unused"), print)
    assert loaded.spec.target_lengths and loaded.spec.lengths
    assert (loaded.spec.input_shape, loaded.spec.target_shape, loaded.spec.outputs) == ((4,), (3,), 3)
    train, test = loaded.splits["train"], loaded.splits["test"]
    assert train["target_lengths"].tolist() == [2, 1, 2, 2] * 3
    assert test["target_lengths"].tolist() == [3, 1] * 2
    assert train["targets"][:2].tolist() == [[0, 1, 0], [2, 0, 0]]
    given = {"inputs": train["inputs"], "targets": train["targets"], "target_lengths": train["target_lengths"]}
    again = jaxdl.Arrays(train=given, test=given, ids=True, validation=0).load(Path("unused"), print)
    assert again.spec.target_lengths and not again.spec.lengths
    with pytest.raises(UserError, match=r"target_lengths of train\[0\] is 4; a length is .* from 0 to 3"):
        jaxdl.Arrays(train=given | {"target_lengths": [4] * 12}, test=given, ids=True).load(Path("unused"), print)
