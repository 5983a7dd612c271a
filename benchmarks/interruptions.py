"""Kills and signals at random moments of trainings and sweeps, and whether the same command goes on to the same bits.

    python -m benchmarks.interruptions [--kills=100] [--signals=50] [--seed=0] [--output=DIR]

The trainings are those of ``tests/trained.py``; the sweeps have 2 trials, one after another or in one program. Each
command is run once without a stop, and then again and again: it is killed, or gets a signal, at a moment drawn from the
time of a whole run, and the same command continues it, until it comes to its end and is compared. Kills are SIGKILL;
signals are TERM, INT, HUP, USR1, PIPE (which stops nothing) and a terminal that is closed. After a signal the status is
128 plus its number, and what was computed is saved. The processes are forks of one that has imported the libraries, so
that all moments are those of the work. Writes interruptions.json and interruptions.md. Exit status: 0; 1 if something
differed.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import pty
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from benchmarks import fault_scenarios as scenarios
from benchmarks import machine, process
from jaxdl.record import new_run_dir
from jaxdl.record.provenance import versions

CLOSED = "closed terminal"
_SIGNALS = ("TERM", "INT", "HUP", "USR1", "PIPE", CLOSED)
_PATIENCE = 120.0


@dataclasses.dataclass(frozen=True)
class Work:
    """What is interrupted.

    Attributes:
        call: runs it in the present folder, and ends the process.
        result: what must be the same, from the folder.
        where: the run or sweep directory.
    """

    call: Callable[[], NoReturn]
    result: Callable[[Path], dict[str, Any]]
    where: str


def _trained(name: str) -> Work:
    def call() -> NoReturn:
        from jaxdl.backend.signals import end_process
        from tests.trained import main

        end_process(main([name, "--run_dir=run"]))

    return Work(call, scenarios.run_result, "run")


def _sweep(batch: str) -> Work:
    arguments = (*scenarios.SWEEP, f"--sweep_batch={batch}")
    return Work(lambda: scenarios.launch(arguments), scenarios.sweep_result, "sweep")


WORKS = {
    "training of mnist_cnn's twin": _trained("mnist_cnn"),
    "training of mnist_rnn's twin": _trained("mnist_rnn"),
    "training of a residual network": _trained("residual"),
    "sweep": _sweep("off"),
    "sweep in one program": _sweep("2"),
}


def start(work: Work, folder: Path, *, terminal: bool = False) -> tuple[int, int | None]:
    """Starts a work in a fork; returns its process number, and the other end of its terminal if it has one."""
    ours, theirs = pty.openpty() if terminal else (None, None)
    number = os.fork()
    if number == 0:
        if theirs is not None and ours is not None:
            os.close(ours)
            os.login_tty(theirs)
        else:
            output = os.open(folder.with_name("output.txt"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(output, 1)
            os.dup2(output, 2)
        scenarios.end_with(work.call, folder)
    if theirs is not None:
        os.close(theirs)
    return number, ours


def wait(number: int, seconds: float, terminal: int | None = None) -> int | None:
    """Waits for a process and reads what it writes to its terminal; returns its status, None if it still runs."""
    end = time.monotonic() + seconds
    if terminal is not None:
        os.set_blocking(terminal, False)
    while True:
        if terminal is not None:
            with contextlib.suppress(OSError):  # there may be nothing
                os.read(terminal, 65536)
        ended, status = os.waitpid(number, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            return None
        time.sleep(0.002)


def interrupt(work: Work, folder: Path, after: float, how: str) -> tuple[int, bool, str]:
    """Runs a work and interrupts it; returns its status, whether it was interrupted, and what is not as promised."""
    number, terminal = start(work, folder, terminal=how == CLOSED)
    status = wait(number, after, terminal)
    if status is not None:
        if terminal is not None:
            os.close(terminal)
        return status, False, "" if status == 0 else f"ended with status {status} by itself"
    if terminal is not None:
        os.close(terminal)
    else:
        os.kill(number, signal.Signals[f"SIG{how}"])
    status = wait(number, _PATIENCE)
    if status is None:
        os.kill(number, signal.SIGKILL)
        os.waitpid(number, 0)
        return -signal.SIGKILL, True, f"{how}: still running after {_PATIENCE:.0f} s"
    return status, True, problem(folder / work.where, status, how)


def problem(where: Path, status: int, how: str) -> str:
    """Returns what is not as promised after an interruption; empty if all is."""
    if how == "KILL":
        return "" if status in (0, -signal.SIGKILL) else f"{how}: status {status}"
    if status == 0:
        return ""
    number = signal.SIGHUP if how == CLOSED else signal.Signals[f"SIG{how}"]
    if how == "PIPE" or status not in (128 + number, -number):
        return f"{how}: status {status}"
    begun = where / ("metrics.jsonl" if where.name == "run" else "trials")
    if not begun.exists() or (begun.is_file() and not begun.stat().st_size):
        return ""  # it came before there was anything to save
    if status < 0:
        return f"{how}: ended at once, without saving"
    summary = json.loads((where / "summary.json").read_text()) if (where / "summary.json").exists() else {}
    saved = summary.get("status") in ("preempted", "completed")
    if saved and where.name == "run":
        saved = (where / "checkpoints" / str(summary["step"])).exists()
    return "" if saved else f"{how}: not saved ({summary.get('status')})"


def proof(
    name: str, kinds: tuple[str, ...], count: int, folder: Path, draws: random.Random
) -> Iterator[dict[str, Any]]:
    """Interrupts a work `count` times; yields after each what happened so far."""
    work, here, template = WORKS[name], folder / "here", folder / "template"
    for each in (here, template):
        shutil.rmtree(each, ignore_errors=True)
        each.mkdir(parents=True)
    _to_end(work, here)
    shutil.copytree(here / "cache", template / "cache")
    truth = work.result(here)
    shutil.rmtree(here)
    shutil.copytree(template, here)
    seconds = _to_end(work, here)  # with its programs compiled
    shutil.rmtree(here)
    done: Counter[str] = Counter()
    problems: list[str] = []
    compared = 0
    while done.total() < count:
        shutil.copytree(template, here)
        status = 1
        while status and done.total() < count:
            how = draws.choice(kinds)
            status, interrupted, wrong = interrupt(work, here, draws.uniform(0, seconds), how)
            done[how] += interrupted
            problems += [wrong] * bool(wrong)
            yield {"work": name, "interruptions": dict(done), "compared": compared, "problems": problems}
        _to_end(work, here)
        found = work.result(here)
        problems += [f"another {part}" for part in truth if found.get(part) != truth[part]]
        compared += 1
        shutil.rmtree(here)
    yield {"work": name, "interruptions": dict(done), "compared": compared, "problems": problems}


def _to_end(work: Work, folder: Path) -> float:
    begin = time.monotonic()
    number, _ = start(work, folder)
    status = wait(number, 10 * _PATIENCE)
    if status != 0:
        raise RuntimeError(f"ended with status {status}: {folder.with_name('output.txt').read_text()[-2000:]}")
    return time.monotonic() - begin


def page(results: dict[str, Any]) -> str:
    """Returns the results as a page in Markdown."""
    where = results["machine"]
    told = ("python", "jax", "jaxlib", "orbax-checkpoint", "tensorstore", "jaxdl")
    lines = [
        "# Kills and signals",
        "",
        f"`{results['command']}`, commit {results['commit']}, {where['processor']} ({where['cores']} cores), "
        + ", ".join(f"{name} {version}" for name, version in results["versions"].items() if name in told)
        + f"; {results['seconds']:,.0f} s.",
        "",
        "| work | interruptions | ends compared | not as promised |",
        "|---|---|---:|---:|",
    ]
    for each in results["works"]:
        done = ", ".join(f"{how} {count:,}" for how, count in sorted(each["interruptions"].items()))
        lines.append(f"| {each['work']} | {done} | {each['compared']:,} | {len(each['problems']):,} |")
    total = sum(sum(each["interruptions"].values()) for each in results["works"])
    lines += ["", f"{total:,} interruptions; {sum(len(each['problems']) for each in results['works'])} problems.", ""]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Interrupts all works; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="number of kills of all works together (100)")
    parser.add_argument("--signals", type=int, default=50, help="number of other signals (50)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments and signals (0)")
    parser.add_argument("--output", type=Path, help="folder of the runs and the results (a new one)")
    options = parser.parse_args(arguments)
    folder = (options.output or new_run_dir(Path("runs"), "interruptions")).absolute()
    scenarios.import_all()
    begin, draws = time.monotonic(), random.Random(options.seed)
    results: dict[str, Any] = {
        "command": " ".join(["python -m benchmarks.interruptions", *arguments]),
        "commit": machine.commit(process.ROOT),
        "machine": machine.describe(),
        "versions": dict(versions()),
        "works": [],
    }
    works: list[dict[str, Any]] = results["works"]
    for kinds, total in ((("KILL",), options.kills), (_SIGNALS, options.signals)):
        for place, name in enumerate(WORKS):
            count = len(range(place, total, len(WORKS)))
            if not count:
                continue
            works.append({})
            for state in proof(name, kinds, count, folder, draws):
                works[-1] = state
                results["seconds"] = time.monotonic() - begin
                (folder / "interruptions.json").write_text(json.dumps(results, indent=2) + "\n")
                (folder / "interruptions.md").write_text(page(results))
                print(f"\r{name}: {sum(state['interruptions'].values())} of {count}   ", end="", file=sys.stderr)
            print(f"\n{works[-1]}", flush=True)
    return 1 if any(each["problems"] for each in works) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
