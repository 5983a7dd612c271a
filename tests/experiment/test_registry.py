"""Experiments found by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from jaxdl.errors import UserError
from jaxdl.experiment.registry import docstring_of, has_experiment, list_experiments, load_experiment

FILE = '''"""A file. {line}"""
{before}
from jaxdl import MLP, Adam, Digits, Experiment, SoftmaxCrossEntropy

def {function}({argument}):
    return Experiment("{name}", Digits(), MLP(), SoftmaxCrossEntropy(), Adam())
'''


def write(folder: Path, stem: str, **words: str) -> None:
    defaults = {"line": "", "before": "", "function": stem, "argument": "", "name": stem}
    folder.joinpath(f"{stem}.py").write_text(FILE.format(**(defaults | words)))


def test_listing_reads_first_lines_and_executes_nothing(tmp_path: Path) -> None:
    write(tmp_path, "one", line="The first.", before="raise SystemExit")
    tmp_path.joinpath("_hidden.py").write_text("")
    assert list_experiments(tmp_path) == {"one": "A file. The first."}


def test_loading(tmp_path: Path) -> None:
    write(tmp_path, "one")
    assert load_experiment("one", tmp_path).name == "one"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"function": "other"}, r"must define the function one\(\) without arguments"),
        ({"argument": "x"}, r"must define the function one\(\) without arguments"),
        ({"name": "other"}, "must return an Experiment with name='one'"),
    ],
)
def test_a_file_that_breaks_the_rule_is_named(tmp_path: Path, words: dict[str, str], message: str) -> None:
    write(tmp_path, "one", **words)
    with pytest.raises(UserError, match=message):
        load_experiment("one", tmp_path)


def test_an_unknown_name_gets_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, "mnist_cnn")
    with pytest.raises(
        UserError, match=r"unknown experiment 'mnist_cn'. Did you mean 'mnist_cnn'\? Choose .* Searched: "
    ):
        load_experiment("mnist_cn", tmp_path)


def test_an_experiment_is_there_if_the_folder_has_its_file(tmp_path: Path) -> None:
    write(tmp_path, "one", before="raise SystemExit")
    assert has_experiment("one", tmp_path)
    for name in ("two", "../one", "", "_hidden"):
        assert not has_experiment(name, tmp_path / "experiments")
        assert not has_experiment(name, tmp_path)


def test_a_docstring_is_read_without_running_the_file(tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text('"""Says it.\n\nExpected: much.\n"""\nraise RuntimeError\n')
    (tmp_path / "silent.py").write_text("raise RuntimeError\n")
    assert docstring_of(tmp_path / "loud.py") == "Says it.\n\nExpected: much."
    assert docstring_of(tmp_path / "silent.py") == ""
