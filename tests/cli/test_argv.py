"""Command lines as flags, in each form that absl reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from jaxdl.cli.argv import spelled_out, tokens, without
from jaxdl.errors import UserError


def read(*arguments: str) -> list[tuple[str, str | None]]:
    return [(token.name, token.value) for token in tokens(arguments, {"list"})]


def test_each_form_gives_the_name_and_the_value() -> None:
    assert read("--x=1", "-x=1", "--x", "1", "--x=a=b", "--x=") == [
        ("x", "1"), ("x", "1"), ("x", "1"), ("x", "a=b"), ("x", ""),
    ]  # fmt: skip
    assert read("--x", "-1", "--x", "-.5", "--x", "--y", "--x") == [
        ("x", "-1"), ("x", "-.5"), ("x", None), ("y", None), ("x", None),
    ]  # fmt: skip


def test_a_switch_takes_no_value_from_the_next_argument() -> None:
    assert read("--list", "more", "--nolist", "more") == [
        ("list", None), ("", None), ("nolist", None), ("", None),
    ]  # fmt: skip


def test_what_follows_two_dashes_is_no_flag() -> None:
    assert read("-", "--x=1", "--", "--x=1") == [("", None), ("x", "1"), ("", None), ("", None)]


def test_flags_are_left_out_in_whichever_form_they_are_given() -> None:
    given = ["--x=1", "--y", "2", "--nolist", "--x", "3", "more", "-list=true"]
    switches = {"list"}
    assert without(tokens(given, switches), {"x", "list"}, switches) == ["--y", "2", "more"]
    assert without(tokens(given, switches), {"y"}, switches) == [a for a in given if a not in ("--y", "2")]


def test_what_is_short_is_spelled_out(tmp_path: Path) -> None:
    file = tmp_path / "flags"
    file.write_text("--x=1\n--y=2\n")
    assert spelled_out(["-h", f"--flagfile={file}"]) == ["--help", "--x=1", "--y=2"]
    with pytest.raises(UserError, match="--undefok is not supported"):
        spelled_out(["--undefok=x"])
    with pytest.raises(UserError, match="none"):
        spelled_out([f"--flagfile={tmp_path / 'none'}"])
