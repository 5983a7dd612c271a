"""The pages as tests read them: Markdown files and the fenced blocks in them.

Every page is found by its place (the root, ``docs/``), so that a new one is tested without a word here. What a block
says of itself stands behind its opening fence, as in ``bash status=2`` or ``python keras``: the exit status of its last
command, or the package that it needs.
"""

from __future__ import annotations

import dataclasses
import re
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(path for path in ROOT.glob("docs/**/*.md") if "_build" not in path.parts)])
_BLOCK = re.compile(r"^```(\w+)[ ]*([^\n]*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"# ([\w/]+\.(?:py|toml|yaml))\n")


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        line: of its first line of code, from 1.
        language: the first word behind the fence.
        package: a package that it needs beside jaxdl's own; empty for none.
        status: exit status of the last command in it.
        code: what stands in it.
    """

    line: int
    language: str
    package: str
    status: int
    code: str

    @property
    def file(self) -> str | None:
        """The file that the block is, where its first line is a comment with a path; else None."""
        named = _FILE.match(self.code)
        return named[1] if named else None

    @property
    def commands(self) -> list[list[str]]:
        """The commands of a shell block, each as its words; lines that end in a backslash go on."""
        lines = self.code.replace("\\\n", " ").splitlines()
        return [words for words in (shlex.split(line, comments=True) for line in lines) if words]


def name(page: Path) -> str:
    """Returns a page's path from the root."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """Returns the fenced blocks of a page that have a language, in order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        words = match[2].split()
        status = next((int(word.removeprefix("status=")) for word in words if word.startswith("status=")), 0)
        package = next((word for word in words if "=" not in word), "")
        found.append(Block(text[: match.start(3)].count("\n") + 1, match[1], package, status, match[3]))
    return found


def prose(page: Path) -> str:
    """Returns a page without its fenced blocks and without inline code."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]*`", "", text)
