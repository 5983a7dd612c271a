"""Summary of the runs: medians, ratios of pairs, dropped peers, and whether all reach the same accuracy."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.workloads import WORKLOADS

OURS = "jaxdl"
# The libraries of jaxdl without jaxdl: shown, but not counted as a peer.
PLAIN = "flax"
# A peer that is slow in all of the first rounds, this many, is not run again.
JUDGED = 2
Run = Mapping[str, Any]
Case = tuple[str, str]


def case_name(case: Case) -> str:
    """Returns the name of a workload in a precision: ``mnist_cnn``, or ``mnist_cnn bfloat16``."""
    workload, precision = case
    return workload if precision == "float32" else f"{workload} {precision}"


def speeds(runs: Iterable[Run], case: Case) -> dict[str, dict[int, float]]:
    """Returns the examples per second of the speed jobs that succeeded, by framework and round."""
    found: dict[str, dict[int, float]] = {}
    for run in of_case(runs, case, "speed"):
        if run["problem"] is None:
            found.setdefault(run["framework"], {})[run["round"]] = run["examples_per_second"]
    return found


def of_case(runs: Iterable[Run], case: Case, job: str) -> list[Run]:
    """Returns the runs of one job on one workload in one precision."""
    return [run for run in runs if (run["workload"], run["precision"]) == case and run["job"] == job]


def slow_peers(runs: Iterable[Run], case: Case, drop_below: float) -> set[str]:
    """Returns the peers that are not run any more.

    They failed, or had less than `drop_below` of the examples per second of the best peer, in each of the first rounds
    in which they ran. Each is compared by its fastest epoch, so that a stall of the machine seldom drops one. jaxdl and
    plain Flax stay.
    """
    slow: dict[str, list[bool]] = {}
    for number in range(1, JUDGED + 1):
        of_round = [run for run in of_case(runs, case, "speed") if run["round"] == number]
        rates = {run["framework"]: _best_rate(run) if run["problem"] is None else 0.0 for run in of_round}
        peers = {framework: rate for framework, rate in rates.items() if framework not in (OURS, PLAIN)}
        best = max(peers.values(), default=0.0)
        for framework, rate in peers.items():
            slow.setdefault(framework, []).append(rate < drop_below * best or rate == 0.0)
    return {framework for framework, rounds in slow.items() if all(rounds)}


def _best_rate(run: Run) -> float:
    steady = run["epoch_seconds"][1:]
    return float(run["examples_per_second"] * statistics.median(steady) / min(steady))


def spread(values: Iterable[float]) -> dict[str, float] | None:
    """Returns median, smallest and largest of some values, and their number; None if there are none."""
    values = list(values)
    if not values:
        return None
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "count": len(values)}


def ratios(of: Mapping[int, float], to: Mapping[int, float]) -> dict[str, float] | None:
    """Returns the spread of the ratios of two frameworks' figures of the same round."""
    return spread(of[number] / to[number] for number in sorted(of) if number in to)


def best_peer(rates: Mapping[str, Mapping[int, float]]) -> str | None:
    """Returns the peer with the largest median of examples per second, without plain Flax."""
    medians = {f: statistics.median(values.values()) for f, values in rates.items() if f not in (OURS, PLAIN)}
    return max(medians, key=lambda framework: medians[framework], default=None)


