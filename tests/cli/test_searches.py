"""Searches from the command line: what is printed and written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from jaxdl.cli.flags import parse_command_line
from jaxdl.cli.options import Options
from jaxdl.cli.searches import batch_find, lr_find
from jaxdl.errors import UserError
from jaxdl.search import batch_size
from jaxdl.search.batch_size import BatchSize
from tests.experiments.twins import twin
from tests.sweeps.small import RECIPE


@pytest.mark.slow
def test_a_range_test_takes_its_bounds_from_the_options_and_names_its_plot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = Options(run_dir=str(tmp_path / "found"), data_dir=str(tmp_path), lr_low=1e-3, lr_high=1e-1, lr_steps=20)
    assert lr_find(options, RECIPE, [], 0.0) == 0
    rates = json.loads((tmp_path / "found" / "lr_find.json").read_text())["rates"]
    np.testing.assert_allclose(rates, np.geomspace(1e-3, 1e-1, 20)[: len(rates)], rtol=1e-5)
    plot = capsys.readouterr().out.splitlines()[-1].removeprefix("plot: ")
    assert Path(plot).parent == tmp_path / "found" and "<svg" in Path(plot).read_text()


def test_the_fastest_and_the_largest_batch_are_printed_as_flags(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = [
        BatchSize(8, 100, True, 4_000.0),
        BatchSize(16, 200, True, 7_654.3),
        BatchSize(32, 400, True, None),
        BatchSize(64, None, False, None),
    ]
    monkeypatch.setattr(batch_size, "batch_find", lambda experiment, **given: measured)
    assert batch_find(Options(), RECIPE, [], 0.0) == 0
    fastest, largest, advice = capsys.readouterr().out.splitlines()
    assert fastest == "fastest: --batch_size=16, 7,654 examples/s"
    assert largest.startswith("largest that fits: --batch_size=32,")
    assert "--mode=lr_find" in advice


def test_more_steps_than_a_range_test_has_are_refused() -> None:
    with pytest.raises(UserError, match="lr_steps=1000000000000: must be from 20 to 100000"):
        parse_command_line(["--experiment=digits_mlp", "--mode=lr_find", f"--lr_steps={10**12}"], twin("digits_mlp"))
