"""Sweeps on a real Ray cluster of several nodes on this machine."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jaxdl.record import read_record
from tests.sweeps.kills import KILLS, command, killed_at_random, run_whole, table

pytest.importorskip("ray", reason="needs a Ray cluster: pip install -c constraints.txt -e '.[ray]'")
# One cluster at a time on a machine.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A head that runs no trial, and two nodes of one CPU each."""
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        nodes.add_node(num_cpus=1)
    yield nodes
    nodes.shutdown()


def figures(rows: list[dict[str, str]]) -> list[tuple[str, ...]]:
    return [(row["trial"], row["state"], row["value"], row["params_sha256"]) for row in rows]


def on(cluster: Any) -> list[str]:
    return ["--executor=ray", f"--ray_address={cluster.address}"]


@pytest.mark.nightly  # its smaller sibling: trials of two devices, below
def test_a_lost_node_costs_no_trial(cluster: Any, tmp_path: Path) -> None:
    longer = ["--epochs=40", "--every=100steps"]
    process = subprocess.Popen(
        command(tmp_path / "s", *longer, *on(cluster)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    # Each node has room for one trial: while two are in their midst, each has one.
    while len(under_way(tmp_path / "s")) < 2:
        time.sleep(0.02)
        assert process.poll() is None, process.communicate()[1]
    cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert "lost its node" in errors or "lost its worker" in errors  # by which of them Ray notices first
    run_whole(tmp_path / "expected", [*longer, "--sweep_batch=off"])
    assert figures(table(tmp_path / "s")) == figures(table(tmp_path / "expected"))


def under_way(sweep_dir: Path) -> set[Path]:
    """Returns the directories of the trials that have saved a state and are not over."""
    begun = {path.parents[1] for path in sweep_dir.glob("trials/*/checkpoints/[0-9]*")}
    return {path for path in begun if not (path / "summary.json").exists()}


@pytest.mark.nightly  # its smaller siblings: trials of two devices, below, and kills without Ray in test_kills.py
@pytest.mark.parametrize("kills", KILLS)
def test_killed_at_random_moments(cluster: Any, kills: int, tmp_path: Path) -> None:
    run_whole(tmp_path / "expected", ["--sweep_batch=off"])
    expected = figures(table(tmp_path / "expected"))
    seconds = run_whole(tmp_path / "whole", on(cluster))
    assert figures(table(tmp_path / "whole")) == expected

    def replace_node(killed: int) -> None:
        if killed in (5, 15):
            cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
            cluster.add_node(num_cpus=1)

    for found in killed_at_random(tmp_path / "killed", on(cluster), seconds, kills, seed=11, after_kill=replace_node):
        assert figures(found) == expected


@pytest.fixture
def pairs() -> Iterator[Any]:
    """A head that runs no trial, and nodes of two CPUs each, as many as `--trial_devices=2` needs."""
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    nodes.add_node(num_cpus=2)
    yield nodes
    nodes.shutdown()


def sweep_of(trials: int) -> list[str]:
    return [
        *("--experiment=digits_mlp", "--epochs=6", "--model.features=8", "--platform=cpu", "--every=20steps"),
        f"--sweep=seed=0:{trials}",
        "--trial_devices=2",
    ]


@pytest.mark.parametrize(("trials", "nodes"), [(3, 2), pytest.param(200, 3, marks=pytest.mark.nightly)])
def test_trials_of_two_devices_outlive_their_nodes_and_the_client(
    pairs: Any, trials: int, nodes: int, tmp_path: Path
) -> None:
    """All nodes but one, and the client, are killed in the midst of trials; the command comes to the same table."""
    base, sweep_dir = sweep_of(trials), tmp_path / "s"
    for _ in range(nodes - 1):
        pairs.add_node(num_cpus=2)

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            command(sweep_dir, *on(pairs), base=base), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def wait_for_a_trial(process: subprocess.Popen[str]) -> None:
        while not under_way(sweep_dir):
            time.sleep(0.02)
            assert process.poll() is None, process.communicate()[1]

    client = start()
    wait_for_a_trial(client)
    client.kill()
    client.communicate()
    client = start()
    for _ in range(nodes - 1):
        wait_for_a_trial(client)
        pairs.remove_node(next(iter(pairs.worker_nodes)), allow_graceful=False)
    _, errors = client.communicate(timeout=3600)
    assert client.returncode == 0, errors
    run_whole(tmp_path / "expected", ["--executor=processes", "--workers=1"], base=base)
    assert figures(table(sweep_dir)) == figures(table(tmp_path / "expected"))
    assert read_record(sweep_dir / "trials" / "0000")["layout"]["devices"] == 2


def test_a_cluster_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = subprocess.run(
        command(tmp_path / "s", "--executor=ray", "--ray_address=127.0.0.1:1"), capture_output=True, text=True
    )
    assert done.returncode == 2 and "no Ray cluster can be reached there" in done.stderr
    assert not (tmp_path / "s").exists()
