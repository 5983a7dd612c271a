"""Looking at an experiment's data before training: what they are, and examples as the model will see them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import RenderableType

from jaxdl.data import Dataset, Notify, Split, default_data_dir
from jaxdl.data.check import are_classes
from jaxdl.data.inspection import Inspection, feature_names, inspect
from jaxdl.data.texts.facts import shown_texts, text_facts
from jaxdl.data.trees.facts import root_targets, shown_trees, tree_facts
from jaxdl.experiment.load import check_targets, load_data
from jaxdl.experiment.looking_several import examples_of_several, look_at_several
from jaxdl.experiment.recipe import Experiment
from jaxdl.files.atomic import replace_file
from jaxdl.files.paths import expanded
from jaxdl.report.colours import MOST_CLASSES, class_colours
from jaxdl.report.data import data_lines, data_page, numbers, passages, pictures
from jaxdl.report.format import baseline_facts
from jaxdl.report.sounds import spectrogram_pictures, wave_pictures
from jaxdl.report.terminal import say_nothing

_SHOWN = 24
PAGE = "data.html"


@dataclasses.dataclass(frozen=True)
class Look:
    """A data set as a person looks at it.

    Attributes:
        dataset: the data.
        found: sizes, class balance, statistics and what looks wrong.
        text: all of it for a terminal, see `rich.console.Console.print`.
        html: a self-contained page with examples.
    """

    dataset: Dataset
    found: Inspection
    text: RenderableType
    html: str


def look_at_data(experiment: Experiment, data_dir: Path | str | None = None, notify: Notify | None = print) -> Look:
    """Loads the data of an experiment and describes them.

    Args:
        experiment: the recipe; its augmentation is shown.
        data_dir: folder of prepared data sets and original archives; None: TFDS's own.
        notify: takes messages; None: nothing is said.

    Raises:
        UserError: the data cannot be loaded, or do not fit the recipe.
    """
    notify = notify or say_nothing
    dataset = load_data(experiment, default_data_dir() if data_dir is None else expanded(data_dir), notify)
    experiment = experiment.for_spec(dataset.spec)
    check_targets(experiment, dataset)
    if dataset.spec.views:
        several = look_at_several(dataset)
        found, facts, balance, splits = several.found, several.facts, several.balance, several.splits
        shown = examples_of_several(experiment, dataset, _SHOWN, _shown, _caption)
    else:
        found, shown = inspect(dataset), _examples(experiment, dataset)
        facts, balance, splits = _facts(dataset, found), _balance(dataset, found), list(found.class_counts)
    statistics = {
        kind: [dataclasses.astuple(feature) for feature in features]
        for kind, features in (("inputs", found.features), ("targets", found.target))
    }
    html = data_page(dataset.used, facts, found.warnings, balance, splits, statistics, shown)
    return Look(dataset, found, data_lines(facts, balance, splits), html)


def write_look(look: Look, folder: Path) -> Path:
    """Writes the page into a folder, which is created, and returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(folder / PAGE, look.html)
    return folder / PAGE


def _balance(dataset: Dataset, found: Inspection) -> list[tuple[Any, ...]]:
    names = dataset.spec.class_names or tuple(map(str, range(dataset.spec.outputs)))
    counts = found.class_counts.values()
    return [(name, *each) for name, *each in zip(names, *counts, strict=False)] if counts else []


def _facts(dataset: Dataset, found: Inspection) -> dict[str, Any]:
    spec = dataset.spec
    each = "pixel" if _of_pixels(dataset) else "step" if spec.trees is None else "node"
    target = "one class" if found.class_counts and not spec.target_shape else f"a class for each {each}"
    if not found.class_counts:
        target = "numbers" if found.target else "answers to yes-or-no questions"
    facts = {
        "data": dataset.used + (f" (a stand-in for {dataset.requested})" if dataset.substituted else ""),
        "examples": ", ".join(f"{name} {size:,}" for name, size in found.sizes.items()),
        "inputs": f"{spec.input_dtype} of shape {spec.input_shape}" + (", with lengths" if spec.lengths else ""),
        "targets": f"{target}, shape {spec.target_shape}",
        "outputs of a model": f"{spec.outputs:,}",
        "fingerprint": dataset.fingerprint,
    }
    if spec.coding is not None:
        facts |= text_facts(dataset, spec.coding)
    if spec.trees is not None:
        facts |= tree_facts(dataset, spec.trees)
    if spec.rate:
        lengths = np.concatenate([split["lengths"] for split in dataset.splits.values()]) / spec.rate
        least, middle, most = lengths.min(), np.median(lengths), lengths.max()
        facts["sounds"] = f"{spec.rate:,} samples a second; {least:.3g} to {most:.3g} s, half of them to {middle:.3g} s"
        facts["a model reads"] = f"{'samples' if spec.preprocess.mel is None else 'log-mel'}, {spec.model_shape}"
    if spec.best_loss is not None:
        facts["smallest loss that any model can reach"] = f"{spec.best_loss:.4f}"
    for name, figures in baseline_facts({"baselines": dataset.baselines}).items():
        facts[f"baseline: {name}"] = figures
    return facts


