"""Data sets of tensorflow-datasets, without TensorFlow; with an embedded stand-in for sets that are not available."""

from __future__ import annotations

import dataclasses
import importlib
import re
from pathlib import Path
from typing import Literal, final
from urllib.parse import urlsplit

from jaxdl import fields
from jaxdl.data.source import Data, Notify
from jaxdl.data.sources.digits import Digits
from jaxdl.data.sources.shapes import Shapes
from jaxdl.data.spec import Dataset, Spec
from jaxdl.data.stand_in import banner
from jaxdl.data.tfds.arrays import decode, described, keep, kept, kept_spec
from jaxdl.data.tfds.download import Limits
from jaxdl.data.tfds.obtain import Request, Unavailable, obtain
from jaxdl.data.tfds.prepare import builder_class
from jaxdl.data.tfds.prepared import CONFIG_NAME, prepared_folder
from jaxdl.data.tfds.workspace import workspace, writing_problem
from jaxdl.errors import UserError
from jaxdl.files.atomic import named_cause

_NAME = re.compile(rf"[a-z][a-z0-9_]*(/{CONFIG_NAME.pattern})?")
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
    return None if _NAME.fullmatch(name) else "must be a name of tensorflow-datasets, such as mnist or emnist/letters"


def _check_mirror(mirror: str) -> str | None:
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
class Tfds(Data):
    """An image-classification set of tensorflow-datasets; inputs are (examples, height, width, channels) uint8.

    It is taken from the first of these places that has it: (1) the data folder, if it is prepared there; (2) original
    archives in ``DATA_DIR/downloads/manual/``; (3) the network; (4) if `fallback` allows it, an embedded stand-in of
    the same kind, with a banner. TensorFlow is needed only to prepare sets that are not in MNIST's format (MNIST,
    Fashion-MNIST, KMNIST and EMNIST are).
    """

    name: str = fields.static(
        "mnist",
        "name of the set in tensorflow-datasets, with its config if it has several: mnist, emnist/letters",
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
        check=_check_mirror,
        affects=(),
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
        known = kept_spec(prepared) if prepared else None
        return known or described(builder_class(self.name), self.name)

    def read(self, data_dir: Path, notify: Notify) -> Dataset:
        try:
            prepared = obtain(Request(self.name, data_dir, self.mirror, notify, LIMITS))
        except Unavailable as problem:
            return self._stand_in(problem, data_dir, notify)
        return kept(prepared, self.name) or _decode_and_keep(prepared, self.name, notify)

    def _stand_in(self, problem: Unavailable, data_dir: Path, notify: Notify) -> Dataset:
        stand_in = STAND_INS.get(self.name)
        if self.fallback == "none" or stand_in is None:
            offer = f", or use --data.fallback=embedded ({stand_in.kind} stand in)" if stand_in else ""
            reasons = "; ".join(problem.reasons)
            raise UserError(f"{self.name} is not available: {reasons}. Way out: {problem.way_out}{offer}.") from problem
        dataset = stand_in.source.read(data_dir, notify)
        notify(_banner(self.name, stand_in, problem))
        return dataclasses.replace(dataset, requested=self.name, passes=stand_in.passes)


def _decode_and_keep(prepared: Path, name: str, notify: Notify) -> Dataset:
    problem = writing_problem(prepared.parent)
    if problem:
        notify(f"Decoding {name}; the decoded arrays cannot be stored: {problem}.")
        return decode(prepared, name)
    with named_cause(prepared.parent, "write"), workspace(prepared.parent, notify) as drafts:
        dataset = kept(prepared, name)  # stored by another process while this one waited
        if dataset is None:
            notify(f"Decoding {name}: some seconds, only this once.")
            dataset = decode(prepared, name)
            keep(dataset, prepared, drafts)
    return dataset


def _banner(requested: str, stand_in: StandIn, problem: Unavailable) -> str:
    """Returns the framed lines that say that a stand-in is used."""
    more = [f"an epoch is {stand_in.passes} passes over it, since it is much smaller"] if stand_in.passes > 1 else []
    way_out = [problem.way_out, "--data.fallback=none makes this an error"]
    return banner(requested, [stand_in.words, *more], problem.reasons, way_out)
