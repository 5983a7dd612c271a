"""The small tables that come with scikit-learn."""

from __future__ import annotations

import dataclasses
import importlib.util
from abc import abstractmethod
from pathlib import Path
from typing import final

import numpy as np

from jaxdl.data.preprocess import Preprocess
from jaxdl.data.source import Notify, OwnFiles
from jaxdl.data.spec import Column, Dataset, Spec, fingerprint
from jaxdl.data.tabular import fitted
from jaxdl.errors import UserError
from jaxdl.fields import described, static


def data_file(name: str) -> Path:
    """Returns a data file of scikit-learn; importing scikit-learn for it would take longer than training.

    Raises:
        UserError: scikit-learn is not installed.
    """
    package = importlib.util.find_spec("sklearn")
    for folder in (package.submodule_search_locations or ()) if package else ():
        file = Path(folder) / "datasets" / "data" / name
        if file.is_file():
            return file
    raise UserError(f"{name} is part of scikit-learn, which is not installed: pip install 'scikit-learn>=1.5'.")


@described
@dataclasses.dataclass(frozen=True, kw_only=True)
class Sample(OwnFiles):
    """A table of scikit-learn. Inputs are (rows, columns) float32 in their own units; it is cut as `Table` is."""

    standardize: bool = static(
        True, "whether numbers, of inputs and to be predicted, are standardised by the mean and deviation of train"
    )

    @property
    def requested(self) -> str:
        return type(self).__name__.lower()

    @abstractmethod
    def rows(self) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
        """Returns inputs (rows, columns), targets (rows,) as text for classes, and the names of the columns."""

    def spec(self, data_dir: Path) -> Spec:
        return self.load(data_dir, None).spec

    def read(self, data_dir: Path, notify: Notify) -> Dataset:
        inputs, targets, names = self.rows()
        classes: tuple[str, ...] = ()
        if targets.dtype.kind == "U":
            found, targets = np.unique(targets, return_inverse=True)
            classes = tuple(map(str, found))
        train = {
            "inputs": inputs.astype(np.float32),
            "targets": targets.astype(np.int32 if classes else np.float32),
        }
        columns = tuple(map(Column, names))
        return Dataset(
            spec=Spec((len(names),), "float32", Preprocess(), (), len(classes) or 1, classes, columns=columns),
            splits={"train": train},
            requested=self.requested,
            used=self.requested,
            fingerprint=fingerprint(train),
            train_examples=len(inputs),
        )

    def fitted(self, dataset: Dataset, notify: Notify) -> Dataset:
        return fitted(dataset, self.standardize, notify)


def _with_classes(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns inputs and classes of a file whose first line holds two sizes and the names of the classes."""
    with open(data_file(name), encoding="utf-8") as file:
        classes = np.array(file.readline().strip().split(",")[2:])
        rows = np.loadtxt(file, delimiter=",")
    return rows[:, :-1], classes[rows[:, -1].astype(int)]


@final
@described
@dataclasses.dataclass(frozen=True)
class Iris(Sample):
    """150 iris flowers of three species, by length and width of sepals and petals in cm.

    Source: Fisher 1936, The use of multiple measurements in taxonomic problems. As in scikit-learn, two flowers are
    corrected to what Fisher's paper says.
    """

    def rows(self) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
        names = ("sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)")
        return *_with_classes("iris.csv"), names


@final
@described
@dataclasses.dataclass(frozen=True)
class Wine(Sample):
    """178 wines from three growers, by 13 chemical measurements. Source: Forina et al., PARVUS (UCI, 1991)."""

    def rows(self) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
        names = (
            *("alcohol", "malic_acid", "ash", "alcalinity_of_ash", "magnesium", "total_phenols", "flavanoids"),
            *("nonflavanoid_phenols", "proanthocyanins", "color_intensity", "hue", "od280/od315_of_diluted_wines"),
            "proline",
        )
        return *_with_classes("wine_data.csv"), names


@final
@described
@dataclasses.dataclass(frozen=True)
class BreastCancer(Sample):
    """569 tumours, benign or malignant, by ten measurements of their cells: mean, standard error and worst of each.

    Source: Wolberg, Mangasarian, Street and Street, Breast Cancer Wisconsin (Diagnostic) (UCI, 1993).
    """

    @property
    def requested(self) -> str:
        return "breast_cancer"

    def rows(self) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
        cells = (
            *("radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity", "concave points"),
            *("symmetry", "fractal dimension"),
        )
        forms = ("mean {}", "{} error", "worst {}")
        return *_with_classes("breast_cancer.csv"), tuple(form.format(cell) for form in forms for cell in cells)


@final
@described
@dataclasses.dataclass(frozen=True)
class Diabetes(Sample):
    """442 patients: how far diabetes has progressed a year later (25 to 346), by age, sex and eight measurements.

    Source: Efron, Hastie, Johnstone and Tibshirani 2004, Least angle regression. The inputs are in their own units, as
    from scikit-learn's ``load_diabetes(scaled=False)``.
    """

    def rows(self) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
        names = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")
        return np.loadtxt(data_file("diabetes_data_raw.csv.gz")), np.loadtxt(data_file("diabetes_target.csv.gz")), names
