"""A recipe fitted to data of several inputs and targets: sizes, configs, and what cannot be."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from flax import linen as nn

import jaxdl
from tests.named import arrays, recipe


def test_sizes_of_outputs_follow_from_each_target_and_configs_are_read_back() -> None:
    one = dataclasses.replace(
        recipe(), augmentation={"image": jaxdl.Augmentation(shift=1)}, metrics={"size": "r_squared"}
    )
    spec = one.data.load().spec
    fitted = one.for_spec(spec)
    assert fitted.model.outputs_shade == 3 and fitted.metrics == ("size/r_squared",)
    config = jaxdl.to_config(fitted)
    assert config["objective"]["type"] == config["augmentation"]["type"] == "several"
    assert (config["objective"]["weight_size"], config["objective"]["weight_shade"]) == (0.5, 1.0)
    assert jaxdl.from_config(config, one) == fitted
    other: Any = dataclasses.replace(one, objective="softmax_cross_entropy", augmentation=jaxdl.Augmentation())
    assert jaxdl.from_config(config, other) == fitted  # built anew from the names
    assert recipe().for_spec(spec).measured == ("shade/accuracy", "size/mean_absolute_error")


class Ids(nn.Module):
    vocabulary_a: int | None = None
    vocabulary_b: int | None = None

    @nn.compact
    def __call__(self, a: Any, b: Any, *, train: bool = False, lengths: Any = None) -> Any:
        both = nn.Embed(self.vocabulary_a, 2)(a).mean(1) + nn.Embed(self.vocabulary_b, 2)(b).mean(1)
        return nn.Dense(1)(both)


def test_each_input_of_ids_has_its_vocabulary() -> None:
    given = ({"a": [[1, 2, 3]] * 4, "b": [[7, 8]] * 4}, [0.5, 1.5, 2.5, 3.5])
    data = jaxdl.Arrays(train=given, test=given, ids=True, validation=0.0)
    one = jaxdl.Experiment("ids", data, Ids(), jaxdl.MeanSquaredError(), jaxdl.Adam())
    fitted: Any = one.for_spec(data.load().spec).model
    assert (fitted.vocabulary_a, fitted.vocabulary_b) == (4, 9)
    with pytest.raises(jaxdl.UserError, match="model.vocabulary_b=3: the data have ids up to 8"):
        jaxdl.replace(one, {"model.vocabulary_b": 3}).for_spec(data.load().spec)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"objective": jaxdl.MeanSquaredError()},
            "several targets \\(shade, size\\); give a loss for each",
        ),
        ({"objective": {"shade": "softmax_cross_entropy"}}, "target without a loss: 'size'"),
        ({"augmentation": {"image": jaxdl.Augmentation(mixup=0.2)}}, "several inputs or targets are not mixed"),
        ({"augmentation": jaxdl.Augmentation(shift=1)}, "there are several inputs"),
    ],
)
def test_what_needs_a_single_one_is_refused(fields: dict[str, Any], message: str) -> None:
    wrong = dataclasses.replace(recipe(), **fields)
    with pytest.raises(jaxdl.UserError, match=message):
        wrong.for_spec(wrong.data.load().spec)


def test_losses_by_name_need_targets_by_name() -> None:
    inputs, targets = arrays(8)
    one = dataclasses.replace(
        recipe(), data=jaxdl.Arrays(train=(inputs, targets["size"]), test=(inputs, targets["size"]))
    )
    with pytest.raises(jaxdl.UserError, match="output in objective, .* a single target"):
        one.for_spec(one.data.load().spec)
