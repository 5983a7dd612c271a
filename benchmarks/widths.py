"""Trainings side by side: the time of a train step for one of them, and the memory, by how they share a process.

    python -m benchmarks.widths --data_dir=DIR [--experiments=digits_mlp,mnist_mlp,...] [--forms=alone,threads,4,16]
    python -m benchmarks.widths --worker=digits_mlp:16 --data_dir=DIR  # one form; prints one line of JSON

Forms: ``alone`` is one training; ``threads`` as many at the same time as there are cores, each of which calls the
program of one training; a number is as many trainings in one program. Each form is a process of its own, in turns, and
its steps are timed for two seconds after one call that compiles and warms up. A sweep decides in the same way
(``--sweep_batch=auto``), but measures for 0.3 s, and whole epochs with their evaluation where these are short.

Prints for each experiment the median over rounds of the time for one training, in ms, divided by that of ``alone`` in
brackets, and the peak memory of the process. Writes all figures with the machine.

Exit status: 0; 1 if a form failed; 2 for bad input.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks import machine
from benchmarks.process import ROOT, run
from jaxdl.record.provenance import versions

_EXPERIMENTS = "digits_mlp,mnist_mlp,mnist_cnn_small,mnist_rnn"
_FORMS = "alone,threads,4,16,64"
_SECONDS = 2.0
_LIMIT = 900.0
Figures = Mapping[str, float]


def measure(experiment: str, form: str, data_dir: str) -> dict[str, float]:
    """Returns the time of a step for one training in seconds, and the peak memory of this process in bytes.

    Args:
        experiment: its name.
        form: ``alone``, ``threads``, or the number of trainings in one program.
        data_dir: folder of prepared data.
    """
    from jaxdl.backend.cores import usable_cores
    from jaxdl.backend.timing import seconds_each
    from jaxdl.experiment.registry import load_experiment
    from jaxdl.report.terminal import say_nothing
    from jaxdl.training.cache import Cache
    from jaxdl.training.epoch import FEWEST_STEPS_PER_CALL
    from jaxdl.training.stacked import Stacked

    recipe = load_experiment(experiment, str(ROOT / "experiments"))
    cache = Cache(Path(data_dir), say_nothing)
    trainer = cache.trainer(recipe.for_spec(cache.dataset(recipe).spec))
    if form.isdecimal():
        seconds = Stacked(trainer, int(form)).seconds_per_step(trainer, _SECONDS)
    else:
        count = len(usable_cores()) if form == "threads" else 1

        def timed(steps: int) -> float:
            with ThreadPoolExecutor(count) as pool:
                return max(pool.map(trainer.time_steps, [steps] * count))  # without making the first states

        timed(1)
        seconds = seconds_each(timed, FEWEST_STEPS_PER_CALL, trainer.total_steps, _SECONDS) / count
    kilobyte = 1 if sys.platform == "darwin" else 1024
    return {"seconds": seconds, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kilobyte}


def table(rounds: Sequence[Mapping[str, Mapping[str, Figures]]]) -> str:
    """Returns the medians over rounds as a table of Markdown.

    Args:
        rounds: the figures of each round, by experiment and form.
    """
    forms = list(dict.fromkeys(form for each in rounds for found in each.values() for form in found))
    lines = ["| | " + " | ".join(forms) + " |", "|---" * (len(forms) + 1) + "|"]
    for name in dict.fromkeys(name for each in rounds for name in each):
        found = {form: [each[name][form] for each in rounds if form in each.get(name, {})] for form in forms}
        medians = {
            form: {key: statistics.median(each[key] for each in figures) for key in ("seconds", "peak")}
            for form, figures in found.items()
            if figures
        }
        cells = [f"`{name}`"]
        for form in forms:
            if form not in medians:
                cells.append("")
                continue
            ratio = "" if "alone" not in medians else f" ({medians[form]['seconds'] / medians['alone']['seconds']:.2f})"
            cells.append(f"{1e3 * medians[form]['seconds']:.3g} ms{ratio}, {medians[form]['peak'] / 1e9:.2f} GB")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", default=_EXPERIMENTS)
    parser.add_argument("--forms", default=_FORMS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data_dir", required=True, help="where MNIST is prepared")
    parser.add_argument("--output", type=Path, default=Path("widths.json"))
    parser.add_argument("--worker", metavar="EXPERIMENT:FORM", help="only measure that in this process")
    options = parser.parse_args(arguments)
    forms = options.worker.partition(":")[2:] if options.worker else options.forms.split(",")
    for form in forms:
        if form not in ("alone", "threads") and not (form.isdecimal() and int(form) > 1):
            parser.error(f"{form or 'nothing'} is no form: give alone, threads, or a number from 2")
    if options.rounds < 1:
        parser.error(f"--rounds={options.rounds}: must be at least 1")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints; returns the exit status."""
    options = _options(arguments)
    if options.worker:
        experiment, _, form = options.worker.partition(":")
        print(json.dumps(measure(experiment, form, options.data_dir)))
        return 0
    pairs = [(name, form) for name in options.experiments.split(",") for form in options.forms.split(",")]
    rounds: list[dict[str, dict[str, Figures]]] = []
    problems: dict[str, str] = {}
    for number in range(options.rounds):
        found: dict[str, dict[str, Figures]] = {}
        begin = number * len(pairs) // options.rounds
        for name, form in [*pairs[begin:], *pairs[:begin]]:
            command = [sys.executable, "-m", "benchmarks.widths", f"--worker={name}:{form}"]
            done = run([*command, f"--data_dir={options.data_dir}"], {"JAX_PLATFORMS": "cpu"}, _LIMIT)
            if done.problem is None:
                found.setdefault(name, {})[form] = json.loads(done.output.splitlines()[-1])
            else:
                problems[f"{name}:{form}"] = done.problem
        rounds.append({name: {form: found[name][form] for form in _in_order(found[name], pairs)} for name in found})
    about = {"machine": machine.describe(), "commit": machine.commit(ROOT), "versions": versions()}
    options.output.write_text(json.dumps({**about, "problems": problems, "rounds": rounds}, indent=1) + "\n")
    print(table(rounds))
    for name, problem in problems.items():
        print(f"{name} failed: {problem}", file=sys.stderr)
    return 1 if problems else 0


def _in_order(found: Mapping[str, Figures], pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Returns the forms that were measured, in the order in which they were asked for."""
    return [form for form in dict.fromkeys(form for _, form in pairs) if form in found]


if __name__ == "__main__":
    sys.exit(main())
