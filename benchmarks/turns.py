"""Frameworks measured in turns: one after another, in an order that changes from round to round."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.process import ROOT

Figures = Mapping[str, Any]


def parser_of(document: str | None, output: str) -> argparse.ArgumentParser:
    """Returns a parser of the options that all such benchmarks have.

    Args:
        document: the module's docstring, shown as help.
        output: default name of the file with all figures.
    """
    parser = argparse.ArgumentParser(description=document, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", action="append", default=[], help="FRAMEWORK=PATH of its Python; repeatable")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path(output))
    return parser


class Turns:
    """The frameworks of one benchmark.

    Args:
        parser: reports a wrong ``--python``, and ends the process with status 2.
        overrides: what ``--python`` gave; the other frameworks run in this Python.
        frameworks: all names.

    Attributes:
        left_out: why a framework is not measured any more, by its name.
    """

    def __init__(self, parser: argparse.ArgumentParser, overrides: Iterable[str], frameworks: Iterable[str]):
        self._pythons = dict.fromkeys(frameworks, sys.executable)
        for override in overrides:
            name, _, path = override.partition("=")
            if name not in self._pythons:
                parser.error(f"--python={override}: must be FRAMEWORK=PATH, with one of {', '.join(self._pythons)}")
            if shutil.which(path) is None:
                parser.error(f"--python={override}: there is no program {path}")
            self._pythons[name] = path
        self.left_out: dict[str, str] = {}

    def python(self, name: str) -> str:
        """Returns the Python of a framework."""
        return self._pythons[name]

    def round(
        self, number: int, measure: Callable[[str, str], Figures], only: Iterable[str] | None = None
    ) -> dict[str, Figures]:
        """Measures each framework once; leaves out, now and later, one that has a problem.

        Args:
            number: of the round, from 0; another framework begins in each.
            measure: measures a framework with a Python; its figures have the key ``problem``, None where all is well.
            only: names of those to measure; None: all.

        Returns:
            The figures by framework.
        """
        names = [name for name in only or self._pythons if name not in self.left_out]
        begin = number % max(1, len(names))
        found = {name: measure(name, self._pythons[name]) for name in names[begin:] + names[:begin]}
        self.left_out |= {name: figures["problem"] for name, figures in found.items() if figures["problem"]}
        return {name: figures for name, figures in found.items() if not figures["problem"]}

    def conclude(self, output: Path, rounds: Any, table: str, **about: Any) -> int:
        """Writes all figures, prints the table and what was left out; returns the exit status: 1 without jaxdl.

        Args:
            output: the JSON file.
            rounds: all figures.
            table: them in short.
            about: how they were measured.
        """
        said = {"machine": machine.describe(), "commit": machine.commit(ROOT), **about, "left_out": self.left_out}
        output.write_text(json.dumps({**said, "rounds": rounds}, indent=1) + "\n")
        print(table)
        for name, problem in self.left_out.items():
            print(f"{name} is left out: {problem}")
        return 1 if "jaxdl" in self.left_out else 0
