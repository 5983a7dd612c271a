"""Links, pictures and names of tests in the pages lead somewhere; read as text, so Sphinx is not needed."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, name, prose

_LINK = re.compile(r"(!?)\[[^\]]*\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MyST make them."""
    text = page.read_text(encoding="utf-8")
    for included in re.findall(r"^```\{include\} (\S+)$", text, re.MULTILINE):
        text += (page.parent / included).read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_and_pictures_are_there(page: Path) -> None:
    for picture, target in _LINK.findall(prose(page)):
        file, _, anchor = target.partition("#")
        if re.match(r"https?:", target):
            assert not picture, f"{target}: a picture from another server"
            continue
        found = (page.parent / file).resolve() if file else page
        assert found.is_file() and ROOT in found.parents, f"{name(page)}: {target}"
        assert not anchor or anchor in anchors(found), f"{name(page)}: {target}"


def test_every_page_is_in_the_table_of_contents() -> None:
    index = ROOT / "docs" / "index.md"
    listed = re.findall(r"^[\w/-]+$", index.read_text(encoding="utf-8"), re.MULTILINE)
    folder = ROOT / "docs"
    pages = {page.relative_to(folder).with_suffix("").as_posix() for page in PAGES if page.is_relative_to(folder)}
    assert set(listed) >= pages - {"index"}


def test_every_extra_is_in_the_table_of_extras() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    rows = re.findall(r"^\| (`[^|]*`) \|", (ROOT / "docs/start.md").read_text(), re.MULTILINE)
    assert extras.keys() <= {name for row in rows for name in re.findall(r"`(\w+)`", row)}


def test_every_test_that_the_table_of_faults_names_is_there() -> None:
    page = (ROOT / "docs" / "safety.md").read_text(encoding="utf-8")
    rows = [
        line
        for line in page.partition("## After a fault")[2].partition("\n## ")[0].splitlines()
        if line.startswith("| ") and "| test |" not in line
    ]
    files = list(ROOT.glob("tests/**/test_*.py"))
    code = "\n".join(path.read_text(encoding="utf-8") for path in files)
    names = [path.name for path in files] + re.findall(r"^def (test_\w+)", code, re.MULTILINE)
    assert len(rows) > 15
    for row in rows:
        named = re.findall(r"`(test_\w+)(\.\.\.|\.py)`", row)
        assert named, row
        for start, kind in named:
            wanted = start if kind == "..." else f"{start}.py"
            assert any(name.startswith(wanted) for name in names), f"{wanted}: {row}"
