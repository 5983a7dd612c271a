"""Whole trainings on several devices: resumed on others, over a stream, side by side, and searched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.training.on_devices", str(tmp_path_factory.mktemp("devices"))]
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT), "XLA_FLAGS": ""}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    results: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return results


def test_a_run_resumed_on_the_same_devices_ends_with_the_same_bits(found: dict[str, Any]) -> None:
    assert found["same"]["status"] == found["straight"]["status"] == "completed"
    for name in ("sha256", "metrics", "loaded"):
        assert found["same"][name] == found["straight"][name]
    assert found["same"]["changed"] == []


@pytest.mark.parametrize("name", ["fewer", "one"])
def test_a_run_resumed_on_other_devices_ends_with_the_same_figures(found: dict[str, Any], name: str) -> None:
    assert found[name]["status"] == "completed"
    assert found[name]["metrics"] == pytest.approx(found["straight"]["metrics"], rel=1e-4)
    np.testing.assert_allclose(found[name]["loaded"], found["straight"]["loaded"], rtol=1e-3, atol=1e-5)
    assert any(change.startswith("layout") for change in found[name]["changed"]), found[name]["changed"]


def test_a_run_says_and_records_which_devices_share_a_batch_and_is_loaded_on_one(found: dict[str, Any]) -> None:
    straight = found["straight"]
    assert straight["layout"] == {"devices": 8, "mesh": "data:8", "shard": "fsdp"}
    expected = "8 of 8 devices (mesh data:8) share each batch of 64, 8 examples each; parameters: fsdp."
    assert straight["said"].count(expected) == 1
    assert straight["devices_of_loaded"] == 1


def test_a_stream_feeds_all_devices_with_the_same_examples(found: dict[str, Any]) -> None:
    assert found["disk"] == found["memory"]


def test_several_inputs_and_targets_give_the_same_figures(found: dict[str, Any]) -> None:
    np.testing.assert_allclose(found["named"][0], found["named"][1], rtol=1e-5)


def test_a_search_of_the_learning_rate_sees_the_same_losses(found: dict[str, Any]) -> None:
    one, eight = found["lr_find"]
    count = min(len(one), len(eight))
    np.testing.assert_allclose(eight[: count // 2], one[: count // 2], rtol=1e-4)


def test_trainings_side_by_side_each_have_their_devices_and_go_as_alone(found: dict[str, Any]) -> None:
    (_, expected), (mesh, divided), (alone, spread) = found["side_by_side"]
    assert mesh == {"training": 2, "data": 4} and alone == {"training": 8}
    np.testing.assert_allclose(divided, expected, rtol=1e-5)
    np.testing.assert_allclose(spread, expected, rtol=1e-5)


def test_a_model_is_divided_along_the_axes_that_it_declares_and_trains_as_on_one_device(found: dict[str, Any]) -> None:
    one, divided = found["declared"]
    np.testing.assert_allclose(divided["losses"], one["losses"], rtol=1e-5)
    assert one["kernels"] == [[64, 128], [128, 10]]
    assert divided["kernels"] == [[64, 32], [32, 10]]


def test_the_average_of_divided_parameters_is_evaluated_shown_predicts_and_is_exported(found: dict[str, Any]) -> None:
    average = found["of_average"]
    assert average["evaluated"] == pytest.approx(average["metrics"]["test/ema_loss"], rel=1e-4)
    assert average["metrics"]["test/ema_loss"] != average["metrics"]["test/loss"]
    np.testing.assert_allclose(average["exported"], average["predicted"], rtol=1e-5, atol=1e-6)
    assert np.abs(np.subtract(average["raw"], average["predicted"])).max() > 1e-4
    assert "ema_loss" in average["report"] and "ema_accuracy" in average["report"]
