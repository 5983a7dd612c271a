"""How to run a run again: commands that a shell reads as they were given."""

from __future__ import annotations

import html
import re
import shlex
from pathlib import Path

from jaxdl.report.origin import again_section, flat, folded, machine_section, mapping


def commands(text: str) -> list[list[str]]:
    (block,) = re.findall(r"<pre[^>]*>(.*?)</pre>", text, re.DOTALL)
    return [shlex.split(line) for line in html.unescape(block).splitlines()]


def test_the_commands_check_out_the_code_and_start_as_before() -> None:
    record = {"command": ["launch.py", "--experiment=x", "--name=two words"], "git": {"commit": "abc", "dirty": True}}
    text = again_section(record, Path("runs/a b"))
    assert commands(text) == [
        ["git", "checkout", "abc"],
        ["python", "launch.py", "--experiment=x", "--name=two words"],
        ["python", "launch.py", "--config=runs/a b/config.json"],
        ["python", "launch.py", "--mode=reproduce", "--run_dir=runs/a b"],
    ]
    assert "apply the diff" in text


def test_of_a_module_and_of_python_too() -> None:
    record = {"command": ["-m", "jaxdl", "--experiment=x"]}
    assert commands(again_section(record, Path("r")))[:2] == [
        ["python", "-m", "jaxdl", "--experiment=x"],
        ["python", "-m", "jaxdl", "--config=r/config.json"],
    ]
    text = again_section({}, Path("r"))
    assert commands(text)[0] == ["python", "-m", "jaxdl", "--config=r/config.json"] and "from Python" in text


def test_the_machine_is_there_in_brief_and_as_a_whole() -> None:
    record = {
        "cpu": {"model": "Fast & Co", "cores": 2},
        "devices": [{"kind": "cpu", "count": 2}],
        "versions": {"jax": "0.10.2"},
        "git": {"commit": "abc", "diff": "+<a>"},
        "spec": {"input_shape": [8]},
    }
    text = machine_section(record)
    assert "Fast &amp; Co" in text and "2 x cpu" in text and "jax 0.10.2" in text and "+&lt;a&gt;" in text
    assert "versions.jax" in text and "cpu.cores" in text and "input_shape" not in text
    assert machine_section({}) == ""


def test_trees_are_laid_flat_and_damaged_parts_are_empty() -> None:
    assert flat({"a": {"type": "x", "b": {"c": 1}}}) == {"a": "x", "a.b.c": 1}
    assert mapping([1]) == {} and folded("x", "") == ""
