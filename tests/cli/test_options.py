"""Options by the names of their flags, those of sweeps among them."""

from __future__ import annotations

import pytest

from jaxdl.cli.options import Options, file_options, make_options, option_fields, sweep_options
from jaxdl.errors import UserError
from jaxdl.fields import walk
from jaxdl.sweeps.executors.execution import Execution
from jaxdl.sweeps.selection import Selection


def test_every_option_has_a_flag_of_its_own() -> None:
    described = [field for field in walk(Options()) if field.declaration.help and not field.is_part]
    assert len(option_fields()) == len(described)
    assert option_fields()["sweep_batch"].path == "execution.batch"


def test_values_reach_their_place_by_the_names_of_the_flags() -> None:
    given = {"sweep": ("seed=0:2",), "trials": 3, "sweep_batch": 4, "budget": "2min", "platform": "cpu"}
    options = make_options(given)
    assert options.selection == Selection(trials=3)
    assert options.execution == Execution(batch=4, budget="2min") and options.execution.budget_seconds == 120
    assert (options.platform, options.is_sweep) == ("cpu", True)


@pytest.mark.parametrize("name", [name for name in sweep_options() if name != "sweep_pairs"])
def test_what_says_something_to_sweeps_alone_is_refused_without_one(name: str) -> None:
    default = option_fields()[name].default
    with pytest.raises(UserError, match=f"^--{name} only applies to sweeps: give --sweep=FIELD=VALUES, too.$"):
        make_options({name: not default if isinstance(default, bool) else "other"})
    make_options({name: default})


def test_a_file_may_say_all_but_what_is_of_one_command() -> None:
    assert set(sweep_options()) - set(file_options()) == {"sweep_dir", "extend", "dry_run"}
