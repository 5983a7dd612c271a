"""Runs the commands of the pages: as they stand, or in a form that ends within seconds."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.docs.background import beside
from tests.docs.forked import launch
from tests.docs.pages import ROOT, Block

_NOWHERE = "http://127.0.0.1:9/"  # where nobody answers, so that no test waits for a download
# Names of sets of TFDS and of experiments on them begin with one of these.
_OF_TFDS = ("mnist", "fashion_mnist", "kmnist", "emnist", "cifar", "imdb", "glue", "svhn", "cats_vs_dogs", "oxford")
_FEW_TRIALS = 3
# Parses command lines as launch.py does, each in a child process that has the imports already.
_PARSE = """
import os, runpy, sys
from jaxdl import *
for line in sys.stdin.read().splitlines():
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.argv = ["launch.py", *eval(line), "--help"]
        runpy.run_path("launch.py", run_name="__main__")
        os._exit(9)
    if status := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        print(line, "ended with", status)
"""


def workspace(folder: Path) -> Path:
    """Makes a folder in which a page can be followed: with launch.py and experiments/, but no data."""
    shutil.copy(ROOT / "launch.py", folder)
    shutil.copytree(ROOT / "experiments", folder / "experiments", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def environment(folder: Path) -> dict[str, str]:
    """Returns the environment of a page's commands: this tree's jaxdl, no data but the embedded."""
    return os.environ | {"PYTHONPATH": str(ROOT), "TFDS_DATA_DIR": str(folder / "data"), "COLUMNS": "120"}


def write_file(block: Block, folder: Path) -> None:
    """Writes a block that is a file to where it says."""
    assert block.file is not None
    (folder / block.file).parent.mkdir(parents=True, exist_ok=True)
    (folder / block.file).write_text(block.code, encoding="utf-8")


def launch_arguments(words: list[str]) -> list[str] | None:
    """Returns what stands behind ``python launch.py``; None for another command."""
    launched = words[1:2] == ["launch.py"] and Path(words[0]).name == "python"
    return [word for word in words[2:] if word != "&"] if launched else None


def unparsed(commands: list[list[str]], folder: Path) -> str:
    """Returns which commands of launch.py are not understood; empty where all are."""
    done = subprocess.run(
        [sys.executable, "-c", _PARSE],
        input="\n".join(map(repr, commands)),
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout and done.stdout + done.stderr


def run(words: list[str], folder: Path) -> tuple[int, str]:
    """Runs a command of a page; returns its exit status and what it printed.

    Installing is left to CI, which runs the README's blocks as they stand; here the extras must exist. The benchmarks
    take up to hours: their command line is parsed. A command of which nothing is known here is an error.
    """
    program, arguments = Path(words[0]).name, words[1:]
    if words[-1] == "&" or program in ("curl", "kill"):
        return beside(words, folder, environment(folder))
    if (launched := launch_arguments(words)) is not None:
        return launch(quick(launched), folder, environment(folder))
    if program == "python" and arguments[0].endswith(".py"):
        return _python(arguments, folder)
    if program == "python" and arguments[:2] == ["-m", "pytest"]:
        return _python(["-m", "pytest", *arguments[2:], "--collect-only", "-q", str(ROOT / "tests/docs")], ROOT)
    if program == "python" and arguments[1].startswith("benchmarks."):
        return _parse_benchmark(arguments)
    if program == "python" and arguments[0] == "-m":
        return (0 if importlib.util.find_spec(arguments[1]) else 1), arguments[1]
    if program == "pip":
        return _check_extras(arguments)
    known = (["python3", "-m", "venv", ".venv"], ["pre-commit", "install"], ["bash", ".ci/run"])
    assert [program, *arguments] in known, f"nothing is known here of the command {words}"
    return 0, ""


def quick(arguments: list[str]) -> list[str]:
    """Returns arguments of launch.py in a form that ends within seconds and does the same kind of thing."""
    flags = {word.partition("=")[0]: word.partition("=")[2] for word in arguments}
    if flags.keys() & {"--help", "--list", "--new"} or flags.get("--mode") in ("runs", "compare"):
        return arguments
    mode = flags.get("--mode", "train")
    source = flags.get("--data", flags.get("--experiment", ""))
    fetched = source.startswith(_OF_TFDS) and "--data.mirror" not in flags
    added = [f"--data.mirror={_NOWHERE}"] if fetched else []
    if mode == "lr_find":
        added.append("--lr_steps=20")
    elif mode == "verify_resume":
        arguments = [word for word in arguments if not word.startswith(("--kills", "--epochs"))]
        added += ["--kills=1", "--epochs=2"]
    elif "--profile" in flags:
        added.append("--epochs=1")
    elif mode == "train":
        added.append("--fast_dev_run")
        if int(flags.get("--trials", 0)) > _FEW_TRIALS:
            arguments = [word for word in arguments if not word.startswith("--trials")]
            added.append(f"--trials={_FEW_TRIALS}")
    return [*arguments, *dict.fromkeys(word for word in added if word not in arguments)]


def _python(arguments: list[str], folder: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment(folder), capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


def _parse_benchmark(arguments: list[str]) -> tuple[int, str]:
    """Gives a benchmark one flag too many: it must refuse that one alone."""
    status, printed = _python([*arguments, "--one_too_many"], ROOT)
    refused = status == 2 and printed.rstrip().endswith("unrecognized arguments: --one_too_many")
    return (0 if refused else 1), printed


def _check_extras(arguments: list[str]) -> tuple[int, str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "-c constraints.txt" in " ".join(arguments)
    wanted = set(re.findall(r"[\w-]+", "".join(re.findall(r"\[(.*?)\]", " ".join(arguments)))))
    missing = wanted - project["optional-dependencies"].keys()
    return len(missing), f"extras that pyproject.toml lacks: {missing}"
