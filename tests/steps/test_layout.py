"""Where arrays lie on several devices; `tests.on_devices` trains on them."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.steps.layout import check_divides, layout_of
from jaxdl.training.programs import program_key
from tests.on_devices import on_devices


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"devices": 3, "batch_size": 100}, r"--batch_size=100 .* 3 devices of --devices=3; .* --batch_size=99 or 102"),
        ({"mesh": "data:8", "batch_size": 4}, r"--batch_size=4 .* 8 devices of --mesh=data:8; .* --batch_size=8"),
        ({"mesh": "data:2", "devices": 4}, r"--mesh=data:2 has 2 devices, not --devices=4"),
        ({"devices": 64, "batch_size": 64}, r"--devices=64: there .*jax_num_cpu_devices"),
        ({"shard": "rules"}, r"--shard=rules .* --mesh=data:4,model:2"),
        ({"mesh": "data:2,model:2"}, r"nothing lies along the axis model .*--shard=rules, or --mesh=data:4"),
        ({"mesh": "model:2", "shard": "fsdp"}, "nothing lies along the axis model"),
    ],
)
def test_devices_that_cannot_share_the_batch_are_refused_with_the_way_out(
    fields: dict[str, object], problem: str
) -> None:
    with pytest.raises(UserError, match=problem):
        layout_of(jaxdl.Training(**fields))  # type: ignore[arg-type]


@pytest.mark.parametrize("fields", [{}, {"devices": 1}, {"mesh": "data:1"}, {"shard": "fsdp"}])
def test_one_device_has_no_layout_and_the_programs_of_before(recipe: jaxdl.Experiment, fields: dict[str, str]) -> None:
    assert len(jax.local_devices()) == 1
    other = jaxdl.replace(recipe, {f"training.{name}": value for name, value in fields.items()})
    assert layout_of(other.training) is None
    assert program_key(other) == program_key(recipe)
    dataset = other.data.load(Path(), print)
    text = jaxdl.Trainer(other, dataset).programs.source_text("train")
    assert text == jaxdl.Trainer(recipe, dataset).programs.source_text("train")
    assert "@mesh" not in text  # XLA is told of no device


def test_a_batch_is_divided_where_each_device_gets_as_many_examples() -> None:
    check_divides(96, (("data", 3), ("model", 5)), "")
    check_divides(7, (("model", 5),), "")
    with pytest.raises(UserError):
        check_divides(95, (("data", 3),), "")


def close(found: dict[str, dict[str, Any]], *, leave_out: str = "nothing") -> None:
    """Compares trainings on several devices with that on one, by the tolerances of docs/devices.md."""
    one = found["1"]
    for layout, other in found.items():
        np.testing.assert_allclose(other["losses"], one["losses"], rtol=1e-5, err_msg=layout)
        assert other["figures"] == pytest.approx(one["figures"], rel=1e-5), layout
        assert other["params"].keys() == one["params"].keys()
        for name, expected in one["params"].items():
            if re.fullmatch(leave_out, name) is None:
                largest = np.abs(expected).max()
                np.testing.assert_allclose(other["params"][name], expected, rtol=0, atol=1e-4 * largest, err_msg=name)


def near(found: dict[str, dict[str, Any]], *, share: float) -> None:
    """Compares the memory that is predicted for each device with what the compiled program says."""
    for layout, each in found.items():
        assert each["memory"]["predicted"] == pytest.approx(each["memory"]["compiled"], rel=share), layout


def told(found: dict[str, Any], program: str = "train") -> dict[str, int]:
    """Returns how often a program has each kind of collective."""
    return dict(Counter(kind for kind, _, _ in found["collectives"][program]))


def test_eight_devices_train_as_one_and_sum_gradients_once() -> None:
    found = on_devices("mlp", "1", "8")
    close(found)
    assert found["8"]["layout"] == {"devices": 8, "mesh": "data:8", "shard": "replicated"}
    assert told(found["1"]) == {} and found["1"]["layout"] is None
    # All at once: gradients, loss, what it counts, and the two numbers of the accuracy; examples and dropout need none.
    assert told(found["8"]) == {"all-reduce": 1}
    assert told(found["8"], "eval") == {"all-reduce": 2}
    params = found["8"]["bytes"]["params"]
    assert params == found["1"]["bytes"]["params"]
    assert [size for _, size, _ in found["8"]["collectives"]["train"]] == [params + 16]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "leave_out", "divided", "expected"),
    [
        # The collectives of the train program: of data parallel, fsdp and rules.
        (
            "mnist_cnn",
            "nothing",
            0.3,
            ({"all-reduce": 1}, {"all-reduce": 2, "all-gather": 2}, {"all-reduce": 5, "all-gather": 2}),
        ),
        pytest.param(
            "mnist_rnn",
            "nothing",
            0.3,
            ({"all-reduce": 1}, {"all-reduce": 3, "all-gather": 2}, {"all-reduce": 3, "all-gather": 3}),
            marks=pytest.mark.nightly,
        ),
        # Its gradients before batch statistics are 0 up to rounding. Small layers are not divided.
        pytest.param(
            *("residual", r"(first|convolution_\w+)/bias", 1.0, ({"all-reduce": 10},) * 3), marks=pytest.mark.nightly
        ),
        # Twice, for short and for long sentences, and once for their lengths.
        pytest.param(
            "sentiment_lstm",
            "nothing",
            0.3,
            ({"all-reduce": 3}, {"all-reduce": 9, "all-gather": 5}, {"all-reduce": 7, "all-gather": 14}),
            marks=pytest.mark.nightly,
        ),
    ],
)
def test_any_number_of_devices_trains_as_one(
    name: str, leave_out: str, divided: float, expected: tuple[dict[str, int], ...]
) -> None:
    found = on_devices(name, "1", "2", "8", "fsdp", "rules")
    close(found, leave_out=leave_out)
    # XLA keeps the memory of both lengths of sentences apart.
    near(found, share=0.25 if name == "sentiment_lstm" else 0.2)
    assert tuple(told(found[layout]) for layout in ("8", "fsdp", "rules")) == expected
    assert told(found["2"]) == expected[0]
    for part in ("params", "opt_state"):
        one = found["1"]["bytes"][part]
        assert [found[layout]["bytes"][part] for layout in ("2", "8")] == [one] * 2
        assert found["fsdp"]["bytes"][part] <= divided * one
        assert found["rules"]["bytes"][part] <= (0.5 + divided / 2) * one


@pytest.mark.slow
@pytest.mark.nightly  # its smaller sibling: eight devices train as one, in this file
@pytest.mark.parametrize(
    ("name", "losses", "figures", "params"),
    [("parts", 1e-5, 1e-5, 1e-4), ("float16", 2e-3, 0.05, 0.2)],
)
def test_parts_averages_and_a_scaled_loss_are_the_same_on_any_number_of_devices(
    name: str, losses: float, figures: float, params: float
) -> None:
    """With dropout, normalisation of layers, an average of the parameters, and blocks that are computed again.

    Of float16 the losses agree, but Adam makes whole updates of gradients that are rounding alone.
    """
    found = on_devices(name, "1", "4", "fsdp", "rules")
    one = found["1"]
    assert one["loss_scale"] == (None if name == "parts" else 2**16)
    for layout, other in found.items():
        assert other["loss_scale"] == one["loss_scale"], layout
        np.testing.assert_allclose(other["losses"], one["losses"], rtol=losses, err_msg=layout)
        assert other["figures"] == pytest.approx(one["figures"], rel=figures), layout
        assert "ema_loss" in other["figures"]
        for tree in ("params", "average"):
            for array, expected in one[tree].items():
                near_it = params * np.abs(expected).max()
                np.testing.assert_allclose(other[tree][array], expected, rtol=0, atol=near_it, err_msg=array)
    assert one["average"] != one["params"]
    # Adam's two averages and that of the parameters lie as the parameters do.
    for layout, share in (("fsdp", 0.3), ("rules", 0.6)):
        for part in ("params", "opt_state"):
            assert found[layout]["bytes"][part] <= share * one["bytes"][part]
