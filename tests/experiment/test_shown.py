"""A recipe in a notebook: what it sets, and all fields."""

from __future__ import annotations

import re

import numpy as np

import jaxdl


def test_what_is_set_stands_alone_and_all_fields_are_folded_up() -> None:
    recipe = jaxdl.Experiment(
        name="a <b>",
        data=jaxdl.Arrays(train=(np.zeros((4, 2), np.float32), np.zeros(4, int))),
        model=jaxdl.MLP(features=(8, 4), dropout=0.5),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(learning_rate=0.25, schedule=jaxdl.Cosine(warmup=0.5)),
    )
    shown = recipe._repr_html_()
    above, _, below = shown.partition("<details>")
    rows = dict(re.findall(r'<th>([^<]*)</th><td class="value">([^<]*)</td>', above))
    assert "<h1>a &lt;b&gt;</h1>" in above
    assert rows["model"] == "MLP(features=(8, 4), dropout=0.5)"
    assert rows["optimizer"] == "Adam(learning_rate=0.25, schedule=Cosine(warmup=0.5))"
    assert re.fullmatch(r"Arrays\(train=\w{8}\.\.\.\)", rows["data"])
    assert rows.keys() == {"data", "model", "objective", "optimizer"}
    every = dict(re.findall(r'<th>([^<]*)</th><td class="value">([^<]*)</td>', below))
    assert every["training.epochs"] == "10" and every["optimizer.schedule.warmup"] == "0.5"
