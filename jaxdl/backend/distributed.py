"""Joins the processes of one training, on one machine or many, by `jax.distributed`."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax

from jaxdl.backend.rollcall import Identity, await_others, call_first, numbers_text, parts_of
from jaxdl.errors import UserError

# JAX itself aborts where it cannot join; by then a thread has ended the process with a message.
_LONGER_S = 60
_MISTAKE = 2


@dataclasses.dataclass(frozen=True)
class Member:
    """One process of several that train together.

    Attributes:
        coordinator: ``HOST:PORT`` of process 0.
        count: how many processes there are.
        process: the number of this one, 0 to ``count - 1``.
        local_devices: the numbers of the accelerators of its machine that it uses; None: all that it sees.
        found_by: what told so.
    """

    coordinator: str
    count: int
    process: int
    local_devices: Sequence[int] | None = None
    found_by: str = "the flags"

    def message(self, seconds: float) -> str:
        """Returns a line about the processes for which this one waits."""
        others = list(range(1, self.count)) if self.process == 0 else [0]
        return (
            f"process {self.process} of {self.count} (by {self.found_by}) waits at most {seconds:g} s for "
            f"{numbers_text(others)} at {self.coordinator}."
        )


def named_member(coordinator: str, count: int | None, process: int | None) -> Member | None:
    """Returns the member that flags name; None where none is given.

    Raises:
        UserError: some are missing, or they contradict each other.
    """
    given = {
        "--coordinator": coordinator or None,
        "--num_processes": count,
        "--process_id": process,
    }
    missing = [name for name, value in given.items() if value is None]
    if len(missing) == len(given):
        return None
    if missing:
        present = [name for name in given if name not in missing]
        raise UserError(f"{' and '.join(present)} also need{'s' * (len(present) == 1)} {' and '.join(missing)}.")
    assert count is not None and process is not None
    parts_of(coordinator)
    if not 0 <= process < count:
        raise UserError(f"--process_id={process} with --num_processes={count}: the numbers are 0 to {count - 1}.")
    return Member(coordinator, count, process)


def found_member(seconds: float) -> Member:
    """Returns the member that this process is by what its surroundings say: SLURM, Open MPI, Kubernetes, a TPU pod.

    Args:
        seconds: how long to look for the coordinator.

    Raises:
        UserError: they say nothing, or only a part.
    """
    # JAX finds out in `initialize`, and tells nobody for whom it waits.
    from jax._src.clusters import ClusterEnv

    kinds: list[Any] = ClusterEnv._cluster_types
    try:
        kind = next((each for each in kinds if not each.opt_in_only_method and each.is_env_present()), None)
        known = {name: os.environ.get(name) for name in ("JAX_COORDINATOR_ADDRESS",)}
        address, count, process, devices = ClusterEnv.auto_detect_unset_distributed_params(
            known["JAX_COORDINATOR_ADDRESS"], None, None, None, None, int(seconds)
        )
    except Exception as error:  # of parsing the surroundings, or of asking a server
        raise UserError(
            f"--distributed=auto: the surroundings cannot be read ({type(error).__name__}: "
            f"{' '.join(str(error).split())}); give --coordinator, --num_processes and --process_id."
        ) from error
    if address is None or count is None or process is None:
        raise UserError(
            "--distributed=auto: this process was not started by SLURM (srun), Open MPI, Kubernetes or on a TPU pod, "
            "as far as JAX sees; give --coordinator=HOST:PORT, --num_processes and --process_id, or leave it out."
        )
    return Member(address, int(count), int(process), devices, kind.name or kind.__name__ if kind else "JAX")


def join(member: Member, identity: Identity, *, seconds: float, heartbeat: int, notify: Callable[[str], None]) -> None:
    """Waits for the other processes, and joins them by `jax.distributed`; call it before the backend starts.

    Args:
        member: which process of how many this is.
        identity: what all of them must have in common.
        seconds: how long to wait for all.
        heartbeat: after so many seconds without a sign of life, JAX takes a process for dead.
        notify: told for whom this process waits.

    Raises:
        UserError: somebody is missing or does not belong here, or the coordinator cannot be reached.
    """
    begin = time.monotonic()
    notify(member.message(seconds))
    if member.process == 0:
        await_others(member.coordinator, member.count, identity, seconds, notify)
    else:
        call_first(member.coordinator, member.process, member.count, identity, seconds)
    # It would listen for SIGTERM in C++, where jaxdl has its own way.
    if hasattr(jax.config, "jax_enable_preemption_service"):
        jax.config.update("jax_enable_preemption_service", False)
    left = max(5.0, seconds - (time.monotonic() - begin))
    with _ends_after(left, f"all {member.count} processes called at {member.coordinator}, but JAX cannot join them"):
        jax.distributed.initialize(
            member.coordinator,
            member.count,
            member.process,
            local_device_ids=member.local_devices,
            cluster_detection_method="deactivate",
            initialization_timeout=int(left) + _LONGER_S,
            heartbeat_timeout_seconds=heartbeat,
        )
    notify(f"process {member.process} of {member.count} has joined the others.")


@contextlib.contextmanager
def _ends_after(seconds: float, problem: str) -> Iterator[None]:
    """Ends the process with a message and status 2, unless the block ends in time."""
    done = threading.Event()

    def watch() -> None:
        if not done.wait(seconds):
            with contextlib.suppress(OSError, ValueError):
                print(f"error: {problem} within {seconds:.0f} s; try again.", file=sys.stderr, flush=True)
            os._exit(_MISTAKE)

    threading.Thread(target=watch, name="joining", daemon=True).start()
    try:
        yield
    finally:
        done.set()