def _examples(experiment: Experiment, dataset: Dataset) -> dict[str, str]:
    """Returns the first train examples as the model sees them in evaluation, and as augmentation changes them."""
    train = {name: np.asarray(array[:_SHOWN]) for name, array in dataset.splits["train"].items()}
    preprocess = dataset.spec.preprocess
    targets = train["targets"] if dataset.spec.trees is None else root_targets(train)
    captions = [_caption(target, dataset) for target in targets]
    plain = preprocess.of_batch(_on_device(train))
    seen = np.asarray(plain["inputs"])
    shown = {"Examples of train, as the model sees them": _shown(seen, captions, dataset, plain.get("lengths"))}
    if _of_pixels(dataset):
        shown["Their targets"] = pictures(class_colours()[train["targets"]] / 255, captions)
    key = jax.random.fold_in(jax.random.key(experiment.seed), 0)
    batch = experiment.augmentation.apply(_on_device(train), preprocess, key)
    changed = np.asarray(batch["inputs"])
    if not np.array_equal(changed, seen, equal_nan=True):
        name = "The same examples, changed by augmentation"
        shown[name] = _shown(changed, captions, dataset, batch.get("lengths"))
        if _of_pixels(dataset):
            targets = np.asarray(batch["targets"])
            shown["Their targets, changed with them"] = pictures(class_colours()[targets] / 255, captions)
    return shown


def _of_pixels(dataset: Dataset) -> bool:
    """Returns whether each pixel has a class, and these are few enough to be shown in colours."""
    spec = dataset.spec
    masks = len(spec.target_shape) == 2 and spec.target_shape == spec.input_shape[:-1]
    return masks and are_classes(dataset.splits["train"]["targets"], spec) and spec.outputs <= MOST_CLASSES


def _on_device(split: Split) -> Mapping[str, jax.Array]:
    return {name: jax.numpy.asarray(array) for name, array in split.items()}


def _caption(target: np.ndarray, dataset: Dataset) -> str:
    names, coding = dataset.spec.class_names, dataset.spec.coding
    if coding is not None and coding.following:
        return f"the {coding.level} that follows each"
    if not target.ndim:
        return names[int(target)] if names else f"{float(target):.6g}"
    if _of_pixels(dataset):
        counts = np.bincount(target.reshape(-1))
        shares = [(names[n] if names else str(n), count / target.size) for n, count in enumerate(counts) if count]
        return ", ".join(f"{name} {share:.0%}" for name, share in shares)
    return " ".join(f"{float(value):.4g}" for value in target.reshape(-1)[:8]) + (" ..." if target.size > 8 else "")


def _shown(inputs: np.ndarray, captions: Sequence[str], dataset: Dataset, lengths: jax.Array | None) -> str:
    spec = dataset.spec
    if spec.coding is not None:
        return passages(shown_texts(inputs, None if lengths is None else np.asarray(lengths), spec.coding), captions)
    if spec.trees is not None and lengths is not None:
        return passages(shown_trees(inputs, np.asarray(lengths), spec.trees), captions)
    if spec.rate and lengths is not None:
        draw = wave_pictures if spec.preprocess.mel is None else spectrogram_pictures
        return pictures(draw(inputs, np.asarray(lengths).tolist()), captions)
    if inputs.ndim == 4 and inputs.shape[-1] in (1, 3):
        return pictures(np.asarray(spec.preprocess.restored(jax.numpy.asarray(inputs))), captions)
    rows = inputs.reshape(len(inputs), -1)
    names = feature_names(spec)
    return numbers(rows, captions, names if len(names) == rows.shape[1] else [str(n) for n in range(rows.shape[1])])
