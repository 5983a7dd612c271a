"""Files of text, with the place of each text."""

import pytest

from jaxdl.data.texts.reading import check_encoding, lines_of, read_text


def test_lines_end_at_line_feeds_alone(tmp_path):
    (tmp_path / "a.txt").write_bytes("one\r\ntw\x85o\u2028still two\n\nfour".encode())
    rows, problems = lines_of(tmp_path / "a.txt", "utf-8")
    assert [text for text, _ in rows] == ["one", "tw\x85o\u2028still two", "", "four"]
    assert rows[3][1].endswith("a.txt, line 4")
    assert not problems


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16", "cp1252"])
def test_encodings_that_are_stated(tmp_path, encoding):
    (tmp_path / "a.txt").write_bytes("caf\u00e9 cr\u00e8me\nna\u00efve\n".encode(encoding))
    assert [text for text, _ in lines_of(tmp_path / "a.txt", encoding)[0]] == ["caf\u00e9 cr\u00e8me", "na\u00efve"]
    assert read_text(tmp_path / "a.txt", encoding) == ("caf\u00e9 cr\u00e8me\nna\u00efve\n", None)


def test_a_mark_at_the_beginning_is_no_part_of_the_text(tmp_path):
    (tmp_path / "a.txt").write_text("first", "utf-8-sig")
    assert read_text(tmp_path / "a.txt", "utf-8")[0] == "first"


def test_bytes_that_are_no_text_are_named_by_their_line(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"good\ncaf\xe9 bad\nzero\x00\n")
    rows, problems = lines_of(tmp_path / "a.txt", "utf-8")
    assert [text for text, _ in rows] == ["good"]
    assert "a.txt, line 2: this is not utf-8 (perhaps latin-1: '\u00e9 bad' there)" in problems[0]
    assert "a.txt, line 3: this is no text, it holds zero bytes" in problems[1]
    assert "a.txt, line 2: this is not utf-8" in str(read_text(tmp_path / "a.txt", "utf-8")[1])


def test_what_is_no_file_is_a_problem(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert "the link leads nowhere" in str(read_text(tmp_path / "link", "utf-8")[1])


@pytest.mark.parametrize("name", ["utf8x", "base64", "", "utf-8\x00"])
def test_what_is_no_encoding_of_text(name):
    assert "such as utf-8" in str(check_encoding(name))


def test_encodings_that_python_knows():
    assert [check_encoding(name) for name in ("utf-8", "Latin-1", "cp1252", "utf-16")] == [None] * 4
