"""Trees as a data source: splits, vocabulary, labels, and what is refused with file, line and column."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxdl
from jaxdl.data.trees.encoding import brackets

TRAIN = ["(2 (1 The) (2 (1 film) (2 works)))", "(0 (1 the) (0 fails))", "(1 (1 The) (1 film))"]
TEST = ["(2 (1 the) (2 (1 play) (2 works)))"]


def folder(path: Path, **splits: list[str]) -> Path:
    for name, lines in (splits or {"train": TRAIN, "dev": TRAIN[:1], "test": TEST}).items():
        (path / f"{name}.txt").write_text("\n".join(lines), encoding="utf-8")
    return path


def load(path: Path, lines: list[str] | None = None, **fields: Any) -> jaxdl.Dataset:
    return jaxdl.Trees(str(path), **fields).load(path, (lines if lines is not None else []).append)


def test_the_vocabulary_is_that_of_train(tmp_path: Path) -> None:
    dataset = load(folder(tmp_path))
    form = dataset.spec.trees
    assert form is not None
    assert form.words == ("the", "film")  # the others occur once
    test = dataset.splits["test"]
    assert brackets(test["inputs"][0, :5], form) == "((the) ((<unknown>) (<unknown>)))"
    everything = load(tmp_path, min_count=1, lowercase=False).spec.trees
    assert everything is not None
    assert everything.words == ("The", "film", "fails", "the", "works")


def test_targets_are_the_labels_of_all_nodes_or_of_the_root(tmp_path: Path) -> None:
    dataset = load(folder(tmp_path))
    assert dataset.spec.class_names == ("0", "1", "2")
    assert dataset.splits["train"]["targets"].tolist() == [[1, 1, 2, 2, 2], [1, 0, 0, 0, 0], [1, 1, 1, 0, 0]]
    assert dataset.splits["train"]["lengths"].tolist() == [5, 3, 3]
    root = load(tmp_path, labels="root")
    assert root.spec.target_shape == ()
    assert root.splits["train"]["targets"].tolist() == [2, 0, 1]


def test_only_the_root_needs_a_label_where_only_that_counts(tmp_path: Path) -> None:
    folder(tmp_path, train=["(1 (The) ((film) (works)))", "(0 ((It)) (fails))"], test=["(1 (It) (works))"])
    dataset = load(tmp_path, labels="root", binarize="left", min_count=1, validation=0.0)
    assert dataset.splits["train"]["targets"].tolist() == [1, 0]
    with pytest.raises(jaxdl.UserError, match=r"line 1, column 4: this node has no label; --data.labels=root needs"):
        load(tmp_path)


def test_whole_numbers_are_sorted_as_such_and_classes_can_be_given(tmp_path: Path) -> None:
    folder(tmp_path, train=["(10 (9 a) (-1 a))"], test=["(9 a)"])
    assert load(tmp_path, validation=0.0).spec.class_names == ("-1", "9", "10")
    given = load(tmp_path, validation=0.0, classes=("10", "9", "-1", "3"))
    assert given.splits["train"]["targets"].tolist() == [[1, 2, 0]]
    assert given.spec.outputs == 4


def test_validation_and_test_are_cut_from_one_file_before_the_vocabulary_is_made(tmp_path: Path) -> None:
    file = tmp_path / "all.txt"
    file.write_text("\n".join(f"(1 (0 a{n}) (1 b))" for n in range(20)))
    dataset = load(file, min_count=1)
    assert {name: len(split["inputs"]) for name, split in dataset.splits.items()} == {
        "train": 14,
        "validation": 2,
        "test": 4,
    }
    form = dataset.spec.trees
    assert form is not None
    assert len(form.words) == 15
    assert (dataset.splits["test"]["inputs"][:, 0, 0] == 1).all()  # each a.. occurs once


def test_places_of_children_count_as_ids(tmp_path: Path) -> None:
    folder(tmp_path, train=["(1 (0 a) (0 (0 a) (0 (0 a) (0 a))))"], test=["(0 (1 a) (1 a))"])
    dataset = load(tmp_path, validation=0.0)
    assert dataset.spec.vocabulary == dataset.spec.input_shape[0] == 7


@pytest.mark.parametrize(
    ("bad", "where", "fields"),
    [
        ("(2 (1 a) (1 b)", "line 2, column 1: this bracket is not closed", {}),
        ("(2 (1 a) (1 b)))", "line 2, column 16: this bracket closes nothing", {}),
        ("()", "line 2, column 1: there is nothing in these brackets", {}),
        ("(2 (1 a) (7 b))", "line 2, column 10: the label '7' is no class; the classes are 0, 1, 2", {}),
        ("(7 (1 a) (1 b))", "line 2, column 1: the label '7' is no class", {"labels": "root"}),
        ("(2 (1 a) (b))", "line 2, column 10: this node has no label", {}),
        ("((1 a) (1 b))", "line 2, column 1: this node has no label", {"labels": "root"}),
        ("(2 (1 a) (1 b) (1 c))", "line 2, column 1: a node has two children, and this one has 3", {}),
        ("(2 (1 (1 a)) (1 b))", "line 2, column 4: a node has two children, and this one has one child", {}),
        ("(2 (1 a b) (1 c))", "line 2, column 4: a leaf has one word", {}),
        (
            "(2 (1 a) (2 (1 b) (1 c)))",
            "line 2, column 1: this tree has 5 nodes, more than --data.nodes=3",
            {"nodes": 3},
        ),
    ],
)
def test_a_bad_tree_is_named_or_left_out(tmp_path: Path, bad: str, where: str, fields: dict[str, Any]) -> None:
    good = "(2 (0 a) (1 a))"
    folder(tmp_path, train=[good, bad, good] if "7" not in bad else [good, good, good], test=[good, bad, good])
    with pytest.raises(jaxdl.UserError, match="--data.on_bad=skip") as error:
        load(tmp_path, validation=0.0, **fields)
    assert where in str(error.value)
    lines: list[str] = []
    dataset = load(tmp_path, lines, validation=0.0, on_bad="skip", **fields)
    assert len(dataset.splits["test"]["inputs"]) == 2
    assert "of 6 trees cannot be used and are left out" in "\n".join(lines)
    assert where in "\n".join(lines)


def test_a_file_without_trees_is_refused(tmp_path: Path) -> None:
    folder(tmp_path, train=["", " "], test=["(1 a)"])
    with pytest.raises(jaxdl.UserError, match=r"train\.txt has no tree\."):
        load(tmp_path)
    folder(tmp_path, train=["(", ")"])
    with pytest.raises(jaxdl.UserError, match=r"train\.txt has no tree that can be used\."):
        load(tmp_path, on_bad="skip")


def test_too_rare_words_are_refused(tmp_path: Path) -> None:
    folder(tmp_path, train=["(1 (0 a) (1 b))"], test=["(1 a)"])
    with pytest.raises(jaxdl.UserError, match=r"no word occurs 2 times in train: lower --data\.min_count"):
        load(tmp_path, validation=0.0)


def test_generated_trees_stand_in_only_where_no_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines: list[str] = []
    dataset = jaxdl.Trees(fallback="embedded").load(tmp_path, lines.append)
    assert dataset.substituted
    assert dataset.used == "subtraction"
    assert "STAND-IN DATA: no figure of this run is about trees:trees" in "\n".join(lines)
    for source in (jaxdl.Trees("tree", fallback="embedded"), jaxdl.Trees()):
        with pytest.raises(jaxdl.UserError, match="no such file or folder"):
            source.load(tmp_path)


def test_a_spec_survives_json(tmp_path: Path) -> None:
    spec = load(folder(tmp_path)).spec
    assert jaxdl.Spec.from_json(json.loads(json.dumps(dataclasses.asdict(spec)))) == spec


def test_the_order_of_trees_is_that_of_the_lines(tmp_path: Path) -> None:
    dataset = load(folder(tmp_path), min_count=1)
    form = dataset.spec.trees
    assert form is not None
    train = dataset.splits["train"]
    texts = [brackets(rows[:length], form) for rows, length in zip(train["inputs"], train["lengths"], strict=True)]
    assert texts == ["((the) ((film) (works)))", "((the) (fails))", "((the) (film))"]
    assert train["inputs"].dtype == train["targets"].dtype == np.int32
