"""Which process of how many this is, by flags and by what the surroundings say; joining real ones is slow."""

from __future__ import annotations

import pytest

from jaxdl.backend.distributed import Member, found_member, named_member
from jaxdl.errors import UserError

SLURM = {
    "SLURM_JOB_ID": "4711", "SLURM_STEP_NODELIST": "node[007-010]", "SLURM_NTASKS": "4", "SLURM_PROCID": "2",
    "SLURM_LOCALID": "1", "SLURM_STEP_NUM_NODES": "2",
}  # fmt: skip


def test_flags_name_a_process() -> None:
    assert named_member("", None, None) is None
    member = named_member("node1:8476", 4, 2)
    assert member == Member("node1:8476", 4, 2)
    assert member is not None
    assert member.message(120.0) == "process 2 of 4 (by the flags) waits at most 120 s for process 0 at node1:8476."
    first = Member("node1:8476", 4, 0)
    assert first.message(5.0).endswith("waits at most 5 s for processes 1, 2 and 3 at node1:8476.")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("node1:8476", None, None), "--coordinator also needs --num_processes and --process_id"),
        (("", 2, None), "--num_processes also needs --coordinator and --process_id"),
        (("node1:8476", 2, None), "--coordinator and --num_processes also need --process_id"),
        (("node1:8476", 2, 2), "--process_id=2 with --num_processes=2: the numbers are 0 to 1"),
        (("node1", 2, 1), "give HOST:PORT"),
    ],
)
def test_flags_that_are_not_whole_or_contradict_each_other(
    given: tuple[str, int | None, int | None], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        named_member(*given)


def test_slurm_is_read_by_jax(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SLURM.items():
        monkeypatch.setenv(name, value)
    member = found_member(1.0)
    assert (member.count, member.process, list(member.local_devices or ()), member.found_by) == (4, 2, [1], "slurm")
    assert member.coordinator == f"node007:{65535 - 2**12 + 1 + 4711 % 2**12}"


def test_where_nothing_says_it_the_flags_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*SLURM, "OMPI_MCA_orte_hnp_uri", "KUBERNETES_SERVICE_HOST", "JAX_COORDINATOR_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match="give --coordinator=HOST:PORT, --num_processes and --process_id"):
        found_member(1.0)


def test_damaged_surroundings_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (SLURM | {"SLURM_NTASKS": "four"}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=r"the surroundings cannot be read \(ValueError"):
        found_member(1.0)
