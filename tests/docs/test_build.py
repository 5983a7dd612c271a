"""The pages as Sphinx builds them: without a warning, with an entry for each public name, and from one server."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import jaxdl
from tests.docs.pages import PAGES, ROOT

pytest.importorskip("myst_parser", reason="pip install -c constraints.txt -e '.[docs]' brings what builds the pages")


@pytest.mark.slow
def test_the_pages_are_built(tmp_path: Path) -> None:
    """One test, since a build takes as long as all that is looked at in it."""
    site = tmp_path / "site"
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-W",
        "--keep-going",
        "-d",
        tmp_path / "doctrees",
        "docs",
        site,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), "a warning is an error"
    every_page_is_there(site)
    every_public_name_has_an_entry_with_its_docstring(site)
    the_options_are_those_of_the_command(site)
    a_reader_needs_no_other_server(site)


def every_page_is_there(site: Path) -> None:
    pages = [page for page in PAGES if page.is_relative_to(ROOT / "docs")]
    for page in pages:
        assert (site / page.relative_to(ROOT / "docs").with_suffix(".html")).is_file()


def every_public_name_has_an_entry_with_its_docstring(site: Path) -> None:
    page = (site / "api.html").read_text(encoding="utf-8")
    for name in jaxdl.__all__:
        entry = page.partition(f'id="jaxdl.{name}"')[2]
        assert entry, name
        first = (getattr(jaxdl, name).__doc__ or "").strip().split()[0].strip("`")
        assert first in re.sub(r"<.*?>", "", entry[:8000]), name


def the_options_are_those_of_the_command(site: Path) -> None:
    page = re.sub(r"<.*?>", "", (site / "flags.html").read_text(encoding="utf-8"))
    done = subprocess.run([sys.executable, ROOT / "launch.py", "--help"], capture_output=True, text=True, check=True)
    options = re.findall(r"^  (--\w+)=", done.stdout, re.MULTILINE)
    assert len(options) > 20
    assert [option for option in options if option not in page] == []


def a_reader_needs_no_other_server(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r'<(?:script|img|iframe)[^>]+src="([^"]+)"', text)
        loaded += re.findall(r'<link[^>]+rel="stylesheet"[^>]+href="([^"]+)"', text)
        for target in set(loaded):
            assert not re.match(r"(https?:)?//", target), f"{page.name}: {target}"
            assert (page.parent / target.partition("?")[0]).is_file(), f"{page.name}: {target}"
    assert "mnist_cnn" in (site / "searchindex.js").read_text(encoding="utf-8")
