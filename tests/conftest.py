"""What several tests share: the real data, if they are there, and small recipes."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# A shell's background job ignores Ctrl-C, and one of `nohup` the end of its terminal. So would every process that a
# test starts and stops by them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Random cases: a few in each run; CI draws more of them (--hypothesis-profile=thorough). No deadline: some compile.
hypothesis.settings.register_profile("quick", max_examples=5, deadline=None)
hypothesis.settings.register_profile("thorough", max_examples=12, deadline=None)
hypothesis.settings.load_profile("quick")

# Many tests compile the same small programs, some in processes of their own: each is compiled once for all of them.
_CACHE = tempfile.TemporaryDirectory(prefix="jaxdl-tests-")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", _CACHE.name)
os.environ["XDG_CACHE_HOME"] = _CACHE.name  # what else is kept from run to run must not be that of the machine's user
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

import jaxdl  # noqa: E402
from tests.browser import chromium  # noqa: E402


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks as slow what prepares and reads whole original data sets, or opens pages in a browser.

    Tests of a module that share a fixture go to one worker, which makes it once.
    """
    for item in items:
        if {"real_data", "browser"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
        fixtures = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {}).values()
        if any(found[-1].scope == "module" for found in fixtures) and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of original archives; tests that need it are skipped on machines without."""
    folder = os.environ.get("JAXDL_TEST_DATA")
    if not folder:
        pytest.skip("compares with original archives: set JAXDL_TEST_DATA to a folder with mnist/*.gz")
    return Path(folder)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium (`tests.browser` opens pages in it); tests that need it are skipped on machines without."""
    with chromium() as started:
        yield started


@pytest.fixture
def recipe() -> jaxdl.Experiment:
    """A recipe that trains in a second."""
    return jaxdl.Experiment(
        name="recipe",
        data=jaxdl.Digits(),
        model=jaxdl.MLP(features=(16,), dropout=0.1),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(learning_rate=1e-2),
        training=jaxdl.Training(epochs=2, batch_size=64),
    )
