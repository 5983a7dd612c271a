"""Reads tables: CSV, TSV, Parquet, ``.npz`` and ``.npy``."""

from __future__ import annotations

import contextlib
import csv
import io
import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxdl.data.frames import MISSING, Frame, listed
from jaxdl.errors import UserError, brief

_TEXT = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz")
SUFFIXES = (*_TEXT, ".parquet", ".npz", ".npy")
_SPLITS = {"train": "train", "validation": "validation", "valid": "validation", "val": "validation", "test": "test"}
# What is read of a file of text to find out how it is written.
_HEAD = 2**20


def suffix(path: Path) -> str:
    """Returns which of `SUFFIXES` a file has; an empty text for none of them."""
    return next((each for each in SUFFIXES if path.name.lower().endswith(each)), "")


def find_tables(path: Path) -> dict[str, Path]:
    """Returns the files of a table by split: one file is all of train.

    Args:
        path: a file, or a folder of files named ``train``, ``val``, ``valid`` or ``validation``, and ``test``.

    Raises:
        UserError: there is no such file, or the folder has no train file or several for a split.
    """
    if path.is_file():
        if not suffix(path):
            raise UserError(f"{path}: tables are read from {listed(SUFFIXES)} files; rename it if it is one of these.")
        return {"train": path}
    if not path.is_dir():
        raise UserError(f"there is no table {path}; give a file ({listed(SUFFIXES)}) or a folder of them.")
    found: dict[str, Path] = {}
    for file in sorted(path.iterdir()):
        ending = suffix(file)
        split = _SPLITS.get(file.name[: -len(ending)].lower()) if ending and file.is_file() else None
        if split in found:
            raise UserError(f"{path} has two files for {split}: {found[split].name} and {file.name}; remove one.")
        if split is not None:
            found[split] = file
    if "train" not in found:
        names = listed(sorted(file.name for file in path.iterdir())) or "nothing"
        raise UserError(
            f"{path} has no file train.csv (or of another format); its splits are files named train, validation and "
            f"test, and it holds {names}. A table in one file is given by its path."
        )
    return found


def read_table(path: Path, texts: Collection[str] = (), header: bool | None = True) -> Frame:
    """Reads a table.

    Args:
        path: a file with one of `SUFFIXES`.
        texts: columns of a file of text that stay text even if all look like numbers.
        header: whether the first line of a file of text holds the names of the columns; without them they are called
            0, 1 and so on. None: they are names unless one of them is a number, which is refused.

    Raises:
        UserError: the file cannot be read, is empty, or a row has another number of columns than the others.
    """
    try:
        if suffix(path) in _TEXT:
            frame = _read_text(path, texts, header)
        elif suffix(path) == ".parquet":
            frame = _read_parquet(path)
        else:
            frame = _read_arrays(path)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or ' '.join(str(error).split())}.") from None
    if not frame.rows:
        raise UserError(f"{path} has no rows{' below its header' if suffix(path) in _TEXT else ''}.")
    return frame


def _read_text(path: Path, texts: Collection[str], header: bool | None) -> Frame:
    import pyarrow as pa
    from pyarrow import csv as arrow

    with pa.input_stream(str(path)) as stream:  # decompresses .gz
        head = stream.read(_HEAD)
    separator, decimal, first = _dialect(path, head)
    if "\ufffd" in "".join(first):
        _check_utf8(path)
    if header is None:
        number = next((name for name in first if re.fullmatch(r"[-+]?[\d.,]*\d([eE][-+]?\d+)?", name.strip())), None)
        if number is not None:
            raise UserError(
                f"{path}: its first line holds the number {number.strip()!r}, so that it may be a row and not the "
                "names of the columns: say --data.header=true or --data.header=false."
            )
        header = True
    names = [name.strip() for name in first] if header else [str(index) for index in range(len(first))]
    kept = dict.fromkeys((raw for raw, name in zip(first, names, strict=True) if name in texts), pa.string())
    kept = kept if header else {name: pa.string() for name in texts}
    wrong: list[Any] = []

    def note(row: Any) -> str:
        wrong.append(row)
        return "error"

    def read(on_wrong: Callable[[Any], str] | None = None) -> Any:
        # With a function of Python only this thread reads: it knows the numbers of rows, and another thread that gave
        # the function up while Python ends would abort the process.
        return arrow.read_csv(
            str(path),
            arrow.ReadOptions(column_names=None if header else names, use_threads=on_wrong is None),
            arrow.ParseOptions(delimiter=separator, newlines_in_values=True, invalid_row_handler=on_wrong),
            arrow.ConvertOptions(
                column_types=kept,
                decimal_point=decimal,
                strings_can_be_null=False,
                null_values=sorted(MISSING),
            ),
            # Of pyarrow's own allocator each block costs the system new pages: three times the time, once in a process.
            memory_pool=pa.system_memory_pool(),
        )

    try:
        table = read()
    except (pa.ArrowException, UnicodeDecodeError) as error:
        _check_utf8(path)
        with contextlib.suppress(pa.ArrowException, UnicodeDecodeError):
            read(on_wrong=note)
        if wrong:
            raise _wrong_row(path, wrong[0], header) from None
        raise UserError(f"{path} cannot be read as a table: {' '.join(str(error).split()).rstrip('.')}.") from None
    if any(pa.types.is_binary(field.type) for field in table.schema):
        _check_utf8(path)
    if len(names) != table.num_columns:
        raise UserError(f"{path}: its first line cannot be read as the names of {table.num_columns} columns.")
    return _frame(path, names, table.columns, typed=False)


