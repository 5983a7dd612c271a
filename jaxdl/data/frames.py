"""Rows of named columns, each of numbers or of texts, whatever held them: a file, a mapping, a table of pandas."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from jaxdl.errors import UserError, did_you_mean

# What stands for a missing value in a file of text: what pyarrow takes for one in a column of numbers, and the question
# mark of the UCI repository.
MISSING = frozenset(
    ["", "?", "NA", "N/A", "n/a", "#NA", "#N/A", "#N/A N/A", "NULL", "null", "NaN", "nan", "-NaN", "-nan"]
    + [f"{sign}1.#{kind}" for sign in ("", "-") for kind in ("IND", "QNAN")]
)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True)
class Numbers:
    """A column of numbers.

    Attributes:
        values: (rows,) float64, NaN where a value is missing.
        kind: what they were.
    """

    values: np.ndarray
    kind: Literal["bool", "int", "float"]

    @property
    def missing(self) -> np.ndarray:
        """Which rows have no value, (rows,) bool."""
        missing: np.ndarray = np.isnan(self.values)
        return missing


@dataclass(frozen=True)
class Texts:
    """A column of texts.

    Attributes:
        codes: (rows,) int32, the number of each row's text, -1 where it is missing.
        texts: the different texts.
    """

    codes: np.ndarray
    texts: tuple[str, ...]

    @property
    def missing(self) -> np.ndarray:
        """Which rows have no value, (rows,) bool."""
        missing: np.ndarray = self.codes < 0
        return missing


@dataclass(frozen=True, eq=False)
class Frame:
    """Rows of named columns.

    Attributes:
        name: what holds them, in messages.
        arrays: the columns by name, in their order: Arrow's (chunked) arrays.
        typed: whether the columns have types of their own; in a file of text they follow from what the texts look like.
        unnamed: how many columns without a name were left out.
        fixed: whether a trained model reads its columns, so that none can be left out or be taken in another way.
    """

    name: str
    arrays: Mapping[str, Any]
    typed: bool = True
    unnamed: int = 0
    fixed: bool = False

    @property
    def rows(self) -> int:
        return len(next(iter(self.arrays.values()), ()))

    def where(self, row: int, column: str) -> str:
        """Returns the place of a value for a message; rows count from 1 below the header, without blank lines."""
        return f"{self.name}, row {row + 1}, column {column!r}"

    def of_model(self) -> Frame:
        """Returns the same rows, for a trained model."""
        return dataclasses.replace(self, fixed=True)

    def leave_out(self, name: str) -> str:
        """Returns the way out for a column that cannot be used, to stand after a sentence."""
        return "" if self.fixed else f" --data.columns=-{name} leaves it out."

    def check_names(self, names: tuple[str, ...], what: str) -> None:
        """Raises `UserError` unless there are columns of these names; `what` asks for them."""
        for name in names:
            if name not in self.arrays:
                raise UserError(
                    f"{what}: {self.name} has no column {name!r}.{did_you_mean(name, self.arrays)} "
                    f"Its columns are {listed(self.arrays)}."
                )

    def column(self, name: str, texts: bool = False) -> Numbers | Texts:
        """Returns a column as numbers or texts.

        Args:
            name: its name.
            texts: whether numbers become texts, too.

        Raises:
            UserError: it holds something else, such as dates, or numbers and texts.
        """
        import pyarrow as pa
        from pyarrow import compute

        array, types = self.arrays[name], pa.types
        if types.is_dictionary(array.type):
            array = array.cast(array.type.value_type)
        kind = array.type
        if types.is_null(kind):
            return Numbers(np.full(len(array), np.nan), "float")
        number = types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
        if number and texts:
            array = _as_text(array)
        elif number:
            try:
                values = compute.cast(array, pa.float64()).to_numpy(zero_copy_only=False)
            except pa.ArrowInvalid:  # an integer that 64-bit floating point does not hold
                raise UserError(
                    f"{self.name}: column {name!r} has integers beyond 2**53, which a model cannot tell apart."
                    f"{self.leave_out(name)}"
                ) from None
            is_float = types.is_floating(kind) or types.is_decimal(kind)
            return Numbers(values, "bool" if types.is_boolean(kind) else "float" if is_float else "int")
        elif not (types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)):
            raise UserError(f"{self.name}: column {name!r} holds {_words(array)}.{self.leave_out(name)}")
        found = _encoded(array, () if self.typed else MISSING)
        return found if self.typed or texts else self._guessed(name, found)

    def _guessed(self, name: str, column: Texts) -> Numbers | Texts:
        """Returns texts of a file of text, as numbers if all are, as with ``?`` for missing ones.

        Raises:
            UserError: most of them are numbers and some are not.
        """
        numeric = np.array([bool(_NUMBER.fullmatch(text)) for text in column.texts] + [False])
        numbers, others = numeric[column.codes].sum(), (~numeric[column.codes] & (column.codes >= 0)).sum()
        if numbers and not others:
            values = np.array([float(text) for text in column.texts] + [np.nan])
            return Numbers(values[column.codes], "float")
        if numbers >= max(1, others):
            row = int(np.flatnonzero(~numeric[column.codes] & (column.codes >= 0))[0])
            ways = f", or --data.categories={name} takes all as categories." if not self.fixed else ""
            raise UserError(
                f"{self.where(row, name)}: {column.texts[column.codes[row]]!r} is no number, as {others:,} of the "
                f"column's {len(column.codes):,} values; the others are. Leave missing ones empty, or correct the file"
                f"{ways or '.'}{self.leave_out(name)}"
            )
        return column


def listed(names: Any, most: int = 20) -> str:
    """Returns names for a message."""
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _words(array: Any) -> str:
    """Returns in words what a column holds that is neither numbers nor texts."""
    import pyarrow as pa

    example = next((f", such as {value}" for value in array[:1000] if value.is_valid), "")
    if pa.types.is_temporal(array.type):
        return (
            f"dates or times{example}; write what matters of them, such as year, month or hour, as columns of numbers"
        )
    return f"values of the type {array.type}, not numbers or texts"


def _as_text(array: Any) -> Any:
    import pyarrow as pa
    from pyarrow import compute

    if pa.types.is_floating(array.type):  # whole numbers as such: 3, not 3.0
        return pa.array([None if v is None or v != v else number_text(v) for v in array.to_pylist()], pa.string())
    return compute.cast(array, pa.string())


def number_text(value: float) -> str:
    """Returns a number as the name of a class or category: ``3`` for 3.0."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _encoded(array: Any, missing: Any) -> Texts:
    """Returns an Arrow array of strings as codes of its sorted texts, without spaces round them."""
    import pyarrow as pa

    chunked = array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])
    chunked = chunked.dictionary_encode().unify_dictionaries()
    if not chunked.num_chunks or not len(chunked):
        return Texts(np.zeros(0, np.int32), ())
    given = [text.strip() for text in chunked.chunk(0).dictionary.to_pylist()]
    codes = np.concatenate([chunk.indices.fill_null(-1).to_numpy() for chunk in chunked.chunks])
    texts = sorted({text for text in given if text not in missing})
    numbers = {text: number for number, text in enumerate(texts)}
    renumbered = np.array([numbers.get(text, -1) for text in given] + [-1], np.int32)  # the last one is that of null
    return Texts(renumbered[codes], tuple(texts))


