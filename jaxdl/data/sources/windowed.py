"""What the sources have in common whose examples are windows of a series and the values that follow them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from jaxdl.data.folds import Rows, stretch_of
from jaxdl.data.preprocess import Preprocess
from jaxdl.data.source import Notify, OwnFiles
from jaxdl.data.spec import Column, Dataset, Spec, Split, Windows, fingerprint
from jaxdl.data.statistics import mean_and_deviation, with_standard_targets
from jaxdl.data.windows import bounds, known, naive_errors, split_of, unbroken, windows_at
from jaxdl.errors import UserError
from jaxdl.fields import at_least, described, static


@described
@dataclasses.dataclass(frozen=True, kw_only=True)
class OfWindows(OwnFiles):
    """A source whose examples are windows of one series, with the values that follow them."""

    window: int = static(30, "rows that a model sees", check=at_least(1))
    horizon: int = static(
        1, "steps ahead that are predicted: one number, or with more than 1 as many outputs", check=at_least(1)
    )
    season: int = static(
        0,
        "rows of a season, such as 365 for days: the error of the forecast that repeats the last season is reported, "
        "too; 0: only that of the last value",
        check=at_least(0),
    )
    standardize: bool = static(
        True, "whether inputs and targets are standardised by the mean and deviation of train, in the compiled step"
    )

    def cut(
        self,
        values: np.ndarray,
        target: np.ndarray,
        breaks: np.ndarray,
        columns: tuple[Column, ...],
        windows: Windows,
        notify: Notify,
    ) -> Dataset:
        """Returns the windows of a series by split, with the errors of naive forecasts.

        Args:
            values: (rows, columns) float32, NaN where a value is missing.
            target: (rows,) float32, the same of what is predicted.
            breaks: (rows,) bool, before which rows the series is broken.
            columns: the names of the inputs.
            windows: how examples are cut.
            notify: takes messages.

        Raises:
            UserError: the series is too short for a window, or a split has none.
        """
        rows, size = len(values), self.window + self.horizon
        if rows < size:
            raise UserError(
                f"{self.requested} has {rows:,} rows, but a window of {self.window} and {self.horizon} to predict need "
                f"{size}: lower data.window, or give more rows."
            )
        count = rows - size + 1
        whole = known(values, self.window)[:count] & known(target, self.horizon)[self.window :]
        starts = np.flatnonzero(whole & unbroken(breaks, size))
        if len(starts) < count:
            notify(f"{self.requested}: {count - len(starts):,} of {count:,} windows hold a gap; they are left out.")
        cuts = bounds(rows, self.validation, self.test, self.horizon)
        test = cuts[1]
        if self.fold is not None:
            test = bounds(rows, 0.0, self.test, self.horizon)[1]
            cuts = stretch_of(test, self.folds, self.fold)
        splits = split_of(starts, self.window, self.horizon, rows, cuts, test)
        of_validation = 1.0 if self.fold is not None else self.validation
        for name, share in (("train", 1.0), ("validation", of_validation), ("test", self.test)):
            if not len(splits[name]) and share:
                raise UserError(
                    f"{self.requested}: of its {rows:,} rows no window of {self.window} with {self.horizon} to predict "
                    f"is left for {name}: lower data.window, or give more rows without gaps."
                )
        arrays = {name: self._arrays(values, target, first) for name, first in splits.items() if len(first)}
        shape = (self.horizon,) if self.horizon > 1 else ()
        spec = Spec(
            input_shape=(self.window, values.shape[1]),
            input_dtype="float32",
            preprocess=Preprocess(),
            target_shape=shape,
            outputs=self.horizon,
            columns=columns,
            windows=windows,
        )
        return Dataset(
            spec=spec,
            splits=arrays,
            requested=self.requested,
            used=self.requested,
            fingerprint=fingerprint(self._arrays(values, target, starts)),
            train_examples=len(splits["train"]) + len(splits["validation"]),
            baselines=self._baselines(target, splits),
            rows=None if self.fold is None else Rows(splits["train"], splits["validation"]),
        )

    def _arrays(self, values: np.ndarray, target: np.ndarray, starts: np.ndarray) -> Split:
        ahead = windows_at(target, starts + self.window, self.horizon)
        inputs = windows_at(values, starts, self.window)
        return {"inputs": inputs, "targets": ahead if self.horizon > 1 else ahead[:, 0]}

    def _baselines(self, target: np.ndarray, splits: Mapping[str, np.ndarray]) -> dict[str, dict[str, float]]:
        """Returns the errors of naive forecasts of validation and test, as `Dataset.baselines`."""
        seasons = {"the last value": 0} | ({f"the value {self.season} rows before": self.season} if self.season else {})
        return {
            label: {
                f"{name}/{metric}": error
                for name in ("validation", "test")
                for metric, error in naive_errors(target, splits[name] + self.window, self.horizon, season).items()
            }
            for label, season in seasons.items()
        }

    @property
    def cuts_itself(self) -> bool:
        return True

    def fitted(self, dataset: Dataset, notify: Notify) -> Dataset:
        if not self.standardize:
            return dataset
        mean, deviation = mean_and_deviation(dataset.splits["train"]["inputs"])
        spec = dataclasses.replace(dataset.spec, preprocess=Preprocess(mean=mean, deviation=deviation))
        return with_standard_targets(dataclasses.replace(dataset, spec=spec))
