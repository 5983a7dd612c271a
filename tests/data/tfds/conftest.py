"""A small prepared set of images, for the tests that read, keep and damage one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

SHAPES = [(16, 12, 3)] * 40


@pytest.fixture(scope="module")
def written(tmp_path_factory, write_image_set):
    return write_image_set(tmp_path_factory.mktemp("written"), SHAPES)


@pytest.fixture
def prepared(written, tmp_path):
    """A private copy of a small prepared set."""
    return Path(shutil.copytree(written, tmp_path / "tiny" / "1.0.0"))