def frame_of(values: Any, name: str) -> Frame:
    """Returns columns of a mapping, of a pandas data frame or of an Arrow table as a frame.

    Args:
        values: names of columns to (rows,) values.
        name: what it is called in messages.

    Raises:
        UserError: a column is not a sequence of numbers or of texts, or columns have different lengths.
    """
    import pyarrow as pa

    names = list(values.column_names if hasattr(values, "column_names") else values.keys())
    arrays: dict[str, Any] = {}
    for key in names:
        text = str(key).strip()
        if text in arrays:
            raise UserError(f"{name} has two columns {text!r}; give each a name of its own.")
        given = values[key]
        try:
            arrays[text] = given if isinstance(given, pa.Array | pa.ChunkedArray) else pa.array(given, from_pandas=True)
        except (pa.ArrowException, TypeError, ValueError) as error:
            reason = " ".join(str(error).split()).rstrip(".")
            raise UserError(
                f"{name}: column {text!r} is not a list of numbers or of texts, one a row: {reason}."
            ) from None
    lengths = {len(array) for array in arrays.values()}
    if len(lengths) > 1:
        counts = listed(f"{key}: {len(array)}" for key, array in arrays.items())
        raise UserError(f"{name}: the columns have different numbers of rows ({counts}).")
    return Frame(name, arrays)
