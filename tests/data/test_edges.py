"""Pictures with light and dark exchanged against those of the training."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import jaxdl
from jaxdl.data.edges import Edges, about_pictures
from tests.small import blobs


def test_negatives_of_digits_are_noticed_and_digits_are_not() -> None:
    dataset = jaxdl.Digits().load(Path())
    edges = Edges.from_record(about_pictures(dataset))
    assert edges is not None and edges.mean < 0.3
    inputs = dataset.splits["test"]["inputs"]
    assert edges.exchanged(inputs, dataset.spec).sum() == 0
    assert edges.exchanged(inputs.max() - inputs, dataset.spec).mean() > 0.95


def test_pictures_without_a_common_background_are_left_alone() -> None:
    dataset = blobs()  # of which a third is dark, a third grey and a third light
    edges = Edges.from_record(about_pictures(dataset))
    assert edges is not None and edges.deviation > 0.15
    assert not edges.exchanged(255 - dataset.splits["test"]["inputs"], dataset.spec).any()
    assert not Edges(0.5, 0.01).exchanged(np.full((1, 4, 4, 1), 128, np.uint8), dataset.spec).any()


def test_other_data_and_records_say_nothing() -> None:
    dataset = blobs()
    flat = dataclasses.replace(dataset, spec=dataclasses.replace(dataset.spec, input_shape=(4, 4)))
    assert about_pictures(flat) == {}
    for record in ({}, {"edges": None}, {"edges": {"mean": "0"}}, {"edges": {"mean": 0.1}}):
        assert Edges.from_record(record) is None


def test_a_model_says_so_when_it_predicts(capsys: pytest.CaptureFixture[str]) -> None:
    from tests.exported import of_blobs

    model = dataclasses.replace(of_blobs(jaxdl.MLP(features=(2,))), edges=Edges(0.0, 0.01))
    pictures = np.zeros((3, 4, 4, 1), np.uint8)
    pictures[1] = 255
    lines: list[str] = []
    model.predict(pictures, notify=lines.append)
    assert lines == [
        "1 of 3 pictures (the first is number 1) have light and dark exchanged against the training set, whose edges "
        "are 0 % bright and theirs 100 %: exchange them for predictions that mean something."
    ]
