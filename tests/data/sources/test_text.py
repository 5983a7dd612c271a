"""Texts of their user's own, from the path to the splits, and what is wrong with them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxdl
from jaxdl.data import DATA

WORDS = ("the", "film", "is", "a", "long", "one", "and", "its", "end")


def write_classes(root: Path, count: int = 40) -> Path:
    """Writes a file for each class; the class follows from one word."""
    random = np.random.RandomState(0)
    for name, word in (("pos", "good"), ("neg", "bad")):
        lines = [" ".join([*random.choice(WORDS, random.randint(2, 9)), word, "."]) for _ in range(count)]
        (root / f"some-reviews.{name}").write_text("\n".join(lines) + "\n")
    return root


def load(path: Path, lines: list[str] | None = None, **fields) -> Any:
    return jaxdl.Text(str(path), **fields).load(None, (lambda line: None) if lines is None else lines.append)


def test_the_name_of_a_set_is_text_and_its_path():
    assert DATA.make("text:reviews.csv") == jaxdl.Text("reviews.csv")
    assert jaxdl.Text("reviews.csv").requested == "text:reviews.csv"


def test_files_of_classes_become_ids_with_lengths(tmp_path):
    dataset = load(write_classes(tmp_path))
    assert dataset.spec.class_names == ("neg", "pos")
    assert {name: np.bincount(split["targets"]).tolist() for name, split in dataset.splits.items()} == {
        "train": [29, 29],
        "validation": [3, 3],
        "test": [8, 8],
    }
    train, coding = dataset.splits["train"], dataset.spec.coding
    assert (train["inputs"].dtype, dataset.spec.vocabulary) == (np.uint8, coding.size)
    assert dataset.spec.lengths
    assert dataset.spec.model_dtype == "uint8"
    for row, length, target in zip(train["inputs"], train["lengths"], train["targets"], strict=True):
        assert coding.text(row[:length]).split()[-1] == ("good." if target else "bad.")


def test_the_same_files_give_the_same_set_and_validation_does_not_depend_on_the_seed(tmp_path):
    one, other = load(write_classes(tmp_path)), load(tmp_path)
    assert one.fingerprint == other.fingerprint
    assert one.spec == other.spec


@pytest.mark.slow
@pytest.mark.parametrize("level", ["word", "subword"])
def test_a_run_predicts_texts_with_the_coding_that_it_was_trained_with(tmp_path, level):
    (tmp_path / "data").mkdir()
    experiment = jaxdl.Experiment(
        name="texts",
        data=jaxdl.Text(str(write_classes(tmp_path / "data")), level=level, vocabulary=280),
        model=jaxdl.RNN(features=(4,), embed=4, pool="max"),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(learning_rate=1e-2),
        training=jaxdl.Training(epochs=1, batch_size=32, precision="bfloat16"),
    )
    jaxdl.train(experiment, run_dir=tmp_path / "run")
    model = jaxdl.load_run(tmp_path / "run")
    assert model.spec.coding is not None
    assert model.spec.coding.level == level
    texts = ["the end was good .", "bad"]
    inputs, lengths = model.spec.coding.padded(model.spec.coding.ids_of(texts))
    np.testing.assert_array_equal(model.predict(texts), model.predict(inputs, lengths))


def test_a_running_text_is_continued(tmp_path):
    (tmp_path / "a.txt").write_text("to be or not to be " * 60)
    dataset = load(tmp_path / "a.txt", length=10)
    assert dataset.spec.coding.level == "character"
    assert dataset.spec.outputs == dataset.spec.coding.size == len(dataset.spec.class_names)
    assert dataset.spec.target_shape == dataset.spec.input_shape == (10,)
    assert not dataset.spec.lengths


def test_as_many_steps_as_classes_are_no_questions(tmp_path):
    (tmp_path / "a.txt").write_text("abcdef gh" * 60)
    dataset = load(tmp_path / "a.txt", length=11)
    assert dataset.spec.outputs == 11
    look = jaxdl.look_at_data(
        jaxdl.Experiment(
            name="texts",
            data=jaxdl.Text(str(tmp_path / "a.txt"), length=11),
            model=jaxdl.RNN(features=(4,), embed=4, every_step=True),
            objective=jaxdl.SoftmaxCrossEntropy(),
            optimizer=jaxdl.Adam(),
        ),
        notify=lambda line: None,
    )
    assert sum(look.found.class_counts["train"]) == dataset.splits["train"]["targets"].size


def test_a_page_shows_the_texts_as_the_model_sees_them(tmp_path):
    experiment = jaxdl.Experiment(
        name="texts",
        data=jaxdl.Text(str(write_classes(tmp_path)), vocabulary=9),
        model=jaxdl.RNN(features=(4,), embed=4),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(),
        augmentation=jaxdl.TextAugmentation(word_dropout=0.5),
    )
    look = jaxdl.look_at_data(experiment, notify=lambda line: None)
    assert "&lt;unknown&gt;" in look.html
    assert "&lt;padding&gt;" not in look.html
    assert "changed by augmentation" in look.html
    assert "unknown words" in look.html


def test_generated_texts_stand_in_only_where_no_path_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines: list[str] = []
    dataset = load(Path("reviews"), lines, fallback="embedded")
    assert (dataset.requested, dataset.used, dataset.substituted) == ("text:reviews", "generated_reviews", True)
    assert "STAND-IN DATA: no figure of this run is about text:reviews" in lines[0]
    assert load(Path("play.txt"), fallback="embedded").used == "generated_play"
    with pytest.raises(jaxdl.UserError, match="review: there is no such file or folder"):
        load(Path("review"), fallback="embedded")
    with pytest.raises(jaxdl.UserError, match="reviews: there is no such file or folder"):
        load(Path("reviews"))
    write_classes(tmp_path).joinpath("reviews").mkdir()
    write_classes(tmp_path / "reviews")
    assert load(Path("reviews"), fallback="embedded").used == "text:reviews"


BAD = {
    "bytes that are no text of the encoding": ("a.neg", b"good\ncaf\xe9\n", "a.neg, line 2: this is not utf-8"),
    "an empty line": ("a.neg", b"good\n\nbad\n", "a.neg, line 2: there is no text"),
    "zero bytes": ("a.neg", b"good\nb\x00d\n", "a.neg, line 2: this is no text, it holds zero bytes"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_used_is_an_error_or_left_out_and_listed(tmp_path, what):
    name, content, message = BAD[what]
    (tmp_path / "a.pos").write_text("fine\ngreat\n" * 10)
    (tmp_path / name).write_bytes(content * 10)
    with pytest.raises(jaxdl.UserError, match=message.replace("(", r"\(")):
        load(tmp_path)
    lines: list[str] = []
    load(tmp_path, lines, on_bad="skip")
    assert lines[0] == "10 texts cannot be used and are left out:"
    assert message in lines[1]


def test_another_encoding_can_be_stated(tmp_path):
    (tmp_path / "a.pos").write_bytes("caf\u00e9\n".encode("latin-1") * 10)
    (tmp_path / "a.neg").write_text("bad\n" * 10)
    dataset = load(tmp_path, encoding="latin-1")
    assert "caf\u00e9" in dataset.spec.coding.tokens
    assert dataset.spec.coding.encoding == "latin-1"


def test_without_a_path_the_flag_is_named():
    with pytest.raises(jaxdl.UserError, match="no text is given: --data=text:PATH"):
        jaxdl.Text("").load(None, print)


@pytest.mark.slow
def test_the_coding_is_saved_with_the_run_as_json(tmp_path):
    (tmp_path / "a.txt").write_text("to be or not to be " * 60)
    experiment = jaxdl.Experiment(
        name="texts",
        data=jaxdl.Text(str(tmp_path / "a.txt"), length=8),
        model=jaxdl.RNN(features=(4,), embed=4, every_step=True),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(),
        training=jaxdl.Training(epochs=1, batch_size=32),
        metrics=("bits_per_step", "perplexity"),
    )
    summary = jaxdl.train(experiment, run_dir=tmp_path / "run")
    coding = json.loads((tmp_path / "run" / "record.json").read_text())["spec"]["coding"]
    assert (coding["level"], coding["length"]) == ("character", 8)
    figures = summary["metrics"]
    assert figures["test/bits_per_step"] == pytest.approx(np.log2(figures["test/perplexity"]))
    assert figures["test/bits_per_step"] == pytest.approx(figures["test/loss"] / np.log(2))
