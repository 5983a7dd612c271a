"""Files of trees: where they are found, and how their lines are read."""

from __future__ import annotations

from pathlib import Path

import pytest

import jaxdl
from jaxdl.data.trees.encoding import TreeFormat
from jaxdl.data.trees.files import Line, Problem, find_files, left_out, read_lines


def test_a_folder_has_files_of_splits_by_any_of_their_names(tmp_path: Path) -> None:
    for name in ("train.txt", "dev.txt", "test.ptb", "README.md", ".train.txt"):
        (tmp_path / name).write_text("(1 a)")
    files = {split: file.name for split, file in find_files(tmp_path).items()}
    assert files == {"train": "train.txt", "validation": "dev.txt", "test": "test.ptb"}
    assert find_files(tmp_path / "test.ptb") == {"train": tmp_path / "test.ptb"}


def test_two_files_for_a_split_are_refused(tmp_path: Path) -> None:
    for name in ("train.txt", "dev.txt", "valid.txt"):
        (tmp_path / name).write_text("(1 a)")
    with pytest.raises(jaxdl.UserError, match=r"two files for validation: dev.txt and valid.txt; remove one"):
        find_files(tmp_path)


def test_a_folder_without_train_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(jaxdl.UserError, match=r"no file train.txt .* it holds no file\. One file is given"):
        find_files(tmp_path)
    (tmp_path / "all.txt").write_text("(1 a)")
    with pytest.raises(jaxdl.UserError, match=r"it holds all\.txt\."):
        find_files(tmp_path)


def test_a_missing_file_has_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "trees.txt").write_text("(1 a)")
    with pytest.raises(jaxdl.UserError, match=r"no such file or folder\. Did you mean 'trees\.txt'\?"):
        find_files(tmp_path / "tres.txt")
    with pytest.raises(jaxdl.UserError, match="no such file or folder"):
        find_files(tmp_path / "no" / "tres.txt")


def test_lines_may_be_empty_and_end_in_any_way(tmp_path: Path) -> None:
    file = tmp_path / "t.txt"
    file.write_bytes(b"\xef\xbb\xbf(1 a)\r\n\n  \n(0 (1 b) (2 c))")
    lines = list(read_lines(file, TreeFormat()))
    assert [line.number for line in lines if isinstance(line, Line)] == [1, 4]
    assert len(lines) == 2


def test_a_problem_has_line_and_column_in_characters(tmp_path: Path) -> None:
    file = tmp_path / "t.txt"
    file.write_bytes("(1 (0 été) (1 a)\n".encode() + "(1 é".encode() + b"\xe9)\n(1 a)")
    first, second, third = read_lines(file, TreeFormat())
    assert (
        str(first) == f"{file}, line 1, column 1: this bracket is not closed; at the end one closing bracket is missing"
    )
    assert str(second) == f"{file}, line 2, column 5: the byte 0xe9 is no UTF-8; save the file as UTF-8"
    assert isinstance(third, Line)


def test_what_is_left_out_is_counted_and_the_first_are_listed() -> None:
    problems = [Problem(Path("t"), number, 1, "bad") for number in range(1, 13)]
    lines = left_out(problems, 1200).splitlines()
    assert lines[0] == "12 of 1,200 trees cannot be used and are left out (--data.on_bad=skip):"
    assert lines[1] == "  t, line 1, column 1: bad"
    assert lines[-1] == "  and 2 more"
    assert len(lines) == 12
