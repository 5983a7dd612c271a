"""Reads files of text, with the place of each text for messages."""

from __future__ import annotations

import codecs
from pathlib import Path

from jaxdl.data.folders.listing import file_problem
from jaxdl.errors import brief
from jaxdl.files.atomic import named_cause


def check_encoding(encoding: str) -> str | None:
    """Returns what is wrong with the name of an encoding, None if Python knows it as one of texts."""
    try:
        "".encode(encoding)
        codecs.lookup(encoding)
    except (LookupError, ValueError):
        return "must be an encoding of text that Python knows, such as utf-8, latin-1, cp1252 or utf-16"
    return None


def read_text(path: Path, encoding: str) -> tuple[str, str | None]:
    """Returns the text of a file, and why it cannot be used, None if it can; the reason begins with the file."""
    problem = file_problem(path)
    if problem:
        return "", problem
    with named_cause(path, "read"):
        content = path.read_bytes()
    return _decoded(content, str(path), encoding)


def lines_of(path: Path, encoding: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Returns the lines of a file, each with its place, and a problem for each that cannot be decoded.

    Lines end at ``\\n`` or ``\\r\\n`` alone; other signs that Unicode counts as ends of lines are part of a text.
    """
    problem = file_problem(path)
    if problem:
        return [], [problem]
    with named_cause(path, "read"):
        content = path.read_bytes()
    wide = codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))
    if wide:  # whose ends of lines are no single bytes
        text, problem = _decoded(content, str(path), encoding)
        return ([], [problem]) if problem else (_numbered(text.split("\n"), path), [])
    rows, problems = [], []
    for number, raw in enumerate(content.removesuffix(b"\n").split(b"\n"), 1):
        place = f"{path}, line {number}"
        text, problem = _decoded(raw, place, encoding, is_line=True)
        if problem:
            problems.append(problem)
        else:
            rows.append((text.removesuffix("\r"), place))
    return rows, problems


def _numbered(lines: list[str], path: Path) -> list[tuple[str, str]]:
    lines = lines[:-1] if lines and not lines[-1] else lines
    return [(text.removesuffix("\r"), f"{path}, line {number}") for number, text in enumerate(lines, 1)]


def _decoded(content: bytes, place: str, encoding: str, is_line: bool = False) -> tuple[str, str | None]:
    try:
        text = content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        line = "" if is_line else f", line {row}"
        rest = content[error.start : error.start + 12].split(b"\n")[0]
        hint = f" (perhaps latin-1: {brief(rest.decode('latin-1'))} there)" if rest else ""
        return "", f"{place}{line}: this is not {encoding}{hint}; --data.encoding=NAME names another"
    if "\x00" in text:
        return "", f"{place}: this is no text, it holds zero bytes"
    return text.replace("\r\n", "\n"), None
