"""A table of its user: CSV, TSV, Parquet, ``.npz`` or ``.npy``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal, final

from jaxdl.data.source import Notify, OwnFiles
from jaxdl.data.spec import Dataset, Spec
from jaxdl.data.tables import find_tables, read_table
from jaxdl.data.tabular import Choice, dataset_of, fitted
from jaxdl.errors import UserError
from jaxdl.fields import described, static
from jaxdl.files.paths import expanded


@final
@described
@dataclasses.dataclass(frozen=True)
class Table(OwnFiles):
    """A table with a row for each example: a CSV, TSV, Parquet, ``.npz`` or ``.npy`` file, or a folder of them.

    In a folder, the files ``train``, ``validation`` (or ``val``, ``valid``) and ``test`` are the splits. Otherwise
    validation and test are cut: from each class its share, or whole groups.

    Inputs are (rows, inputs) float32. A column of numbers or booleans is one input, standardised by mean and deviation
    of train. A column of texts has one input for each of its categories in train, 1 for the row's own and 0 for the
    others; a category that train does not have is 0 in all. Targets are (rows,) int32 classes, named by the texts or
    numbers of their column, or (rows,) float32 numbers, standardised by train inside the compiled step; predictions and
    metrics are in their own unit.
    """

    path: str = static("", "the file, or a folder of the files train, validation and test", path=True)
    target: str = static("", "the column to predict; empty: the last one")
    task: Literal["auto", "classification", "regression"] = static(
        "auto",
        "what is predicted; auto: a class for texts, booleans and whole numbers of at most 20 different values, "
        "otherwise a number",
    )
    columns: tuple[str, ...] = static(
        (), "columns that are inputs, in this order; with a minus sign before each, those that are not; empty: all"
    )
    categories: tuple[str, ...] = static((), "columns that are categories although they hold numbers, such as codes")
    missing: Literal["refuse", "mean", "category"] = static(
        "refuse",
        "what is done with missing values of inputs: nothing, which is an error; the mean of train for numbers; or "
        "that and one more input, which is 1 where the value is missing, also for texts",
    )
    group: str = static(
        "", "a column, such as the patient, whose rows of equal value stay together in one split; it is no input"
    )
    weights: str = static(
        "", "a column of numbers that say how much each row counts in the loss, as `weights` of `Arrays` do; no input"
    )
    standardize: bool = static(
        True, "whether numbers, of inputs and to be predicted, are standardised by the mean and deviation of train"
    )
    header: bool | None = static(
        None,
        "whether the first line of CSV and TSV files holds the names of the columns, which are otherwise 0, 1 and so "
        "on; none: it does, and is refused if it holds a number",
    )

    @property
    def requested(self) -> str:
        return f"table:{self.path}"

    def spec(self, data_dir: Path) -> Spec:
        return self.load(data_dir, None).spec

    def read(self, data_dir: Path, notify: Notify) -> Dataset:
        if not self.path:
            raise UserError("no table is given: --data=table:FILE, such as --data=table:rows.csv.")
        if self.missing != "refuse" and not self.standardize:
            raise UserError(
                f"data.missing={self.missing} takes the mean for a missing number, which needs data.standardize=true."
            )
        files = find_tables(expanded(self.path))
        train = read_table(files.pop("train"), self.categories, self.header)
        # A column that is text in train is text in the other files, also where all of it looks like numbers.
        texts = [name for name in train.arrays if not train.typed and _is_text(train.arrays[name])]
        frames = {"train": train} | {split: read_table(file, texts, self.header) for split, file in files.items()}
        choice = Choice(self.target, self.task, self.columns, self.categories, self.missing, self.group, self.weights)
        return dataset_of(frames, choice, self.requested, notify)

    def fitted(self, dataset: Dataset, notify: Notify) -> Dataset:
        return fitted(dataset, self.standardize, notify)


def _is_text(array: object) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(array.type))  # type: ignore[attr-defined]
