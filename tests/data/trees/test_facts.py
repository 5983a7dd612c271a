"""What is said of trees, against small ones whose facts are plain."""

from __future__ import annotations

from pathlib import Path

from jaxdl.data.trees.facts import root_targets, shown_trees, tree_facts
from tests.data.sources.test_trees import folder, load


def test_facts_of_trees(tmp_path: Path) -> None:
    dataset = load(folder(tmp_path))
    form = dataset.spec.trees
    assert form is not None
    assert tree_facts(dataset, form) == {
        "words": "2 known, in lower case, and one id for all others",
        "commonest words": "'the' 'film'",
        "unknown words": "train 28.57%, validation 33.33%, test 66.67%",
        "trees of train": "3 to 5 (median 3) nodes; height 1 to 2 (median 1)",
        "trees of validation": "5 to 5 (median 5) nodes; height 2 to 2 (median 2)",
        "trees of test": "5 to 5 (median 5) nodes; height 2 to 2 (median 2)",
        "roots of train": "0 33.3%, 1 33.3%, 2 33.3%",
        "roots of validation": "0 0.0%, 1 0.0%, 2 100.0%",
        "roots of test": "0 0.0%, 1 0.0%, 2 100.0%",
    }
    train = dataset.splits["train"]
    assert shown_trees(train["inputs"][:2], train["lengths"][:2], form) == [
        "((the) ((film) (<unknown>)))",
        "((the) (<unknown>))",
    ]
    assert root_targets(train).tolist() == root_targets(load(tmp_path, labels="root").splits["train"]).tolist()
