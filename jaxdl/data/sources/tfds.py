"""Data sets of tensorflow-datasets, without TensorFlow; with an embedded stand-in for sets that are not available."""

from __future__ import annotations

import dataclasses
import importlib
import shutil
from pathlib import Path
from typing import Literal, final
from urllib.parse import urlsplit

from jaxdl import fields
from jaxdl.data.preprocess import Preprocess
from jaxdl.data.resizing import check_size, sides_of
from jaxdl.data.source import Data, Notify
from jaxdl.data.sources.digits import Digits
from jaxdl.data.sources.shapes import Shapes
from jaxdl.data.spec import Dataset, Spec, examples
from jaxdl.data.splits import By, cut
from jaxdl.data.stand_in import banner
from jaxdl.data.statistics import mean_and_deviation, with_standard_targets
from jaxdl.data.texts.coded import Shares, coded
from jaxdl.data.texts.corpus import usable
from jaxdl.data.texts.fields import OfTexts
from jaxdl.data.tfds.arrays import keep, kept, kept_bytes, kept_spec
from jaxdl.data.tfds.by_index import decode as decode_by_index
from jaxdl.data.tfds.by_index import decodes_by_index
from jaxdl.data.tfds.choice import Choice
from jaxdl.data.tfds.decode import decode, decoded_bytes, described, described_in
from jaxdl.data.tfds.download import Limits
from jaxdl.data.tfds.names import is_name, parsed
from jaxdl.data.tfds.obtain import Request, Unavailable, obtain
from jaxdl.data.tfds.prepare import builder_class
from jaxdl.data.tfds.prepared import prepared_folder
from jaxdl.data.tfds.texts import has_texts, texts_of
from jaxdl.data.tfds.workspace import workspace, writing_problem
from jaxdl.errors import UserError
from jaxdl.files.atomic import named_cause

# How long to wait for servers; not a field, because it does not change an experiment.
LIMITS = Limits()


@dataclasses.dataclass(frozen=True)
class StandIn:
    """An embedded set that may replace a set of tensorflow-datasets that is not available.

    Attributes:
        source: the embedded set.
        kind: its kind of examples, in a few words.
        words: its description in the banner.
        passes: passes over it that make one epoch, so that a recipe made for the larger set has enough steps.
    """

    source: Data
    kind: str
    words: str
    passes: int


# The digits are 42 times fewer than MNIST's.
STAND_INS = {
    "mnist": StandIn(
        source=Digits(),
        kind="handwritten digits",
        words="digits (scikit-learn's 1,797 handwritten digits of 8x8 pixels)",
        passes=10,
    ),
    # One pass, although they are 10 times fewer: on a CPU, the recipes for CIFAR-10 would take days.
    "cifar10": StandIn(
        source=Shapes(),
        kind="generated pictures of coloured shapes",
        words="shapes (6,000 generated pictures of ten kinds of coloured shapes, no photographs)",
        passes=1,
    ),
}


def check_name(name: str) -> str | None:
    """Checks the form of a TFDS name; loading checks whether TFDS has such a set."""
    if is_name(name):
        return None
    return "must be a name of tensorflow-datasets, such as mnist, emnist/letters or mnist:3.0.1"


def check_mirror(mirror: str) -> str | None:
    """Returns what is wrong with a mirror; None if nothing is."""
    if not mirror:
        return None
    try:
        parts = urlsplit(mirror)
        right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a bracket that is not closed, or a port that is not a number
        right = False
    if not right or " " in mirror or not mirror.isprintable():
        return "must be a URL such as https://host/mnist or http://host:8080/mnist"
    if "@" in parts.netloc:
        return (
            "must not contain a user name or password, because config.json and report.html show it: "
            "put them into ~/.netrc, which is read"
        )
    return None