def summarise(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns one entry for each workload in each precision, in the order in which they were run.

    Each has ``workload``, ``precision``, ``best_peer``, ``problems`` (sentences; empty if there are none) and
    ``frameworks``, by name, whose figures are spreads over the rounds, or None if not measured.
    """
    runs = results["runs"]
    cases = list(dict.fromkeys((run["workload"], run["precision"]) for run in runs))
    return [_summarise_case(results, case) for case in cases]


def _summarise_case(results: Mapping[str, Any], case: Case) -> dict[str, Any]:
    runs, drop_below = results["runs"], results["settings"]["drop_below"]
    rates = speeds(runs, case)
    slow = slow_peers(runs, case, drop_below) if results["settings"]["pairs"] > 1 else set()
    peak = best_peak(results["peaks"], case[1])
    names = list(dict.fromkeys(run["framework"] for run in runs if (run["workload"], run["precision"]) == case))
    frameworks = {}
    for name in names:
        entry = _figures(runs, case, name)
        entry["examples_per_second"] = spread(rates.get(name, {}).values())
        entry["ours_over_it"] = ratios(rates.get(OURS, {}), rates.get(name, {}))
        entry["dropped"] = name in slow
        if peak and rates.get(name):
            flops = statistics.median(rates[name].values()) * WORKLOADS[case[0]].train_flops
            entry["share_of_peak"] = flops / 1e9 / peak["gflops"]
        frameworks[name] = entry
    return {
        "workload": case[0],
        "precision": case[1],
        "best_peer": best_peer(rates),
        "frameworks": frameworks,
        "problems": problems(runs, case),
    }


def _figures(runs: Iterable[Run], case: Case, framework: str) -> dict[str, Any]:
    speed = [run for run in of_case(runs, case, "speed") if run["framework"] == framework and run["problem"] is None]
    learn = [run for run in of_case(runs, case, "accuracy") if run["framework"] == framework and run["problem"] is None]
    reached = [run for run in learn if run["seconds_to_target"] is not None]
    device = [run["device_peak_bytes"] / 2**20 for run in speed if run["device_peak_bytes"] is not None]
    return {
        "parameters": next((run["parameters"] for run in (*speed, *learn)), None),
        "first_step_seconds": spread(run["first_step_seconds"] for run in speed),
        "peak_mib": spread(run["peak_mib"] for run in speed),
        "device_peak_mib": spread(device),
        "seconds_to_target": spread(run["seconds_to_target"] for run in reached),
        "epochs_to_target": spread(run["epochs_to_target"] for run in reached),
        "accuracy": spread(_comparable(learn, case)),
    }


def _comparable(runs: Iterable[Run], case: Case) -> list[float]:
    """Returns the accuracies after the epochs at which all are compared; shorter runs are left out."""
    epochs = WORKLOADS[case[0]].compare_epochs
    return [run["accuracies"][epochs - 1] for run in runs if len(run["accuracies"]) >= epochs]


def best_peak(peaks: Iterable[Mapping[str, Any]], precision: str) -> Mapping[str, Any] | None:
    """Returns the largest measured matrix-product rate in a precision, or None."""
    fitting = [peak for peak in peaks if peak["precision"] == precision]
    return max(fitting, key=lambda peak: peak["gflops"], default=None)


def problems(runs: Iterable[Run], case: Case) -> list[str]:
    """Returns the problems of the runs on one workload, one sentence each.

    Problems are: failed runs, wrong numbers of parameters, targets not reached, and accuracies that differ from the
    median of all frameworks by more than the workload's tolerance after the same number of epochs.
    """
    runs, recipe = list(runs), WORKLOADS[case[0]]
    found = []
    for run in (*of_case(runs, case, "speed"), *of_case(runs, case, "accuracy")):
        where = f"{case_name(case)}, {run['framework']}, {run['job']}, round {run['round']}"
        expected = recipe.framework_parameters(run["framework"])
        if run["problem"] is not None:
            found.append(f"{where}: {run['problem']}")
        elif run["parameters"] != expected:
            found.append(f"{where}: {run['parameters']} parameters instead of {expected}")
        elif run["job"] == "accuracy" and run["seconds_to_target"] is None:
            most = max(run["accuracies"])
            found.append(f"{where}: accuracy {most:.4f} in {recipe.epochs} epochs, the target is {recipe.target}")
    return found + _disagreements(of_case(runs, case, "accuracy"), case)


def _disagreements(runs: Iterable[Run], case: Case) -> list[str]:
    recipe = WORKLOADS[case[0]]
    rounds: dict[int, dict[str, float]] = {}
    for run in runs:
        for accuracy in _comparable([run], case) if run["problem"] is None else ():
            rounds.setdefault(run["round"], {})[run["framework"]] = accuracy
    found = []
    for number, accuracies in rounds.items():
        median = statistics.median(accuracies.values())
        for framework, accuracy in accuracies.items():
            if abs(accuracy - median) > recipe.tolerance:
                found.append(
                    f"{case_name(case)}, {framework}, accuracy, round {number}: {accuracy:.4f} after "
                    f"{recipe.compare_epochs} epochs, more than {recipe.tolerance} from the median {median:.4f}"
                )
    return found
