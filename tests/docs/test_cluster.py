"""The examples for clusters: flags are flags, settings agree with each other, and what can be run is run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from jaxdl.cli.finding import find_experiment
from jaxdl.cli.flags import parse_command_line, peek
from jaxdl.cli.options import Options, option_fields
from jaxdl.experiment import Experiment
from jaxdl.record import read_config, read_notes, read_record, read_summary

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "cluster"
SCRIPTS = sorted([*EXAMPLES.glob("*.sbatch"), *EXAMPLES.glob("*.sh")])
# What stands for the variables of a job.
VALUES = {
    "HOME": "/home/me",
    "SLURM_JOB_ID": "17",
    "SLURM_ARRAY_JOB_ID": "18",
    "SLURM_ARRAY_TASK_ID": "4",
    "JOB_COMPLETION_INDEX": "3",
    "rate": "1e-3",
    "seed": "1",
}
# Options of sbatch that the examples use, with the form of their values.
SBATCH = {
    "job-name": r"[\w-]+",
    "nodes": r"\d+",
    "ntasks": r"\d+",
    "ntasks-per-node": r"\d+",
    "cpus-per-task": r"\d+",
    "gpus-per-task": r"\d+",
    "time": r"\d\d:\d\d:\d\d",
    "signal": r"(B:)?TERM@\d+",
    "requeue": None,
    "open-mode": "append|truncate",
    "output": r"[%\w.-]+",
    "array": r"\d+-\d+(%\d+)?",
}
several = pytest.mark.skipif(
    "distributed" not in option_fields(), reason="needs the flags of training over several processes"
)


def command_of(text: str) -> list[str]:
    """Returns the arguments of the one command of jaxdl in a shell script, with `VALUES` in the place of variables."""
    joined = text.replace("\\\n", " ")
    [line] = [line for line in joined.splitlines() if "-m jaxdl" in line and not line.startswith("#")]
    line = re.sub(r"\|\|.*", "", line).replace('"$@"', "")
    filled = re.sub(r"\$(\w+)", lambda found: VALUES[found[1]], line)
    words = shlex.split(filled)
    return words[words.index("jaxdl") + 1 :]


def parsed(arguments: list[str]) -> tuple[Options, Experiment]:
    options, experiment = parse_command_line(arguments, find_experiment(peek(arguments), [ROOT / "experiments"]))
    assert experiment is not None
    return options, experiment


def jobset() -> dict[str, Any]:
    [found] = list(yaml.safe_load_all((EXAMPLES / "kubernetes_jobset.yaml").read_text()))
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_one_that_bash_reads_and_sbatch_knows(script: Path) -> None:
    subprocess.run(["bash", "-n", str(script)], check=True)
    given = re.findall(r"^#SBATCH --([\w-]+)(?:=(.*))?$", script.read_text(), re.MULTILINE)
    assert len(given) == script.read_text().count("#SBATCH") and bool(given) == (script.suffix == ".sbatch")
    for name, value in given:
        assert name in SBATCH and bool(re.fullmatch(SBATCH[name] or "", value)), f"{name}={value}"


def test_the_array_of_a_sweep_covers_each_setting_once() -> None:
    text = (EXAMPLES / "slurm_sweep.sbatch").read_text()
    first, last = re.search(r"--array=(\d+)-(\d+)", text).groups()  # type: ignore[union-attr]
    settings = {(number % 3, number // 3) for number in range(int(first), int(last) + 1)}
    assert settings == {(rate, seed) for rate in range(3) for seed in range(5)}
    options, experiment = parsed(command_of(text))
    assert (experiment.optimizer.learning_rate, experiment.seed) == (1e-3, 1)
    assert options.run_dir == "/home/me/runs/array-18/4" and options.tag == ("array-18",)


def test_the_job_of_ray_is_a_sweep_on_the_cluster_that_runs_it() -> None:
    options, _ = parsed(command_of((EXAMPLES / "ray_job.sh").read_text()))
    execution = options.execution
    assert (execution.executor, execution.ray_address, execution.trial_devices) == ("ray", "auto", 2)
    assert options.is_sweep and options.selection.trials == 60 and options.sweep_dir.startswith("/shared/")


@several
def test_the_processes_of_slurm_find_each_other() -> None:
    options, _ = parsed(command_of((EXAMPLES / "slurm_train.sbatch").read_text()))
    assert options.distributed == "auto" and options.run_dir == "/home/me/runs/mnist_cnn/slurm-17"  # type: ignore[attr-defined]


def test_the_pods_of_a_jobset_share_a_volume_and_a_port() -> None:
    found = jobset()
    assert (found["apiVersion"], found["kind"]) == ("jobset.x-k8s.io/v1alpha2", "JobSet")
    [workers] = found["spec"]["replicatedJobs"]
    job = workers["template"]["spec"]
    assert job["completionMode"] == "Indexed" and job["parallelism"] == job["completions"]
    pod = job["template"]["spec"]
    [container], [volume] = pod["containers"], pod["volumes"]
    assert pod["restartPolicy"] == "Never" and container["volumeMounts"][0]["name"] == volume["name"]
    [script] = container["args"]
    assert script.startswith("exec python -m jaxdl") and "\n" not in script
    flags = dict(each.partition("=")[::2] for each in command_of(script) if each.startswith("--"))
    name = f"{found['metadata']['name']}-{workers['name']}-0"  # of the first job; its first pod is that with index 0
    port = container["ports"][0]["containerPort"]
    assert flags["--coordinator"] == f"{name}-0.{found['metadata']['name']}:{port}"
    assert flags["--num_processes"] == str(job["completions"])
    assert flags["--run_dir"].startswith(container["volumeMounts"][0]["mountPath"])


@several
def test_the_pods_of_a_jobset_are_named_by_flags() -> None:
    [container] = jobset()["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]["containers"]
    options, _ = parsed(command_of(container["args"][0]))
    assert (options.num_processes, options.process_id) == (4, 3)  # type: ignore[attr-defined]


def test_each_example_is_on_the_page() -> None:
    page = (ROOT / "docs" / "cluster.md").read_text()
    shown = re.findall(r"\{literalinclude\} \.\./examples/cluster/(\S+)", page)
    assert sorted(shown) == sorted(path.name for path in EXAMPLES.iterdir())


def script(folder: Path, name: str, text: str) -> None:
    """Writes a program into a folder that is searched first."""
    (folder / name).write_text(f"#!/bin/bash\n{text}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def surroundings(tmp_path: Path) -> dict[str, str]:
    """The environment of a job, with a folder of programs of its own."""
    (tmp_path / "bin").mkdir()
    script(tmp_path / "bin", "python", f'exec {sys.executable} "$@"')
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    return os.environ | {"HOME": str(tmp_path), "PATH": path, "PYTHONPATH": str(ROOT)}


def submit(name: str, environment: dict[str, str], *flags: str) -> subprocess.CompletedProcess[str]:
    """Runs a batch script as a node would."""
    command = ["bash", str(EXAMPLES / name), "--data=digits", "--epochs=1", "--platform=cpu", *flags]
    return subprocess.run(
        command, env=environment, cwd=environment["HOME"], capture_output=True, text=True, timeout=600
    )


@pytest.mark.slow
def test_a_task_of_the_array_trains_its_setting(surroundings: dict[str, str], tmp_path: Path) -> None:
    task = {"SLURM_ARRAY_JOB_ID": "18", "SLURM_ARRAY_TASK_ID": "4"}
    done = submit("slurm_sweep.sbatch", surroundings | task)
    assert done.returncode == 0, done.stderr
    run_dir = tmp_path / "runs" / "array-18" / "4"
    config = read_config(run_dir)
    assert (config["optimizer"]["learning_rate"], config["seed"]) == (1e-3, 1)
    assert read_summary(run_dir)["status"] == "completed" and read_notes(run_dir).tags == ("array-18",)


# What srun does for the tasks of a step, here on one machine.
SRUN = """
for task in 0 1; do
    SLURM_JOB_ID=$SLURM_JOB_ID SLURM_STEP_NODELIST=localhost SLURM_NTASKS=2 SLURM_STEP_NUM_TASKS=2 SLURM_PROCID=$task \\
        SLURM_LOCALID=$task "${@:2}" &