@final
@fields.described
@dataclasses.dataclass(frozen=True)
class Tfds(OfTexts):
    """A set of tensorflow-datasets, or one of your own that is prepared as those are.

    It is taken from the first of these places that has it: (1) the data folder, if it is prepared there; (2) original
    archives in ``DATA_DIR/downloads/manual/``; (3) the network; (4) if `fallback` allows it, an embedded stand-in of
    the same kind, with a banner. TensorFlow is needed only to prepare sets other than MNIST and its relatives,
    CIFAR-10 and CIFAR-100.

    Inputs are images (examples, height, width, channels) in uint8 or uint16, texts as ids (examples, length), as those
    of `jaxdl.Text`, or numbers in float32: (examples, *shape) of one feature, (examples, numbers) of several. Targets
    are classes (examples,) in int32, or numbers (examples,) or (examples, numbers) in float32, standardised by the mean
    and deviation of train inside the compiled step, as inputs (examples, numbers) are.
    """

    name: str = fields.static(
        "mnist",
        "name of the set in tensorflow-datasets, with its config if it has several, and with a version to fix it: "
        "mnist, emnist/letters, mnist:3.0.1",
        check=check_name,
    )
    fallback: Literal["embedded", "none"] = fields.static(
        "embedded",
        "what to use when the set is not available: an embedded stand-in of the same kind, or nothing, "
        "which is an error",
    )
    mirror: str = fields.static(
        "",
        "base URL to fetch the original archives from, instead of the URLs that TFDS uses; their "
        "checksums are those of TFDS",
        check=check_mirror,
        affects=(),
    )

    split: str = fields.static(
        "", "the part to train on, as TFDS writes it: train[:80%], train+validation; empty: train", since="0.3.0"
    )
    validation_split: str = fields.static(
        "",
        "the part for validation, such as train[80%:]; empty: the set's own validation split, where it also has one to "
        "test on, otherwise the share `validation` of train",
        since="0.3.0",
    )
    test_split: str = fields.static(
        "",
        "the part to test on; empty: the set's own test split, or its validation split where it has no test split with "
        "labels, or the share `test` of train where it has neither",
        since="0.3.0",
    )
    test: float = fields.static(
        0.2,
        "share of train that is split off for test where the set has no split to test on, the same examples for every "
        "seed",
        check=fields.fraction,
        since="0.3.0",
    )
    inputs: tuple[str, ...] = fields.static(
        (),
        "names of the features that are inputs: one image, one text, or numbers, which are joined; empty: those that "
        "TFDS names",
        since="0.3.0",
    )
    targets: tuple[str, ...] = fields.static(
        (),
        "names of the features to predict: one class label, or numbers; empty: those that TFDS names",
        since="0.3.0",
    )

    size: int | str | None = fields.static(
        None,
        "pixels of each side to which images are resized, or HEIGHTxWIDTH: 48x64 is 48 high and 64 wide; none: as "
        "stored, where all have one size",
        check=check_size,
        since="0.3.0",
    )

    def import_libraries(self) -> None:
        # While it is imported, etils gives lazy stand-ins to every thread that imports something; a stand-in of a
        # function cannot be called.
        importlib.import_module("tensorflow_datasets")

    @property
    def requested(self) -> str:
        return self.name

    def spec(self, data_dir: Path) -> Spec:
        prepared = prepared_folder(data_dir, self.name)
        found = None if prepared is None else kept_spec(prepared, self._choice)
        if found is not None:
            return found
        if has_texts(self.name, prepared, self._choice):  # whose ids follow from all of train
            return self.load(data_dir, None).spec
        if prepared is None:
            return described(builder_class(self.name), self.name, self._choice)
        return described_in(prepared, self.name, self._choice)

    def read(self, data_dir: Path, notify: Notify) -> Dataset:
        try:
            prepared = obtain(Request(self.name, data_dir, self.mirror, notify, LIMITS, self._choice))
        except Unavailable as problem:
            return self._stand_in(problem, data_dir, notify)
        choice = self._choice
        if kept_bytes(prepared, choice) is None and (corpus := texts_of(prepared, self.name, choice)) is not None:
            shares = Shares(self.validation, self.test)
            return coded(usable(corpus, True, notify), self.wish, shares, self.name, notify, skip=True)
        on_disk = self._on_disk(prepared)
        dataset = kept(prepared, self.name, choice, on_disk=on_disk)
        dataset = dataset or _decode_and_keep(prepared, self.name, choice, notify, on_disk)
        return dataset if "test" in dataset.splits else self._with_test(dataset)

    def _on_disk(self, prepared: Path) -> bool:
        """Returns whether the set is read from disk while a model is trained."""
        if self.stream != "auto":
            return self.stream == "on"
        size = kept_bytes(prepared, self._choice)
        return self.streams(decoded_bytes(prepared, self.name, self._choice) if size is None else size)

    def _with_test(self, dataset: Dataset) -> Dataset:
        """Returns the set with a share of train as its test split, taken from each class if there are classes."""
        by: By = "class" if dataset.spec.class_names else "example"
        train, test = cut(dataset.splits["train"], self.test, by)
        splits = {**dataset.splits, "train": train, "test": test}
        return dataclasses.replace(dataset, splits=splits, train_examples=examples(train))

    def fitted(self, dataset: Dataset, notify: Notify) -> Dataset:
        """Returns the set with means and deviations of train: of numbers to predict, and of inputs that are rows."""
        if dataset.substituted or dataset.spec.coding is not None:
            return dataset
        dataset = with_standard_targets(dataset)
        if len(dataset.spec.input_shape) > 1:
            return dataset
        mean, deviation = mean_and_deviation(dataset.splits["train"]["inputs"])
        spec = dataclasses.replace(dataset.spec, preprocess=Preprocess(mean=mean, deviation=deviation))
        return dataclasses.replace(dataset, spec=spec)

    @property
    def _choice(self) -> Choice:
        size = None if self.size is None else sides_of(self.size)
        return Choice(self.split, self.validation_split, self.test_split, self.inputs, self.targets, size)

    def _stand_in(self, problem: Unavailable, data_dir: Path, notify: Notify) -> Dataset:
        # What is chosen of a set is not in its stand-in.
        stand_in = STAND_INS.get(parsed(self.name).without_version) if self._choice == Choice() else None
        if self.fallback == "none" or stand_in is None:
            offer = f", or use --data.fallback=embedded ({stand_in.kind} stand in)" if stand_in else ""
            reasons = "; ".join(problem.reasons)
            raise UserError(f"{self.name} is not available: {reasons}. Way out: {problem.way_out}{offer}.") from problem
        dataset = stand_in.source.read(data_dir, notify)
        notify(_banner(self.name, stand_in, problem))
        return dataclasses.replace(dataset, requested=self.name, passes=stand_in.passes)


