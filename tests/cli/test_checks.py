"""What is refused before a command runs."""

from __future__ import annotations

import pytest

from jaxdl.cli.checks import check_options
from jaxdl.cli.options import Options
from jaxdl.errors import UserError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options(profile=True, mode="eval"), "--profile traces a training: it does not work with --mode=eval."),
        (Options(resume=True, mode="eval"), "--resume is for trainings: it does not work with --mode=eval."),
        (Options(hang_after="1h", mode="eval"), "--hang_after is for trainings: it does not work with --mode=eval."),
        (
            Options(hang_after="1h", sweep=("seed=0:2",)),
            "--hang_after ends a process that has one run; a sweep has many: leave it out.",
        ),
        (Options(max_time="2h", mode="lr_find"), "--max_time is for trainings: it does not work with --mode=lr_find."),
        (
            Options(resume=True, run_dir="x"),
            "--resume looks for the newest unfinished run, but --run_dir names the run; leave out --resume.",
        ),
        (
            Options(resume=True, sweep=("seed=0:2",)),
            "--resume looks for the newest unfinished run, but the same command continues a sweep; leave out --resume.",
        ),
        (Options(kills=3), "--kills only applies to --mode=verify_resume."),
        (Options(mode="eval", lr_high=1.0), "--lr_high only applies to --mode=lr_find."),
        (Options(input="x"), "--input only applies to --mode=predict."),
        (Options(output="x"), "--output only applies to --mode=predict, export or compare."),
        (Options(mode="eval"), "--mode=eval needs --run_dir (see --help)."),
        (Options(mode="predict", run_dir="x", input="y"), "--mode=predict needs --output (see --help)."),
        (Options(sweep=("seed=0:2",), mode="summary"), "--sweep trains: it does not work with --mode=summary."),
    ],
)
def test_what_does_not_go_together_is_named(options: Options, message: str) -> None:
    with pytest.raises(UserError) as error:
        check_options(options)
    assert str(error.value) == message
