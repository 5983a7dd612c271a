"""What several tests of sweeps look at."""

from __future__ import annotations

import pytest

import jaxdl
from tests.sweeps.small import sweep


@pytest.fixture(scope="session")
def done(tmp_path_factory: pytest.TempPathFactory) -> jaxdl.SweepResults:
    return sweep(tmp_path_factory.mktemp("sweep") / "of_six", tags=["six"], note="short trials")
