"""The README: short, and what it promises is there."""

from __future__ import annotations

import re

from tests.docs.pages import PAGES, ROOT, blocks, name
from tests.experiments.twins import EXPERIMENTS

README = ROOT / "README.md"
TEXT = README.read_text(encoding="utf-8")


def test_it_begins_with_the_two_bash_blocks() -> None:
    first, second, *_ = blocks(README)
    assert (first.language, second.language) == ("bash", "bash")
    assert first.code.splitlines()[-1] == ".venv/bin/python launch.py --experiment=mnist_cnn"
    assert second.code.splitlines()[-1] == '.venv/bin/python -m pytest -n 2 -m "not slow"'
    for block in (first, second):
        assert block.code.startswith("python3 -m venv .venv\n.venv/bin/pip install -c constraints.txt -e ")
    assert "EXPECT_" not in TEXT


def test_it_has_fewer_than_700_words() -> None:
    assert len(TEXT.split()) < 700  # as `wc -w` counts


def test_the_table_has_at_most_eight_experiments_all_of_them_there() -> None:
    named = re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE)
    assert 1 <= len(named) <= 8
    assert {f"{experiment}.py" for experiment in named} <= {path.name for path in EXPERIMENTS.glob("*.py")}


def test_the_figures_are_those_that_the_experiments_state() -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*\| ([\d.]+) \|$", TEXT, re.MULTILINE)
    assert len(rows) == len(re.findall(r"^\| `", TEXT, re.MULTILINE))
    for experiment, accuracy in rows:
        assert accuracy in (EXPERIMENTS / f"{experiment}.py").read_text(encoding="utf-8"), experiment


def test_it_shows_ten_flags_at_most() -> None:
    shown = {flag for block in blocks(README)[2:] for flag in re.findall(r"\s(--[\w.]+)", block.code)}
    assert 1 <= len(shown) <= 10


def test_one_example_and_one_picture_whose_caption_names_the_processor() -> None:
    assert [block.language for block in blocks(README)].count("python") == 1
    (picture,) = re.findall(r"!\[.*?\]\((.*?)\)\n\n(.*)", TEXT)
    assert (ROOT / picture[0]).is_file()
    assert "AMD EPYC" in picture[1]


def test_it_links_to_every_page() -> None:
    linked = set(re.findall(r"\]\(([\w/-]+\.md)\)", TEXT))
    assert linked >= {name(page) for page in PAGES} - {
        "README.md",
        "docs/index.md",
        "docs/contributing.md",
        "docs/changelog.md",
    }


def test_the_table_of_all_experiments_has_the_same_figures() -> None:
    page = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
    pattern = re.compile(r"^\| `(\w+)` \|.*\| ([\d.]+)", re.MULTILINE)
    assert set(pattern.findall(TEXT)) <= set(pattern.findall(page))