done
wait -n && wait -n
"""


@several
@pytest.mark.slow
def test_the_script_of_slurm_trains_over_the_processes_of_srun(surroundings: dict[str, str], tmp_path: Path) -> None:
    script(tmp_path / "bin", "srun", SRUN)
    job = str(os.getpid())  # JAX takes the port of the coordinator from it
    done = submit("slurm_train.sbatch", surroundings | {"SLURM_JOB_ID": job}, "--model.features=4,4")
    assert done.returncode == 0, done.stderr
    run_dir = tmp_path / "runs" / "mnist_cnn" / f"slurm-{job}"
    assert read_summary(run_dir)["status"] == "completed" and read_record(run_dir)["processes"] == 2


@pytest.mark.parametrize(("status", "queued"), [(143, True), (134, True), (2, False)])
def test_a_job_that_saved_or_lost_a_host_is_queued_again(
    status: int, queued: bool, surroundings: dict[str, str], tmp_path: Path
) -> None:
    script(tmp_path / "bin", "srun", f"exit {status}")
    script(tmp_path / "bin", "scontrol", 'echo "$@" > asked')
    assert submit("slurm_train.sbatch", surroundings | {"SLURM_JOB_ID": "17"}).returncode == status
    assert (tmp_path / "asked").exists() is queued
    assert not queued or (tmp_path / "asked").read_text() == "requeue 17\n"
