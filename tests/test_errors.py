"""Messages for the user: one line that names what was meant, and nothing that could steer a terminal."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from jaxdl.cli.flags import parse_command_line
from jaxdl.errors import EXTRAS, UserError, brief, check_installed, did_you_mean, nearest, needed, printable, unknown
from jaxdl.models.activation import ACTIVATIONS
from jaxdl.objectives import OBJECTIVES
from jaxdl.optim import OPTIMIZERS
from tests.experiments.twins import twin


def test_what_could_steer_a_terminal_is_spelled_out() -> None:
    assert printable("Größe 3") == "Größe 3"
    assert printable("\x1b[2J\r\n\u202e") == "\\x1b[2J\\r\\n\\u202e"
    assert str(UserError("no file\nnamed \x07")) == "no file\\nnamed \\x07"


def test_the_nearest_spelling_is_named_where_one_is_near() -> None:
    assert did_you_mean("learing_rate", ["epochs", "learning_rate"]) == " Did you mean 'learning_rate'?"
    assert did_you_mean("x", ["epochs", "learning_rate"]) == ""


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("AdamW", "adamw"),
        ("Adam", "adam"),
        ("SGD", "sgd"),
        ("RMSProp", "rmsprop"),
        ("Relu", "relu"),
        ("ReLU", "relu"),
        ("LeakyReLU", "leaky_relu"),
        ("leaky-relu", "leaky_relu"),
        ("SoftmaxCrossEntropy", "softmax_cross_entropy"),
        ("LSTM", "lstm"),
        ("Adamm", "adam"),
    ],
)
def test_capitals_dashes_and_underscores_do_not_count(given: str, meant: str) -> None:
    names = [*OPTIMIZERS.members, *ACTIVATIONS, *OBJECTIVES.members, "lstm", "gru", "simple"]
    assert nearest(given, names) == meant


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--optimizer=AdamW", "unknown optimizer 'AdamW'. Did you mean 'adamw'?"),
        ("--activation=Relu", "unknown activation 'Relu'. Did you mean 'relu'?"),
        ("--objective=SoftmaxCrossEntropy", "unknown objective 'SoftmaxCrossEntropy'. Did you mean"),
        ("--model=MLP", "unknown model 'MLP'. Did you mean 'mlp'?"),
        ("--mode=Train", "unknown value for mode: 'Train'. Did you mean 'train'?"),
        ("--schedule=One-Cycle", "unknown schedule 'One-Cycle'. Did you mean"),
        ("--Learning-Rate=1", "unknown flag --Learning-Rate. Did you mean --learning_rate?"),
    ],
)
def test_names_as_other_libraries_write_them_get_the_right_hint(argument: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        parse_command_line(["--experiment=digits_mlp", argument], twin("digits_mlp"))
    assert str(error.value).startswith(message)


def test_an_unknown_name_comes_with_the_whole_choice() -> None:
    error = unknown("optimizer", "adm", ["sgd", "adam", "", "sgd"])
    assert isinstance(error, UserError)
    assert str(error) == "unknown optimizer 'adm'. Did you mean 'adam'? Choose from: adam, sgd."


def test_where_there_is_nothing_to_choose_from_the_error_says_so() -> None:
    assert str(unknown("experiment", "mnist", [])) == "unknown experiment 'mnist'. There is none."


def test_an_array_is_named_by_its_shape_and_a_long_value_is_cut() -> None:
    assert brief(np.zeros((500, 2), np.float32)) == "ndarray of float32 and shape (500, 2)"
    assert brief([1, "a"]) == "[1, 'a']"
    assert brief("x" * 500) == "'" + "x" * 196 + "..."


def test_the_extras_are_those_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    named = {name: {re.split(r"[<>=]", package)[0] for package in extras[name]} for name in EXTRAS}
    assert named == {name: set(packages) for name, packages in EXTRAS.items()}
    core = {re.split(r"[<>=]", package)[0] for package in project["dependencies"]}
    assert core.isdisjoint(package for packages in EXTRAS.values() for package in packages)
    renamed = {"audio": "sound", "subword": "text", "cmaes": "sweep"}
    assert {old: extras[old] for old in renamed} == {old: extras[new] for old, new in renamed.items()}


def test_a_package_that_is_absent_or_broken_is_named_with_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    said = r"^a sweep needs the packages optuna, cloudpickle and cmaes: pip install optuna \(jaxdl's extra 'sweep'\)\.$"
    with pytest.raises(UserError, match=said):
        check_installed(["cloudpickle", "optuna"], "sweep", "a sweep")
    check_installed(["cloudpickle"], "sweep", "a sweep")
    assert needed("cloudpickle", "sweep", "a sweep").dumps
    (tmp_path / "soxr.py").write_text("raise OSError('no libsoxr.so')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "soxr", raising=False)
    monkeypatch.setattr("jaxdl.errors.EXTRAS", {"sound": ("soxr",)})
    said = r"^x needs the package soxr \(no libsoxr\.so\): pip install soxr .*, or give y\.$"
    with pytest.raises(UserError, match=said):
        needed("soxr", "sound", "x", "give y")
