"""Parse trees of their user: in brackets, one a line."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, final

import numpy as np

from jaxdl.data.frames import listed
from jaxdl.data.preprocess import Preprocess
from jaxdl.data.source import Notify, OwnFiles
from jaxdl.data.sources.subtraction import Subtraction
from jaxdl.data.spec import Dataset, Spec, Split, fingerprint
from jaxdl.data.stand_in import banner
from jaxdl.data.trees.encoding import UNKNOWN, TreeFormat, encode, vocabulary
from jaxdl.data.trees.files import Line, Problem, find_files, left_out, read_lines, refuse
from jaxdl.data.trees.parsing import Binarize
from jaxdl.errors import UserError
from jaxdl.fields import above_zero, at_least, described, static
from jaxdl.files.paths import expanded

_NOT_NAMED = "trees"  # the path of an experiment whose user has named no file


@final
@described
@dataclasses.dataclass(frozen=True)
class Trees(OwnFiles):
    """Parse trees in brackets, one a line, with a label at each node: ``(3 (2 It) (4 (2 's) (4 good)))``.

    One file, or a folder of the files ``train``, ``dev`` (or ``val``, ``valid``, ``validation``) and ``test``; what is
    missing of them is cut from train. This is the form of the Stanford Sentiment Treebank and of the Penn Treebank.

    Inputs are (examples, nodes, 3) int32, with lengths: for each node the id of its word, and the places of its left
    and of its right child. Leaves come first, from left to right, then the other nodes by height: the root is the last
    one. Targets are the classes of all nodes, (examples, nodes) int32, or that of the root, (examples,).

    The vocabulary is that of train. Its ids begin with 2: 0 is a node without a word, 1 an unknown word.
    """

    path: str = static(_NOT_NAMED, "the file, or a folder of the files train, dev and test", path=True)
    labels: Literal["all", "root"] = static(
        "all", "targets: all: the label of each node; root: that of the root alone; the others may then be missing"
    )
    lowercase: bool = static(True, "whether words are read in lower case")
    min_count: int = static(
        2,
        "how often a word occurs in train, at least, to be known; the others train the vector of unknown words, which "
        "with 1 stays random",
        check=at_least(1),
    )
    binarize: Binarize = static(
        "refuse",
        "what is done about nodes with other than two children: refuse; or make (a b c) to ((a b) c), left, or "
        "(a (b c)), right, with the label of the node at both, and join a node that has one child with it",
    )
    classes: tuple[str, ...] = static(
        (), "the labels, in the order of their numbers; any other is refused; empty: the sorted labels of train"
    )
    nodes: int | None = static(
        None,
        "the most nodes that a tree may have, in training and in prediction; none: as many as the largest has",
        check=above_zero,
    )
    on_bad: Literal["stop", "skip"] = static(
        "stop", "what is done about trees that cannot be used: stop, or leave them out, counted and listed"
    )
    fallback: Literal["embedded", "none"] = static(
        "none",
        f"what to use when no file is named and there is nothing at {_NOT_NAMED}: generated trees of subtractions, or "
        "nothing, which is an error",
    )

    @property
    def requested(self) -> str:
        return f"trees:{self.path}"

    def spec(self, data_dir: Path) -> Spec:
        return self.load(data_dir, None).spec

    def read(self, data_dir: Path, notify: Notify) -> Dataset:
        """Returns the trees of all splits.

        Raises:
            UserError: there is no such file, or a tree in it cannot be used; the message names file, line and column.
        """
        try:
            files = find_files(expanded(self.path))
        except UserError as problem:
            if self.fallback == "none" or self.path != _NOT_NAMED:  # a path that is mistyped is a mistake
                raise
            return self._stand_in(problem, data_dir, notify)
        form = TreeFormat((), self.lowercase, self.binarize)
        read = {name: list(read_lines(file, form)) for name, file in files.items()}
        classes = self.classes or _labels(read["train"], self.labels)
        problems: list[Problem] = []
        lines: dict[str, list[Line]] = {}
        for name, found in read.items():
            checked = [each if isinstance(each, Problem) else self._checked(each, classes) for each in found]
            lines[name] = [each for each in checked if isinstance(each, Line)]
            problems += [each for each in checked if isinstance(each, Problem)]
            if problems and self.on_bad == "stop":
                raise refuse(problems[0])
            if not lines[name]:
                raise UserError(f"{files[name]} has no tree{' that can be used' if found else ''}.")
        if problems:
            notify(left_out(problems, sum(map(len, read.values()))))
        return self._encoded(lines, classes, form)

    def _checked(self, line: Line, classes: Sequence[str]) -> Line | Problem:
        """Returns the line, or what is wrong with its tree."""
        labels = line.tree.labels
        if self.nodes is not None and len(labels) > self.nodes:
            return line.problem(-1, f"this tree has {len(labels)} nodes, more than --data.nodes={self.nodes}")
        for node in range(len(labels)) if self.labels == "all" else (-1,):
            label = labels[node]
            if label is None:
                return line.problem(node, f"this node has no label{_WAY_OUT if self.labels == 'all' else ''}")
            if label not in classes:
                return line.problem(node, f"the label {label!r} is no class; the classes are {listed(classes)}")
        return line

    def _encoded(self, lines: Mapping[str, Sequence[Line]], classes: Sequence[str], form: TreeFormat) -> Dataset:
        """Returns the trees with the ids of all their words; `fitted` makes them those of train."""
        trees = {name: [line.tree for line in each] for name, each in lines.items()}
        nodes = self.nodes or max(len(tree.labels) for each in trees.values() for tree in each)
        form = dataclasses.replace(
            form,
            words=vocabulary(
                (word for each in trees.values() for tree in each for word in tree.words if word is not None), 1
            ),
        )
        words, classes_ = form.ids(), {name: number for number, name in enumerate(classes)}
        splits: dict[str, Split] = {}
        for name, each in trees.items():
            inputs, labels, lengths = encode(each, nodes, words.__getitem__, lambda label: classes_.get(label or "", 0))
            if self.labels == "root":
                labels = labels[np.arange(len(labels)), lengths - 1]
            splits[name] = {"inputs": inputs, "targets": labels, "lengths": lengths}
        shape = (nodes,) if self.labels == "all" else ()
        spec = Spec(splits["train"]["inputs"].shape[1:], "int32", Preprocess(cast="none"), shape, len(classes))
        return Dataset(
            spec=dataclasses.replace(spec, class_names=tuple(classes), trees=form),
            splits=splits,
            requested=self.requested,
            used=self.requested,
            fingerprint=fingerprint(splits["train"], splits.get("test"), splits.get("validation")),
            train_examples=len(lines["train"]),
        )

    def fitted(self, dataset: Dataset, notify: Notify) -> Dataset:
        form = dataset.spec.trees
        if form is None or dataset.substituted:
            return dataset
        known = [form.word(number) for number in _words(dataset.splits["train"])]
        kept = dataclasses.replace(form, words=vocabulary(known, self.min_count))
        if not kept.words:
            raise UserError(f"no word occurs {self.min_count} times in train: lower --data.min_count.")
        ids = kept.ids()
        table = np.array([0, UNKNOWN, *(ids.get(word, UNKNOWN) for word in form.words)], np.int32)
        splits: dict[str, Split] = {}
        for name, split in dataset.splits.items():
            inputs = split["inputs"].copy()
            inputs[..., 0] = table[inputs[..., 0]]
            splits[name] = {**split, "inputs": inputs}
        spec = dataclasses.replace(dataset.spec, trees=kept, vocabulary=vocabulary_size(kept, dataset.spec))
        return dataclasses.replace(dataset, spec=spec, splits=splits)

    def _stand_in(self, problem: UserError, data_dir: Path, notify: Notify) -> Dataset:
        stand_in = Subtraction()
        used = f"subtraction ({stand_in.train_examples:,} generated trees of digits to train on, no sentences)"
        way_out = ["give a file of trees with --data=trees:PATH", "--data.fallback=none makes this an error"]
        notify(banner(self.requested, [used], [str(problem)], way_out))
        return dataclasses.replace(stand_in.read(data_dir, notify), requested=self.requested)


_WAY_OUT = "; --data.labels=root needs none but the root's"


def vocabulary_size(form: TreeFormat, spec: Spec) -> int:
    """Returns the number of ids: those of words, or as many as trees have nodes, whose places are ids, too."""
    return max(UNKNOWN + 1 + len(form.words), *spec.input_shape[:1])


def _words(split: Split) -> list[int]:
    """Returns the ids of all words of a split, each as often as it occurs."""
    ids = split["inputs"][..., 0]
    found: list[int] = ids[ids > 0].tolist()
    return found


def _labels(lines: Sequence[Line | Problem], which: str) -> tuple[str, ...]:
    """Returns the different labels, whole numbers in their order and texts in alphabetical order."""
    found: set[str] = set()
    for line in lines:
        if isinstance(line, Line):
            labels = line.tree.labels if which == "all" else line.tree.labels[-1:]
            found.update(label for label in labels if label is not None)
    if all(label.removeprefix("-").isdecimal() for label in found):
        return tuple(sorted(found, key=lambda label: (int(label), label)))
    return tuple(sorted(found))