def _dialect(path: Path, head: bytes) -> tuple[str, str, list[str]]:
    """Returns the separator, the decimal point and the entries of the first line.

    Raises:
        UserError: there is no text.
    """
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise UserError(f"{path} is UTF-16; save it as UTF-8.")
    text = head.decode("utf-8-sig", errors="replace")
    if not text.strip():
        raise UserError(f"{path} is empty.")
    if "\x00" in text:
        raise UserError(f"{path} is no text file: it holds zero bytes. Tables are read from {listed(SUFFIXES)} files.")
    text = text.lstrip("\r\n")
    first = re.split(r"[\r\n]", re.sub(r'"[^"]*"', "", text), maxsplit=1)[0]
    separator = "\t" if suffix(path).startswith(".tsv") else max(",;\t", key=first.count)
    entries = next(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    # In the countries that write 1,5 for a number, spreadsheets separate columns by semicolons; others write 1.5 there.
    comma = separator == ";" and re.search(r"(^|;)\s*[-+]?\d+,\d+\s*(;|\r|\n|$)", text, re.MULTILINE)
    return separator, "," if comma else ".", entries


def _check_utf8(path: Path) -> None:
    """Raises `UserError` with the line if a file of text is not UTF-8."""
    import pyarrow as pa

    with pa.input_stream(str(path)) as stream:
        content = stream.read()
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        latin = brief(content[error.start : error.start + 12].decode("latin-1").split("\n")[0])
        raise UserError(
            f"{path}, line {line}: the file is not UTF-8 (perhaps Latin-1: {latin} there); save it as UTF-8."
        ) from None


def _wrong_row(path: Path, row: Any, header: bool) -> UserError:
    number = "" if row.number is None else f", row {row.number - header}"
    open_quote = row.text.count('"') % 2
    return UserError(
        f"{path}{number}: {row.actual_columns} columns in the place of {row.expected_columns}: {brief(row.text)}. "
        + ("A quote is not closed." if open_quote else "Texts that hold the separator stand in double quotes.")
    )


def _frame(path: Path, names: Sequence[str], columns: Sequence[Any], typed: bool) -> Frame:
    """Returns columns without those that have no name, such as the row numbers that pandas writes."""
    for name in filter(None, names):
        if names.count(name) > 1:
            raise UserError(f"{path} has two columns {name!r}; give each a name of its own.")
    named = {name: column for name, column in zip(names, columns, strict=True) if name}
    return Frame(str(path), named, typed, unnamed=names.count(""))


def _read_parquet(path: Path) -> Frame:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:  # and no more: read_table takes columns from the names of folders, too
            table = file.read()
    except pa.ArrowException as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise UserError(f"{path} cannot be read as Parquet: {reason}.") from None
    names = [name.strip() for name in table.column_names]
    # pandas stores the index of its rows as a column of such a name.
    names = ["" if name.startswith("__index_level_") else name for name in names]
    return _frame(path, names, table.columns, typed=True)


def _read_arrays(path: Path) -> Frame:
    try:
        with open(path, "rb") as file:  # pickled objects, which could run code, are not loaded
            loaded = np.load(file, allow_pickle=False)
            arrays = {"": loaded} if isinstance(loaded, np.ndarray) else dict(loaded)
    except OSError:
        raise
    except Exception as error:  # any exception: for a damaged header NumPy raises errors of Python's tokenizer
        reason = " ".join(str(error).split()).rstrip(".")
        raise UserError(f"{path} cannot be read as an array: {reason}.") from None
    columns: dict[str, Any] = {}
    for key, array in arrays.items():
        for name, values in _columns(path, key, array):
            if name in columns:
                raise UserError(f"{path} has two columns {name!r}; give each a name of its own.")
            columns[name] = _arrow(path, name, values)
    counts = {name: len(values) for name, values in columns.items()}
    if len(set(counts.values())) > 1:
        rows = listed(f"{name}: {count}" for name, count in counts.items())
        raise UserError(f"{path}: the columns have different numbers of rows ({rows}).")
    return Frame(str(path), columns)


def _columns(path: Path, key: str, array: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Returns the columns of an array, named by the fields of its dtype, or counted from 0."""
    if array.dtype.names and array.ndim == 1:
        return [(name, array[name]) for name in array.dtype.names]
    if array.ndim == 1 and key:
        return [(key, array)]
    if array.ndim == 2:
        return [(f"{key}_{i}" if key else str(i), array[:, i]) for i in range(array.shape[1])]
    raise UserError(
        f"{path}: {f'the array {key!r}' if key else 'its array'} has shape {array.shape}; columns of a table are "
        "(rows,) arrays with names, or the second axis of (rows, columns). For other inputs there is "
        "--data=arrays:FILE.npz."
    )


def _arrow(path: Path, name: str, values: np.ndarray) -> Any:
    import pyarrow as pa

    values = np.char.decode(values, "utf-8", "replace") if values.dtype.kind == "S" else np.ascontiguousarray(values)
    try:
        return pa.array(values.astype(values.dtype.newbyteorder("=")), from_pandas=True)
    except pa.ArrowException:
        raise UserError(f"{path}: column {name!r} holds {values.dtype} of shape {values.shape}, not numbers.") from None
