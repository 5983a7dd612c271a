"""Predictions from trees in brackets: the same as from arrays, and what is refused with its place."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdl
from jaxdl.cli import inference
from jaxdl.cli.options import Options
from jaxdl.data.trees.encoding import brackets
from jaxdl.inference import read_examples
from tests.trees import LABELS, WORDS

LINES = [f"({label} ({label} {word}) ({label} (0 is) (1 {word})))" for label in LABELS for word in WORDS]


def experiment(folder: Path, **fields: str) -> jaxdl.Experiment:
    (folder / "train.txt").write_text("\n".join(LINES), encoding="utf-8")
    return jaxdl.Experiment(
        name="small",
        data=jaxdl.Trees(str(folder / "train.txt"), lowercase=False, **fields),  # type: ignore[arg-type]
        model=jaxdl.TreeLSTM(features=4, embed=4, every_node="labels" not in fields),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(),
        training=jaxdl.Training(epochs=1, batch_size=8, eval_batch_size=2),
        metrics=("accuracy", "root_accuracy"),
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> jaxdl.TrainedModel:
    folder = tmp_path_factory.mktemp("trees")
    jaxdl.train(experiment(folder), run_dir=folder / "run", data_dir=folder)
    return jaxdl.load_run(folder / "run")


def predict(model: jaxdl.TrainedModel, lines: list[str]) -> np.ndarray:
    return model.predict(lines, notify=lambda line: None)


def test_a_prediction_is_that_of_the_root(model: jaxdl.TrainedModel) -> None:
    data = model.experiment.data.load(Path())
    split = data.splits["test"]
    form = data.spec.trees
    assert form is not None
    texts = [brackets(rows[:length], form) for rows, length in zip(split["inputs"], split["lengths"], strict=True)]
    found = predict(model, texts)
    assert found.shape == (len(texts), 3)
    np.testing.assert_allclose(found, model.predict(split["inputs"], split["lengths"]), rtol=1e-5)
    batch = {name: jnp.asarray(split[name]) for name in ("inputs", "lengths")}
    np.testing.assert_allclose(model.warmed((2,)).predict(split["inputs"], split["lengths"]), found, rtol=1e-4)
    every = model.steps.predict_step(model.state, batch)
    np.testing.assert_allclose(found, every[np.arange(len(texts)), split["lengths"] - 1], rtol=1e-4)


@pytest.mark.slow
def test_an_exported_program_predicts_the_root_too(model: jaxdl.TrainedModel) -> None:
    split = model.experiment.data.load(Path()).splits["test"]
    program = jax.export.deserialize(bytearray(jaxdl.export_program(model)))
    lengths = split["lengths"].astype(np.int32)
    expected = model.predict(split["inputs"], lengths)
    np.testing.assert_allclose(program.call(split["inputs"], lengths), expected, rtol=1e-4, atol=1e-6)
    lengths[0] = split["inputs"].shape[1] + 1
    assert np.isnan(program.call(split["inputs"], lengths)[0]).all()


def test_labels_do_not_count_and_may_be_left_out(model: jaxdl.TrainedModel) -> None:
    whole, other, none, bare = predict(
        model,
        [
            "(2 (1 the) (2 (0 film) (0 is)))",
            "(0 (0 the) (0 (0 film) (1 is)))",
            "((the) ((film) (is)))",
            "(the (film is))",
        ],
    )
    np.testing.assert_allclose([other, none, bare], [whole] * 3, rtol=1e-5)


def test_words_that_look_like_labels_are_words_where_no_label_stands(model: jaxdl.TrainedModel) -> None:
    numbers, unknown = predict(model, ["((2) (1))", "((zebra) (giraffe))"])
    np.testing.assert_allclose(numbers, unknown, rtol=1e-5)


def test_unknown_words_are_counted(model: jaxdl.TrainedModel) -> None:
    lines: list[str] = []
    model.predict(["((the) ((zebra) (is)))"], notify=lines.append)
    assert lines == ["inputs: 1 of 3 words are unknown: train does not have them, or too rarely."]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("(2 (1 the) (2 film)", r"inputs\[1\], column 1: this bracket is not closed"),
        ("(2 (1 the) (2 film)))", r"inputs\[1\], column 21: this bracket closes nothing"),
        ("()", r"inputs\[1\], column 1: there is nothing in these brackets"),
        ("", r"inputs\[1\], column 1: there is no tree"),
        ("(7 (1 the) (2 film))", r"inputs\[1\], column 1: a node has two children, and this one has 3"),
        (
            "(a (b (c d)))",
            r"inputs\[1\]: this tree has 7 nodes, and the model takes up to 5; train with --data.nodes=7",
        ),
    ],
)
def test_what_is_no_tree_is_named(model: jaxdl.TrainedModel, line: str, message: str) -> None:
    with pytest.raises(jaxdl.UserError, match=message):
        predict(model, ["(the film)", line])


def test_a_file_of_trees_is_read_with_its_line_in_messages(model: jaxdl.TrainedModel, tmp_path: Path) -> None:
    file = tmp_path / "new.txt"
    file.write_text("(the film)\n\n(1 (0 is) (0 good))\n")
    names, inputs, lengths = read_examples(file, model.spec)
    assert names == ["new.txt[0]", "new.txt[1]"]
    assert lengths is not None
    np.testing.assert_allclose(model.predict(inputs, lengths), predict(model, ["(the film)", "(is good)"]), rtol=1e-5)
    for content, message in (
        (b"(the film)\n(the film", r"new\.txt, line 2, column 1: this bracket is not closed"),
        (b"(the \xff)", r"new\.txt, line 1, column 6: the byte 0xff is no UTF-8"),
        (b"\n \n", r"new\.txt has no tree"),
        (b"\n(a (b (c d)))", r"new\.txt, line 2: this tree has 7 nodes"),
    ):
        file.write_bytes(content)
        with pytest.raises(jaxdl.UserError, match=message):
            read_examples(file, model.spec)
    with pytest.raises(jaxdl.UserError, match="there is no such file; give a file of trees"):
        read_examples(tmp_path / "none.txt", model.spec)


def test_one_text_is_no_list_of_trees(model: jaxdl.TrainedModel) -> None:
    with pytest.raises(jaxdl.UserError, match=r"inputs is one text; give a list of trees, such as \['\(the film\)'\]"):
        model.predict("(the film)")


def test_no_tree_gives_no_prediction(model: jaxdl.TrainedModel) -> None:
    assert model.predict(np.zeros((0, 5, 3), np.int32), np.zeros(0, np.int32)).shape == (0, 3)


def test_the_command_writes_the_class_of_each_tree(model: jaxdl.TrainedModel, tmp_path: Path) -> None:
    run_dir = Path(str(model.experiment.data.path)).parent / "run"  # type: ignore[attr-defined]
    file, output = tmp_path / "new.txt", tmp_path / "out.csv"
    file.write_text("(the film)\n(1 (0 is) (0 good))\n")
    options = dataclasses.replace(Options(), run_dir=str(run_dir), input=str(file), output=str(output))
    assert inference.predict(options, model.experiment, (), 0.0) == 0
    rows = list(csv.DictReader(output.open()))
    assert [row["file"] for row in rows] == ["new.txt[0]", "new.txt[1]"]
    expected = predict(model, ["(the film)", "(is good)"])
    for row, probabilities in zip(rows, expected, strict=True):
        assert [float(row[name]) for name in LABELS] == pytest.approx(list(probabilities), rel=1e-4)
        assert row["prediction"] == LABELS[int(np.argmax(probabilities))]


@pytest.mark.slow
def test_a_model_of_the_root_alone_predicts_the_same_way(tmp_path: Path) -> None:
    jaxdl.train(experiment(tmp_path, labels="root"), run_dir=tmp_path / "run", data_dir=tmp_path)
    assert predict(jaxdl.load_run(tmp_path / "run"), ["(the (film is))", "(is good)"]).shape == (2, 3)
