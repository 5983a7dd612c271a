"""The pages of tasks: each is there in both, and never longer in jaxdl."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Block, blocks

FOLDER = ROOT / "docs" / "coming-from"
# What the pages must show, by words of its heading.
KERAS = """share arrays unit loss metric auc classes examples rate stopping predict save epochs fine-tune inputs outputs
labels windows export"""
LIGHTNING = "share module groups hook predictions gradients average precision seeds resume weights recipe flags types"
PAGES = [("keras", KERAS), ("lightning", LIGHTNING)]


def lines(block: Block) -> int:
    """Returns how many lines a block has without blank ones and comments."""
    written = [line.strip() for line in block.code.splitlines()]
    return sum(bool(line) and not line.startswith("#") and "  # " not in line for line in written)


def tasks(page: Path, package: str) -> dict[str, tuple[int, int]]:
    """Returns the lines of the package and of jaxdl for each heading of a page."""
    text = page.read_text(encoding="utf-8").splitlines()
    heads = [(number, line.removeprefix("## ")) for number, line in enumerate(text, 1) if line.startswith("## ")]
    counted = {title: [0, 0] for _, title in heads}
    for block in blocks(page):
        title = [title for number, title in heads if number < block.line][-1]
        counted[title][block.package != package] += lines(block)
    return {title: (theirs, ours) for title, (theirs, ours) in counted.items()}


@pytest.mark.parametrize(("package", "expected"), PAGES)
def test_no_task_needs_more_lines_than_with_the_peer(package: str, expected: str) -> None:
    page = FOLDER / f"{package}-tasks.md"
    found = tasks(page, package)
    for title, (theirs, ours) in found.items():
        assert 0 < ours <= theirs, f"{title}: {ours} lines, and {theirs} with {package}"
    words = {word for title in found for word in re.findall(r"[\w-]+", title.lower())}
    assert set(expected.split()) - words == set()


@pytest.mark.parametrize("package", [package for package, _ in PAGES])
def test_the_table_has_the_lines_that_are_there(package: str) -> None:
    page = FOLDER / f"{package}-tasks.md"
    rows = re.findall(r"^\| ([^|]+) \| (\d+) \| (\d+) \|$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert {title: (int(theirs), int(ours)) for title, theirs, ours in rows} == tasks(page, package)
