"""Recipes beside each other."""

from __future__ import annotations

from pathlib import Path

import pytest
from scipy import stats

import jaxdl
from tests.comparison.made import made

OURS, THEIRS = (0.90, 0.92, 0.91), (0.95, 0.94, 0.96)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed, (one, other) in enumerate(zip(OURS, THEIRS, strict=True)):
        made(tmp_path / f"a{seed}", accuracy=one, seed=seed)
        made(tmp_path / f"b{seed}", accuracy=other, seed=seed, changes={"optimizer": {"learning_rate": 0.01}})
    made(tmp_path / "c", status="failed", seed=9)
    return tmp_path


def test_runs_that_differ_in_their_seed_are_one_recipe_named_by_what_differs(folder: Path) -> None:
    found = jaxdl.compare(folder)
    assert [group.name for group in found.groups] == ["learning_rate=0.001", "learning_rate=0.01"]
    assert [[run.path.name for run in group.runs] for group in found.groups] == [["a0", "a1", "a2"], ["b0", "b1", "b2"]]
    assert [run.path.name for run in found.left_out] == ["c"]
    assert found.metrics == ("test/accuracy", "test/loss")


def test_figures_have_intervals_and_differences_from_the_baseline(folder: Path) -> None:
    found = jaxdl.compare(folder, metrics=["test/accuracy"])
    first, second = found.groups
    estimate, against = found.estimate(second, "test/accuracy"), found.difference(second, "test/accuracy")
    assert estimate is not None and estimate.mean == pytest.approx(0.95) and estimate.seeds == 3
    assert against is not None and against.p == pytest.approx(stats.ttest_rel(THEIRS, OURS).pvalue)
    assert found.difference(first, "test/accuracy") is None
    turned = jaxdl.compare(folder, metrics=["test/accuracy"], baseline=folder / "b1")
    against = turned.difference(turned.groups[0], "test/accuracy")
    assert turned.baseline == 1 and against is not None and against.mean == pytest.approx(-0.04)


def test_only_common_seeds_are_paired_and_runs_of_one_seed_are_averaged(tmp_path: Path) -> None:
    made(tmp_path / "a0", accuracy=0.8, seed=0)
    made(tmp_path / "a0again", accuracy=0.9, seed=0)
    made(tmp_path / "a1", accuracy=0.1, seed=1)
    made(tmp_path / "b0", accuracy=0.95, seed=0, changes={"model": {"dropout": 0.5}})
    made(tmp_path / "c7", accuracy=0.95, seed=7, changes={"model": {"dropout": 0.7}})
    found = jaxdl.compare(tmp_path, metrics=["test/accuracy"])
    one, two, three = found.groups
    estimate, against = found.estimate(one, "test/accuracy"), found.difference(two, "test/accuracy")
    assert estimate is not None and estimate.mean == pytest.approx((0.85 + 0.1) / 2)
    assert against is not None and against.mean == pytest.approx(0.1) and against[1:] == (None, None, 1)
    assert found.difference(three, "test/accuracy") is None


def test_rows_are_ready_for_pandas(folder: Path) -> None:
    pytest.importorskip("pandas")
    table = jaxdl.compare(folder, metrics=["test/accuracy"]).to_pandas()
    assert list(table.index) == ["learning_rate=0.001", "learning_rate=0.01"]
    assert table.loc["learning_rate=0.01", "test/accuracy difference"] == pytest.approx(0.04)
    assert list(table["seeds"]) == [3, 3] and list(table["optimizer.learning_rate"]) == [0.001, 0.01]


def test_parts_and_other_experiments_are_named_too(tmp_path: Path) -> None:
    made(tmp_path / "a")
    made(tmp_path / "b", changes={"model": {"type": "own", "width": 3}})
    assert [group.name for group in jaxdl.compare(tmp_path).groups] == ["model=mlp", "model=own width=3"]


def test_experiments_are_named_and_within_them_what_differs(tmp_path: Path) -> None:
    made(tmp_path / "a", name="first")
    made(tmp_path / "b", name="first", changes={"model": {"dropout": 0.5}})
    made(tmp_path / "c", name="second", changes={"optimizer": {"learning_rate": 0.1}})
    found = jaxdl.compare(tmp_path)
    assert [group.name for group in found.groups] == ["first dropout=0.0", "first dropout=0.5", "second"]
    assert found.groups[2].values["optimizer.learning_rate"] == 0.1
    assert jaxdl.compare(tmp_path, baseline="second").baseline == 2


def test_few_seeds_are_said_and_so_are_stand_ins(tmp_path: Path) -> None:
    used = {"requested": "mnist", "used": "digits", "substituted": True}
    for seed in range(2):
        made(tmp_path / str(seed), seed=seed, data=used)
    found = jaxdl.compare(tmp_path)
    assert found.caution.startswith("A recipe has 2 seeds: with two, the interval is 12.7 times")
    assert found.stand_ins == ["digits: measured on digits (stand-in for mnist)"]
    assert jaxdl.compare(tmp_path / "0").caution.startswith("A recipe has one seed: nothing here says")
    made(tmp_path / "2", seed=2)
    assert jaxdl.compare(tmp_path).caution.startswith("A recipe has 3 seeds: intervals are wide")
    for seed in range(3, 5):
        made(tmp_path / str(seed), seed=seed)
    assert jaxdl.compare(tmp_path).caution == ""


def test_what_cannot_be_compared_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(jaxdl.UserError, match="none of the 1 runs is completed"):
        jaxdl.compare(folder / "c")
    with pytest.raises(jaxdl.UserError, match=r"no run has the figure 'test/acc'\. Did you mean 'test/accuracy'"):
        jaxdl.compare(folder, metrics=["test/acc"])
    with pytest.raises(jaxdl.UserError, match="has runs of several recipes"):
        jaxdl.compare(folder, baseline=folder)
    other = made(tmp_path / "elsewhere" / "x")
    with pytest.raises(jaxdl.UserError, match="is none of the compared runs"):
        jaxdl.compare(folder / "a0", folder / "b0", baseline=other)
