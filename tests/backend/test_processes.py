"""What processes tell each other, each of them a thread here, or a process of its own where one ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import pytest

from jaxdl.backend.processes import AgreedSignals, Processes, is_lost, processes
from jaxdl.backend.signals import Terminated
from jaxdl.errors import UserError
from tests.backend.store import Store

ROOT = Path(__file__).resolve().parents[2]


def in_each(count: int, do: Any, store: Store | None = None) -> list[Any]:
    """Returns what a function of a `Processes` gives in each of several processes."""
    store = store or Store()
    with ThreadPoolExecutor(count) as pool:
        return [each.result(20) for each in [pool.submit(do, Processes(store, i, count)) for i in range(count)]]


def test_alone_there_are_no_processes() -> None:
    assert processes() is None


def test_process_0_decides_and_all_know_it_in_order() -> None:
    found = in_each(3, lambda each: [each.decided("steps", 10 * each.index + n) for n in range(3)])
    assert found == [[0, 1, 2]] * 3


def test_values_are_the_same_to_the_bit_also_where_they_are_not_finite() -> None:
    values = {"loss": 0.1 + 0.2, "other": float("inf"), "matrix": [[1, 2], [3, 4]], "none": None}
    assert in_each(2, lambda each: each.decided("figures", values)) == [values, values]


def test_old_decisions_do_not_fill_the_store() -> None:
    store = Store()
    in_each(2, lambda each: [(each.decided("steps", n), each.told("step", n)) for n in range(200)], store)
    assert sum(key.startswith("jaxdl/decided/") for key in store.values) == 64


def test_each_tells_of_itself() -> None:
    assert in_each(3, lambda each: each.told("host", each.index * 2)) == [[0, 2, 4]] * 3


def test_a_signal_of_any_process_is_known_to_all_after_the_same_step() -> None:
    def stopped_after(each: Processes) -> int:
        signals = AgreedSignals(each)
        for step in range(10):
            if each.index == 1 and step == 3:
                signals.received = signal.SIGTERM
                assert signals.received is None  # not before all know it
            each.told("step", step)  # as a collective, none is ahead of the others by more than a step
            signals.agree()
            if signals.received is not None:
                with pytest.raises(Terminated):
                    signals.raise_received()
                assert each.agreed_to_stop
                return step
        return -1

    found = in_each(3, stopped_after)
    assert len({*found}) == 1 and found[0] in (3, 4)


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (ValueError("Gloo AllGather failed: Connection reset by peer"), True),
        (jax.errors.JaxRuntimeError("UNAVAILABLE: failed to connect to all addresses"), True),
        (jax.errors.JaxRuntimeError("DEADLINE_EXCEEDED: Barrier timed out"), True),
        (jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory"), False),
        (ValueError("a peer of the connection"), False),
        (UserError("gloo"), False),
        (KeyboardInterrupt(), False),
    ],
)
def test_errors_that_mean_a_lost_process_are_known(error: BaseException, lost: bool) -> None:
    assert is_lost(error) == lost


def ended(code: str) -> subprocess.CompletedProcess[str]:
    """Runs code in a process of its own, since it ends it: with a store, and process 0 of 3 as `first`."""
    begin = (
        "import signal, time\n"
        "from jaxdl.backend import processes as p\n"
        "from jaxdl.backend.signals import Terminated\n"
        "from jaxdl.errors import UserError\n"
        "from tests.backend.store import Store\n"
        "p._LET_TELL_S = p._LET_LEAVE_S = 0.5\n"
        "store = Store()\n"
        "others = [p.Processes(store, i, 3) for i in (1, 2)]\n"
        "first = p.Processes(store, 0, 3)\n"
        "def fail(error):\n    raise error\n"
    )
    return subprocess.run(
        [sys.executable, "-c", begin + code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        (
            "others[1].tell(UserError('--batch_size=3 is wrong'))\nwith first.watched():\n    time.sleep(60)",
            2,
            "ended: --batch_size=3 is wrong",
        ),
        ("first.guarded(lambda: fail(UserError('the disk is full')), 'launch.py')", 2, "launch.py: error: the disk"),
        ("first.guarded(lambda: fail(KeyError('x')), 'launch.py')", 1, "KeyError: 'x'"),
        ("others[0].tell(Terminated(signal.SIGTERM))\nwith first.watched():\n    time.sleep(60)", 143, "by a signal"),
        (
            "others[1].tell(ValueError('Gloo failed'))\nfirst.guarded(lambda: fail(ValueError('Gloo: reset')), 'x')",
            134,
            "jaxdl: process 1 of 3 (host ",
        ),
        ("first.guarded(lambda: 143, 'launch.py')", 143, ""),
    ],
)
def test_a_process_ends_after_another_one_and_says_which(code: str, status: int, said: str) -> None:
    done = ended(code)
    assert (done.returncode, said in done.stderr) == (status, True), done.stderr
    if status == 134:
        assert "process 2" not in done.stderr
        assert "goes on from the last checkpoint" in done.stderr
