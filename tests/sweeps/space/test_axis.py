"""What users write behind --sweep=FIELD=."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdl.errors import UserError
from jaxdl.fields import Field, show, walk
from jaxdl.sweeps.space.axis import Axis, Choices, axis_of, parse_axis
from jaxdl.sweeps.space.ranges import Range
from tests.experiments.twins import twin

FIELDS = {field.path: field for field in walk(twin("mnist_mlp"))}


def axis(path: str, spec: str) -> Axis:
    return parse_axis(FIELDS[path], spec)


@pytest.mark.parametrize(
    ("path", "spec", "values"),
    [
        ("optimizer.learning_rate", "1e-4,1e-3", (1e-4, 1e-3)),
        ("optimizer.learning_rate", " 0.1 ", (0.1,)),
        ("optimizer.learning_rate", "choice(0.1,0.2)", (0.1, 0.2)),
        ("seed", "0:3", (0, 1, 2)),
        ("seed", "0:10:4", (0, 4, 8)),
        ("seed", "5:2:-1", (5, 4, 3)),
        ("optimizer.learning_rate", "1:3", (1.0, 2.0)),
        ("model.features", "64,128", ((64,), (128,))),
        ("metrics", "accuracy,(f1,top_3)", (("accuracy",), ("f1", "top_3"))),
        ("model.features", "(64),(128,64)", ((64,), (128, 64))),
        ("model.features", "choice((64),(128,64),32)", ((64,), (128, 64), (32,))),
        ("model.features", "16:64:16", ((16,), (32,), (48,))),
        ("model.features", "repeat(int(1,3),32,64)", ((32,), (64,), (32, 32), (64, 64), (32, 32, 32), (64, 64, 64))),
        ("model.features", "repeat(int(2,2),int(16,48,step=16))", ((16, 16), (32, 32), (48, 48))),
        ("training.patience", "none,3", (None, 3)),
        ("training.fast_dev_run", "true,false", (True, False)),
        ("training.precision", "float32,bfloat16", ("float32", "bfloat16")),
        ("optimizer", "adam,sgd", ("adam", "sgd")),
    ],
)
def test_lists(path: str, spec: str, values: tuple) -> None:
    assert axis(path, spec).values == Choices(values)


@pytest.mark.parametrize(
    ("path", "spec", "values"),
    [
        ("optimizer.learning_rate", "log(1e-4,1e-1)", Range(1e-4, 1e-1, log=True)),
        ("optimizer.learning_rate", "uniform(0.1, 0.5)", Range(0.1, 0.5)),
        ("training.batch_size", "int(1,8)", Range(1, 8, whole=True, number=int)),
        ("training.batch_size", "log(16,256)", Range(16, 256, log=True, whole=True, number=int)),
        ("training.patience", "int(1,8)", Range(1, 8, whole=True, number=int)),
        ("model.features", "int(16,64)", Range(16, 64, whole=True, number=int)),
        ("training.batch_size", "int(16,250,step=16)", Range(16, 240, whole=True, number=int, step=16)),
        ("optimizer.learning_rate", "uniform(0.1,0.5,step=0.1)", Range(0.1, 0.5, step=0.1)),
        ("training.batch_size", "int(1,64,log=true)", Range(1, 64, log=True, whole=True, number=int)),
    ],
)
def test_distributions(path: str, spec: str, values: Range) -> None:
    assert axis(path, spec).values == values


def test_a_number_drawn_for_a_list_stands_for_a_list_of_one() -> None:
    assert axis("model.features", "int(16,64)").value(20) == (20,)
    assert axis("training.batch_size", "int(16,64)").value(20) == 20


@pytest.mark.parametrize(
    ("path", "spec", "message"),
    [
        ("optimizer.learning_rate", "", "no value"),
        ("optimizer.learning_rate", "1e-3,,1e-2", "a value is empty"),
        ("optimizer.learning_rate", "fast", "'fast' must be float"),
        ("optimizer.learning_rate", "-1", "must be greater than 0"),
        ("optimizer.learning_rate", "nan", "finite"),
        ("optimizer.learning_rate", "1e-3,0.001", "0.001 is listed twice"),
        ("optimizer.learning_rate", "log(0,1)", "must start above 0"),
        ("optimizer.learning_rate", "log(1,1)", "the range is empty"),
        ("optimizer.learning_rate", "uniform(2,1)", "the range is empty"),
        ("optimizer.learning_rate", "uniform(0,1)", "must be greater than 0"),
        ("optimizer.learning_rate", "uniform(1)", r"write uniform\(LOW,HIGH\)"),
        ("optimizer.learning_rate", "uniform(a,b)", r"write uniform\(LOW,HIGH\)"),
        ("optimizer.learning_rate", "uniform(0.1,inf)", "with two finite numbers"),
        ("optimizer.learning_rate", "log(1e-4,inf)", r"write log\(LOW,HIGH\) with two finite numbers"),
        ("training.batch_size", "int(1,10000000000000000000000)", "the numbers are too large"),
        ("optimizer.learning_rate", "choice()", "no value"),
        ("optimizer.learning_rate", "Log(1e-4,1e-1)", r"write .* log\(1e-4,1e-1\), uniform\(0,0.5\)"),
        ("model.features", "lognormal(8,64)", r"write .* int\(16,256,step=16\), choice\(32,64\)"),
        ("training.batch_size", "int(1,8,step=0)", "step=0 must be above 0"),
        ("training.batch_size", "int(1,8,step=9)", "at most the width of the range"),
        ("training.batch_size", "int(1,8,step=0.5)", "step=0.5 must be a whole number"),
        ("training.batch_size", "log(1,8,step=2)", "a logarithmic range has no steps"),
        ("optimizer.learning_rate", "uniform(0.1,0.5,stop=1)", "'stop' is unknown here"),
        ("optimizer.learning_rate", "uniform(0.1,0.5,log=perhaps)", "must be true or false"),
        ("optimizer.learning_rate", "uniform(0.1,0.5,step=nan)", "step=nan must be above 0"),
        ("seed", "5:5", "no value"),
        ("seed", "0:5:0", "never ends"),
        ("seed", "0:1000000000", "too many to list"),
        ("seed", "-1", "must be at least 0"),
        ("training.batch_size", "uniform(1,8)", "write int"),
        ("training.batch_size", "int(1.5,8)", "whole numbers"),
        ("training.precision", "float64", "unknown value for training.precision"),
        ("training.precision", "int(1,8)", ", not a number"),
        ("optimizer", "adm", "unknown optimizer 'adm'. Did you mean 'adam'"),
        ("optimizer", "int(1,8)", ", not a number"),
    ],
)
def test_what_is_wrong_is_named(path: str, spec: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        axis(path, spec)


@given(st.lists(st.floats(min_value=1e-30, max_value=1e30), min_size=1, max_size=6, unique=True))
def test_numbers_are_read_as_they_are_shown(values: list[float]) -> None:
    field = FIELDS["optimizer.learning_rate"]
    assert axis_of(field, values).values == Choices(tuple(values))
    assert parse_axis(field, axis_of(field, values).spec) == axis_of(field, values)
    assert parse_axis(field, ",".join(map(show, values))).values == Choices(tuple(values))


@given(st.lists(st.lists(st.integers(1, 500), min_size=1, max_size=3).map(tuple), min_size=1, max_size=5, unique=True))
def test_lists_of_lists_are_read_as_they_are_shown(values: list[tuple[int, ...]]) -> None:
    field = FIELDS["model.features"]
    assert axis_of(field, values).values == Choices(tuple(values))
    assert parse_axis(field, axis_of(field, values).spec).values == Choices(tuple(values))


@given(st.text(alphabet="0123456789.,:()e- choicelogunformt", max_size=40), st.sampled_from(sorted(FIELDS)))
def test_any_text_is_read_or_refused_in_one_line(spec: str, path: str) -> None:
    field: Field = FIELDS[path]
    if field.is_part and field.declaration.family is None:
        return
    try:
        found = parse_axis(field, spec)
    except UserError as error:
        assert str(error) and "\n" not in str(error)
    else:
        if isinstance(found.values, Range):
            assert -math.inf < found.values.low < found.values.high < math.inf
        else:
            assert len(set(found.values.values)) == len(found.values.values) > 0


@pytest.mark.parametrize(
    ("path", "spec", "message"),
    [
        ("model.features", "repeat(32,64)", "how often, then the values"),
        ("model.features", "repeat(int(1,2))", "how often, then the values"),
        ("model.features", "repeat(int(0,2),32)", "must begin at 1 or later"),
        ("model.features", "repeat(int(1,9999),int(1,9999))", "more than 10,000 lists"),
        ("training.batch_size", "repeat(int(1,2),32)", "for a field that is a list"),
    ],
)
def test_lists_that_cannot_be_repeated(path: str, spec: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        axis(path, spec)
