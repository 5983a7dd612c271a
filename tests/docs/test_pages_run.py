"""Every Python block and every command of every page runs, and gives what the page says."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from tests.docs.commands import environment, launch_arguments, run, unparsed, workspace, write_file
from tests.docs.execute import execute
from tests.docs.pages import PAGES, ROOT, Block, blocks, name

# Pages whose commands take longest: they run at night. That a command is understood is shown for all in each run of CI,
# and what it does has tests of its own.
LONG = {
    "CONTRIBUTING.md",
    *(f"docs/{page}.md" for page in ("augmentation", "data", "devices", "experiments", "flags", "series", "sound")),
    *(f"docs/{page}.md" for page in ("sweeps", "text", "weights")),
    *(f"docs/coming-from/{page}.md" for page in ("hydra-and-optuna", "keras-tasks", "lightning-tasks")),
}


def commands(page: Path) -> list[tuple[list[str], Block]]:
    return [(words, block) for block in blocks(page) if block.language == "bash" for words in block.commands]


def python(page: Path) -> list[Block]:
    return [block for block in blocks(page) if block.language == "python" and not block.file and not block.package]


def reads_what_commands_write(page: Path) -> bool:
    code = "".join(block.code for block in python(page))
    folders = [word.partition("=")[2] for words, _ in commands(page) for word in words if word.startswith("--run_dir=")]
    return any(folder in code for folder in folders)


def pages_of_python() -> list[Any]:
    """The pages whose Python blocks need no command; of the folder those that the long test below leaves out."""
    pages = [page for page in PAGES if python(page) and not reads_what_commands_write(page)]
    pages = [page for page in pages if not (page.is_relative_to(ROOT / "docs") and commands(page))]
    marks = {page: [pytest.mark.slow] if page.is_relative_to(ROOT / "docs") else [] for page in pages}
    return [pytest.param(page, marks=[*marks[page], *at_night(page)], id=name(page)) for page in pages]


def at_night(page: Path) -> list[pytest.MarkDecorator]:
    return [pytest.mark.nightly] if name(page) in LONG else []


def of_commands() -> list[Any]:
    return [pytest.param(page, marks=at_night(page), id=name(page)) for page in PAGES if commands(page)]


def with_package() -> list[Any]:
    """The pages and the packages that some of their blocks need."""
    found = {(page, block.package): None for page in PAGES for block in blocks(page) if block.package}
    return [pytest.param(page, package, id=f"{name(page)}-{package}") for page, package in found]


def follow(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Prepares to follow a page: a folder to work in, and a module in which its Python blocks run."""
    monkeypatch.chdir(workspace(folder))
    module = types.ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)
    return vars(module)


def run_python(block: Block, page: Path, namespace: dict[str, Any]) -> int:
    with contextlib.redirect_stdout(io.StringIO()):
        return execute(block.code, f"{name(page)}:{block.line}", namespace)


def check_command(words: list[str], block: Block, page: Path, folder: Path, status: int) -> str:
    got, printed = run(words, folder)
    assert got == status, f"{name(page)}:{block.line}: {words} ended with {got}:\n{printed}"
    return printed


@pytest.mark.parametrize("page", pages_of_python())
def test_the_python_blocks_of_a_page_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    namespace = follow(tmp_path, monkeypatch)
    checked = 0
    for block in blocks(page):
        if block.file:
            write_file(block, tmp_path)
        elif block in python(page):
            checked += run_python(block, page, namespace)
    assert checked, "a page with code states what comes of it at least once"


@pytest.mark.slow
def test_the_commands_of_all_pages_are_understood(tmp_path: Path) -> None:
    """Within seconds; that they do what they are for is shown by the long test below."""
    folder = workspace(tmp_path)
    for block in (block for page in PAGES for block in blocks(page) if block.file):
        write_file(block, folder)
    accepted = [words for page in PAGES for words, block in commands(page) if not block.status and not block.package]
    launched = [arguments for words in accepted if (arguments := launch_arguments(words)) is not None]
    assert len(launched) > 40
    assert unparsed(launched, folder) == ""


@pytest.mark.slow
@pytest.mark.parametrize("page", of_commands())
def test_a_page_runs_from_top_to_bottom(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    namespace = follow(tmp_path, monkeypatch)
    printed = ""
    for block in blocks(page):
        if block.file:
            write_file(block, tmp_path)
        elif block.language == "bash" and not block.package:
            for words in block.commands:
                status = block.status if words == block.commands[-1] else 0
                printed = check_command(words, block, page, tmp_path, status)
        elif block.language == "text":
            for line in block.code.splitlines():
                assert line in printed, f"{name(page)}:{block.line}: the last command printed\n{printed}"
        elif block in python(page):
            run_python(block, page, namespace)


@pytest.mark.slow
@pytest.mark.parametrize(("page", "package"), with_package())
def test_what_needs_another_package_runs(page: Path, package: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed here: pip install -c constraints.txt -e '.[bench]' brings it")
    chosen = [block for block in blocks(page) if block.package == package or block.language == "yaml"]
    workspace(tmp_path)
    for block in chosen:
        if block.file:
            write_file(block, tmp_path)
    code = "\n".join(block.code for block in chosen if block.language == "python" and not block.file)
    (tmp_path / "page.py").write_text(code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "tests.docs.execute", "page.py"],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    for block in chosen:
        for words in block.commands if block.language == "bash" else []:
            check_command(words, block, page, tmp_path, block.status)


def test_the_pages_that_run_at_night_exist() -> None:
    assert {name(page) for page in PAGES} >= LONG


def test_every_block_is_of_a_kind_that_these_tests_run() -> None:
    known = {"bash", "python", "text", "toml", "yaml"}
    for page in PAGES:
        for block in blocks(page):
            assert block.language in known, f"{name(page)}:{block.line}: {block.language}"
            assert block.file or block.language not in ("toml", "yaml"), f"{name(page)}:{block.line} is no file"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_code_hides_from_the_tests(page: Path) -> None:
    """An indented block would look like code and run nowhere."""
    text = page.read_text(encoding="utf-8")
    assert f"\n{text}".count("\n```") % 2 == 0
    outside, inside = [], False
    for line in text.splitlines():
        inside ^= line.startswith("```")
        if not inside and not line.startswith("```"):
            outside.append(line)
    assert not [line for line in outside if line.startswith("    ")]
    assert "python launch.py --" not in "\n".join(outside)
