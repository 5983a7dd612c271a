"""How a sweep is run: what goes together, and how many trials run at the same time."""

from __future__ import annotations

from typing import Any

import pytest

from jaxdl.backend.cores import usable_cores
from jaxdl.errors import UserError
from jaxdl.sweeps.executors.execution import Execution


@pytest.mark.parametrize(
    ("execution", "width"),
    [
        (Execution(), 0),  # as is measured
        (Execution(batch="off"), 1),
        (Execution(batch=8), 8),
        (Execution(workers=3), 3),
        (Execution(executor="processes", workers=3), 3),
    ],
)
def test_as_many_trials_run_at_the_same_time_as_was_asked_for(execution: Execution, width: int) -> None:
    assert execution.width() == width


def test_worker_processes_have_two_cores_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jaxdl.backend.cores.accelerators", lambda: 0)
    assert Execution(executor="processes").width() == max(1, len(usable_cores()) // 2)
    monkeypatch.setattr("jaxdl.backend.cores.accelerators", lambda: 4)
    assert Execution(executor="processes").width() == 4
    assert Execution(executor="processes", trial_devices=2).width() == 2
    with pytest.raises(UserError, match="trial_devices=5: this machine has 4 GPUs"):
        Execution(executor="processes", trial_devices=5).width()


def test_a_trial_has_as_many_devices_as_was_asked_for_or_as_its_recipe_needs() -> None:
    assert Execution().worker_settings["cpu_devices"] == 1
    assert Execution(settings={"cpu_devices": 2}).worker_settings["cpu_devices"] == 2
    execution = Execution(executor="processes", workers=1, trial_devices=4, settings={"cpu_devices": 2})
    assert execution.width() == 1 and execution.worker_settings["cpu_devices"] == 4
    with pytest.raises(UserError, match="divides each batch among 8 devices .*give --trial_devices=8"):
        Execution(executor="processes", workers=1, trial_devices=4, settings={"cpu_devices": 8}).width()


@pytest.mark.parametrize(
    ("given", "gpus", "needs"),
    [
        ({}, True, (1.0, 0.0)),
        ({"trial_devices": 2}, False, (2.0, 0.0)),
        ({"trial_devices": 2, "trial_cpus": 8.0}, False, (8.0, 0.0)),
        ({"trial_devices": 2}, True, (1.0, 2.0)),
        ({"trial_devices": 2, "settings": {"platform": "cpu"}}, True, (2.0, 0.0)),
        ({"trial_devices": 2, "trial_gpus": 2.0}, False, (1.0, 2.0)),
    ],
)
def test_devices_are_gpus_or_cores_of_a_ray_cluster(
    given: dict[str, Any], gpus: bool, needs: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jaxdl.sweeps.executors.ray_cluster.has_gpus", lambda: gpus)
    assert Execution(executor="ray", **given).ray_needs() == needs


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"executor": "thread"}, "unknown value for executor: 'thread'"),
        ({"on_failure": "halt"}, "'halt'"),
        ({"batch": 0}, "batch=0: must be auto, off, or how many"),
        ({"batch": True}, "batch=true: must be"),
        ({"batch": "some"}, "batch=some: must be"),
        ({"executor": "processes", "workers": -3}, "workers=-3"),
        ({"retries": -1}, "retries=-1: must be at least 0"),
        ({"executor": "ray", "trial_cpus": float("inf")}, "trial_cpus=inf: must be a finite number"),
        ({"executor": "ray", "trial_devices": 2, "trial_gpus": 1.0}, "trial_devices=2 and --trial_gpus=1 contradict"),
        ({"trial_devices": 2}, "trial_devices=2 only applies to executor=processes or ray"),
        ({"workers": 2, "batch": 4}, "--workers=2 and --sweep_batch=4 both say how many trials run at the same time"),
        ({"workers": 2, "batch": "off"}, "--workers=2 and --sweep_batch=off both say"),
        ({"executor": "processes", "batch": 4}, "batch=4 only applies to executor=inline"),
        ({"executor": "processes", "ray_address": "auto"}, "ray_address=auto only applies to executor=ray"),
    ],
)
def test_what_does_not_go_together_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Execution(**given)
