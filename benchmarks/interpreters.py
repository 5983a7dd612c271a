"""The Python interpreter of each framework, and which frameworks are installed."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence

from benchmarks import process
from benchmarks.frameworks import FRAMEWORKS, named

_PROBE = (
    "import importlib.util, json, sys;"
    "print(json.dumps([name for name in sys.argv[1:] if importlib.util.find_spec(name) is None]))"
)


class BadInput(Exception):
    """A value from the user cannot be used; the message is one line."""


class Interpreters:
    """The Python of each framework.

    Args:
        overrides: ``NAME=PATH``, in which NAME is a framework or a part of its name (see `frameworks.named`); later
            ones win. The others run in the current interpreter.
        wanted: the frameworks to run.
        environment: variables to add to the environment of processes.

    Attributes:
        frameworks: those of `wanted` that are installed, in their order.
        left_out: for each of the others, why it cannot be run.

    Raises:
        BadInput: an override has no known framework or no program, or none of the frameworks is installed.
    """

    def __init__(self, overrides: Sequence[str], wanted: Sequence[str], environment: Mapping[str, str]):
        self._paths = dict.fromkeys(FRAMEWORKS, sys.executable)
        for override in overrides:
            name, _, path = override.partition("=")
            if not named(name) or not path:
                raise BadInput(f"--python={override}: must be FRAMEWORK=PATH, with one of {', '.join(FRAMEWORKS)}")
            program = shutil.which(path)
            if not program:
                raise BadInput(f"--python={override}: there is no program {path}")
            # Absolute, but without resolving links: a virtual environment's interpreter is a link.
            self._paths |= dict.fromkeys(named(name), os.path.abspath(program))
        self.left_out: dict[str, str] = {}
        for framework in wanted:
            missing = self._missing(framework, environment)
            if missing:
                self.left_out[framework] = missing
        self.frameworks = [framework for framework in wanted if framework not in self.left_out]
        if not self.frameworks:
            reasons = "; ".join(f"{framework}: {reason}" for framework, reason in self.left_out.items())
            raise BadInput(f"no framework can be run: {reasons}")

    def of(self, framework: str) -> str:
        """Returns the path of a framework's interpreter."""
        return self._paths[framework]

    def _missing(self, framework: str, environment: Mapping[str, str]) -> str | None:
        path = self._paths[framework]
        finished = process.run([path, "-c", _PROBE, *FRAMEWORKS[framework].imports], environment, limit=60)
        if finished.problem is not None:
            return f"{path}: {finished.problem}"
        names = json.loads(finished.output)
        return f"{path} has no {' and no '.join(names)}" if names else None
