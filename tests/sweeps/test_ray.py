"""Sweeps on a real Ray cluster of several nodes on this machine."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sweeps.test_kills import STATUSES, command, table

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.slow
KILLS = 20


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A head that runs no trial, and two nodes of one CPU each."""
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        nodes.add_node(num_cpus=1)
    yield nodes
    nodes.shutdown()


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """The table of the same sweep in one process."""
    sweep_dir = tmp_path_factory.mktemp("whole") / "s"
    subprocess.run(command(sweep_dir, "--sweep_batch=off"), check=True, capture_output=True)
    return table(sweep_dir)


def figures(rows: list[dict[str, str]]) -> list[tuple[str, ...]]:
    return [(row["trial"], row["state"], row["value"], row["params_sha256"]) for row in rows]


def on(cluster: Any) -> list[str]:
    return ["--executor=ray", f"--ray_address={cluster.address}"]


def test_a_lost_node_costs_no_trial(cluster: Any, expected: list[dict[str, str]], tmp_path: Path) -> None:
    process = subprocess.Popen(
        command(tmp_path / "s", *on(cluster)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    while not list((tmp_path / "s").glob("trials/*/checkpoints/[0-9]*")):
        time.sleep(0.05)
        assert process.poll() is None, process.communicate()[1]
    cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert "lost its worker" in errors
    assert figures(table(tmp_path / "s")) == figures(expected)


def test_killed_at_random_moments(cluster: Any, expected: list[dict[str, str]], tmp_path: Path) -> None:
    begin = time.monotonic()
    subprocess.run(command(tmp_path / "whole", *on(cluster)), check=True, capture_output=True)
    seconds = time.monotonic() - begin
    assert figures(table(tmp_path / "whole")) == figures(expected)
    moments, killed, completed = random.Random(11), 0, 0
    sweep_dir = tmp_path / "killed"
    while killed < KILLS or not completed:
        process = subprocess.Popen(
            command(sweep_dir, *on(cluster)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        try:
            process.wait(moments.uniform(0, seconds) if killed < KILLS else None)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, moments.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
            killed += 1
        _, errors = process.communicate(timeout=120)
        assert process.returncode in STATUSES, errors
        if process.returncode == 0:
            assert figures(table(sweep_dir)) == figures(expected)
            completed += 1
            shutil.rmtree(sweep_dir)
        elif killed in (5, 15):
            node = next(iter(cluster.worker_nodes))
            cluster.remove_node(node, allow_graceful=False)
            cluster.add_node(num_cpus=1)


def test_a_cluster_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = subprocess.run(
        command(tmp_path / "s", "--executor=ray", "--ray_address=127.0.0.1:1"), capture_output=True, text=True
    )
    assert done.returncode == 2 and "no Ray cluster can be reached there" in done.stderr
    assert not (tmp_path / "s").exists()