def _decode_and_keep(prepared: Path, name: str, choice: Choice, notify: Notify, on_disk: bool) -> Dataset:
    problem = writing_problem(prepared.parent)
    why_not = on_disk and (problem or _no_room(decoded_bytes(prepared, name, choice), prepared))
    if why_not and decodes_by_index(prepared, name, choice):
        return decode_by_index(prepared, name, choice, notify)
    if why_not:
        raise UserError(
            f"{name} is decoded to disk beside {prepared}, to be read from there while a model is trained, and that "
            f"cannot be done: {why_not}. Prepare it in array_record files, from which single examples can be read; "
            "or give a smaller --data.size, a part such as --data.split=train[:50%], or --data.stream=off."
        )
    if problem:
        notify(f"Decoding {name}; the decoded arrays cannot be stored: {problem}.")
        return decode(prepared, name, choice)
    with named_cause(prepared.parent, "write"), workspace(prepared.parent, notify) as drafts:
        # Stored by another process while this one waited?
        dataset = kept(prepared, name, choice, on_disk=on_disk)
        if dataset is None:
            notify(f"Decoding {name}: some seconds, only this once.")
            dataset = decode(prepared, name, choice, drafts if on_disk else None)
            keep(dataset, prepared, drafts, choice)
            if on_disk:  # at its place
                dataset = kept(prepared, name, choice, on_disk=True) or dataset
    return dataset


def _no_room(size: int, prepared: Path) -> str | None:
    """Returns that a decoded set takes more than half of the free disk; None if it does not."""
    free = shutil.disk_usage(prepared).free
    return f"it takes {size / 1e9:,.1f} GB, and {free / 1e9:,.1f} GB are free" if size > free / 2 else None


def _banner(requested: str, stand_in: StandIn, problem: Unavailable) -> str:
    """Returns the framed lines that say that a stand-in is used."""
    more = [f"an epoch is {stand_in.passes} passes over it, since it is much smaller"] if stand_in.passes > 1 else []
    way_out = [problem.way_out, "--data.fallback=none makes this an error"]
    return banner(requested, [stand_in.words, *more], problem.reasons, way_out)
