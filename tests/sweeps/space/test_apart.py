"""Several ranges of one field, each for another choice: against a brute-force list, and what is refused."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxdl
from jaxdl.errors import UserError
from jaxdl.sweeps.api import make_definition
from jaxdl.sweeps.selection import Selection
from jaxdl.sweeps.space.reading import enqueued_values, make_space
from jaxdl.sweeps.space.space import parse_flags
from jaxdl.sweeps.trials.schedule import planned_values
from tests.experiments.twins import twin

RECIPE = twin("mnist_mlp")
RATE = "optimizer.learning_rate"
TWO = ["learning_rate=log(1e-4,1e-2) if optimizer=adam", "learning_rate=log(1e-2,1) if optimizer=sgd"]
OPTIMIZERS = ("adam", "sgd", "rmsprop")

rates = st.lists(st.sampled_from([0.001, 0.003, 0.01, 0.03, 0.1]), min_size=1, max_size=3, unique=True)
spaces = st.fixed_dictionaries(
    {
        "optimizers": st.lists(st.sampled_from(OPTIMIZERS), min_size=1, max_size=3, unique=True),
        "rates": st.dictionaries(st.sampled_from(OPTIMIZERS), rates, min_size=1),
        "sizes": st.lists(st.sampled_from([16, 32, 64]), min_size=1, max_size=2, unique=True),
        "first": st.booleans(),
    }
)


def flags_of(drawn: dict[str, Any]) -> list[str]:
    listed = [
        f"learning_rate={','.join(map(str, values))} if optimizer={name}" for name, values in drawn["rates"].items()
    ]
    others = [f"optimizer={','.join(drawn['optimizers'])}", f"batch_size={','.join(map(str, drawn['sizes']))}"]
    return [*listed, *others] if drawn["first"] else [*others, *listed]


def listed(drawn: dict[str, Any]) -> set[tuple[Any, ...]]:
    """Returns all combinations, written out: optimizer, batch size and learning rate, None where it is the recipe's."""
    return {
        (name, size, rate)
        for name, size in itertools.product(drawn["optimizers"], drawn["sizes"])
        for rate in drawn["rates"].get(name, [None])
    }


def as_tuple(values: dict[str, Any]) -> tuple[Any, ...]:
    return values["optimizer"], values["training.batch_size"], values.get(RATE)


@given(spaces)
@settings(max_examples=40, deadline=None)
def test_grid_random_and_sobol_have_each_combination_once(drawn: dict[str, Any]) -> None:
    space = make_space(RECIPE, parse_flags(flags_of(drawn)))
    expected = listed(drawn)
    grid = [as_tuple(values) for values in space.grid()]
    assert len(grid) == len(expected) == space.size and set(grid) == expected
    for mode in ("random", "sobol"):
        definition = make_definition(RECIPE, space, Selection(mode, len(expected)))  # type: ignore[arg-type]
        found = [as_tuple(values) for values in planned_values(definition) or ()]
        assert len(found) == len(expected) and set(found) == expected
    for values in space.grid():
        assert space.made_of(space.chosen_for(values)) == values


@given(spaces)
@settings(max_examples=6, deadline=None)
def test_tpe_draws_each_combination_once_too(drawn: dict[str, Any]) -> None:
    expected = listed(drawn)
    fields = make_space(RECIPE, parse_flags(flags_of(drawn))).specs()
    search = jaxdl.Search(RECIPE, fields, trials=len(expected))
    found = []
    for number in range(len(expected)):
        asked = search.ask()
        found.append(as_tuple(dict(asked.values)))
        search.tell(asked, float(number % 3))
    assert len(found) == len(expected) and set(found) == expected


@pytest.mark.parametrize("mode", ["random", "sobol", "tpe", "cmaes"])
def test_each_choice_draws_from_its_own_range(mode: Any) -> None:
    fields = {
        "optimizer": "adam,sgd",
        "dropout": "uniform(0.1,0.5)",
        "learning_rate": "; ".join(f.partition("=")[2] for f in TWO),
    }
    search = jaxdl.Search(RECIPE, fields, mode=mode, trials=14)
    seen = set()
    for _ in range(14):
        asked = search.ask()
        rate, optimizer = asked.values[RATE], asked.values["optimizer"]
        low, high = (1e-4, 1e-2) if optimizer == "adam" else (1e-2, 1.0)
        assert low <= rate <= high and asked.experiment.optimizer.learning_rate == rate
        search.tell(asked, rate)
        seen.add(optimizer)
    assert seen == {"adam", "sgd"}


def test_flags_and_one_text_say_the_same_and_are_read_again() -> None:
    space = make_space(RECIPE, parse_flags(["optimizer=adam,sgd", *TWO]))
    assert space.specs()[RATE] == "log(1e-4,1e-2) if optimizer=adam; log(1e-2,1) if optimizer=sgd"
    assert make_space(RECIPE, space.specs()) == space
    assert [axis.name for axis in space.axes if axis.path == RATE] == [RATE, f"{RATE} if optimizer=sgd"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ["learning_rate=1,2 if optimizer=sgd", "learning_rate=3"],
            "given twice; give all its values at once, or a condition",
        ),
        (["learning_rate=1,2", "learning_rate=3 if optimizer=sgd"], "given twice"),
        (["learning_rate=1,2 if optimizer=sgd; 3,4"], "each needs a condition"),
        (["seed=0,1 if optimizer=sgd; 2,3 if optimizer=adam"], "seed is given twice"),
        (
            ["learning_rate=1,2 if optimizer=sgd", "learning_rate=3,4 if optimizer!=adam"],
            "'optimizer=sgd' and 'optimizer!=adam' both hold with optimizer=sgd",
        ),
        (
            ["batch_size=16,64", "dropout=0.1,0.2 if batch_size<=64; 0.3 if batch_size>=64"],
            "both hold with optimizer=adam, training.batch_size=64",
        ),
        (
            ["label_smoothing=uniform(0,0.5)", "dropout=0.1 if label_smoothing<0.3; 0.2 if label_smoothing>0.2"],
            "both hold with",
        ),
    ],
)
def test_what_overlaps_or_lacks_a_condition_is_refused_in_one_line(flags: list[str], message: str) -> None:
    with pytest.raises(UserError) as refused:
        make_space(RECIPE, parse_flags(["optimizer=adam,sgd", *flags]))
    assert message in str(refused.value) and "\n" not in str(refused.value)


def test_a_known_setting_is_put_into_the_range_that_has_it() -> None:
    space = make_space(RECIPE, parse_flags(["optimizer=adam,sgd", *TWO]))
    assert enqueued_values(space, {"learning_rate": "0.5"}) == {RATE: 0.5}
    with pytest.raises(
        UserError, match=r"0\.00001 is not among log\(1e-4,1e-2\) if optimizer=adam; log|1e-05 is not among"
    ):
        enqueued_values(space, {"learning_rate": "1e-5"})
    definition = make_definition(RECIPE, space, Selection("random", 6), enqueue=[{"learning_rate": 0.5}])
    first = (planned_values(definition) or [])[0]
    assert first == {"optimizer": "sgd", RATE: 0.5}
