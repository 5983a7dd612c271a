"""The experiment that `jaxdl.fit` trains, of what it is given: data, and what is said beside them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jaxdl.data import DATA, Arrays, Data, Dataset
from jaxdl.errors import UserError, brief
from jaxdl.experiment import Experiment, Training
from jaxdl.experiment.taking import taken
from jaxdl.fields import own_fields
from jaxdl.fields.replacing import replace
from jaxdl.objectives import MeanSquaredError
from jaxdl.training.inferred import objective_for_arrays, objective_for_source

Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Given:
    """The data of `jaxdl.fit`, and the loss that goes with them.

    Attributes:
        data: arrays or a data source.
        validation: arrays for validation, or the share of the train examples for it; None: none.
        test: arrays for test; None: none.
        loss: an objective, its name, a function, or a dictionary of these; None: what the targets need.
        loss_weights: how much each of several losses counts.
        data_dir: folder of prepared data sets.
        say: told what follows from the data.
    """

    data: Any
    validation: Any
    test: Any
    loss: Any
    loss_weights: Mapping[str, float] | None
    data_dir: Path
    say: Say

    def experiment(self, training: Training, fields: Mapping[str, Any], **parts: Any) -> Experiment:
        """Returns the experiment of the data and all that is said beside them.

        What is wrong with the parts is said before any data are loaded.

        Args:
            training: how long to train.
            fields: values of further fields, as for `jaxdl.replace`.
            **parts: name, model, optimizer and the like, as for `Experiment`.

        Raises:
            UserError: the data, the parts and the fields do not fit each other.
        """
        if isinstance(self.data, tuple | list) or (isinstance(self.data, Mapping) and "train" not in self.data):
            source, watched = self._arrays()
            ids = bool(fields.get("ids"))
            infer = functools.partial(
                objective_for_arrays, self.loss, self.loss_weights, _named("data", self.data), ids, self.say
            )
        else:
            source, watched = self._source(), True
            load = _loader(source, fields, self.data_dir)
            infer = functools.partial(objective_for_source, self.loss, self.loss_weights, load, self.say)
        training = training if watched else dataclasses.replace(training, watch="train/loss")
        begun = Experiment(data=source, objective=MeanSquaredError(), training=training, **parts)
        return replace(dataclasses.replace(begun, objective=infer()), fields)

    def _arrays(self) -> tuple[Data, bool]:
        """Returns the source of arrays, and whether it has a validation split."""
        train_on, given = _named("data", self.data), self.validation
        share = given if isinstance(given, float | int) else 0.0
        validating = None if given is None or isinstance(given, float | int) else _named("validation", given)
        testing = None if self.test is None else _named("test", self.test)
        if testing is None:
            testing = validating or train_on
            those = "validation" if validating else "the train examples"
            self.say(f"fit: without test= the test figures are those of {those}.")
        source = Arrays(train=train_on, test=testing, validate_on=validating or "", validation=share)
        return source, bool(validating or share)

    def _source(self) -> Data:
        """Returns the data source that is meant; a share for validation is its own field."""
        if not isinstance(self.data, str | Data | Mapping) and not callable(self.data):
            raise _no_data("data", self.data)
        source: Data = taken("data", self.data, Data, DATA, '{"train": (x, y), "test": (x, y)}')
        if self.test is not None or not (self.validation is None or isinstance(self.validation, float | int)):
            what = "validation" if self.test is None else "test"
            raise UserError(
                f"fit: {what}= goes with data=(inputs, targets), and {source.requested} has splits of its own: leave "
                "it out, or give the share of train for validation, as in validation=0.2."
            )
        return source if self.validation is None else dataclasses.replace(source, validation=float(self.validation))


def _loader(source: Data, fields: Mapping[str, Any], data_dir: Path) -> Callable[[], Dataset]:
    """Returns what loads a source with those of the fields that are its own."""
    own = {field.path for field in own_fields(source)}
    given = {each.removeprefix("data."): value for each, value in fields.items()}
    changed = replace(source, {each: value for each, value in given.items() if each in own})
    return functools.partial(changed.load, data_dir, None)


def _named(what: str, given: Any) -> dict[str, Any]:
    if isinstance(given, Mapping):
        return dict(given)
    if isinstance(given, tuple | list) and len(given) in (2, 3):
        return dict(zip(("inputs", "targets", "weights"), given, strict=False))
    raise _no_data(what, given)


def _no_data(what: str, given: Any) -> UserError:
    source = ', or a data source such as jaxdl.Folder("pictures") or its name' if what == "data" else ""
    return UserError(
        f"fit: {what} must be (inputs, targets), (inputs, targets, weights) or a mapping of these names{source}, not "
        f"{brief(given)}."
    )
