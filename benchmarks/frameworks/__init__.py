"""The compared frameworks: each a module with ``run(task, recorder)``, which trains and reports to the recorder.

Each is written as a competent user would write it for speed with ordinary means; each module's docstring says what that
means. All use the same arrays, start from their own default initialisation, and read no number from the device while an
epoch runs. Peers keep their inputs as float32, converted once before the training.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Framework:
    """One way to train.

    Attributes:
        module: the module that trains.
        imports: packages that it imports.
        distributions: installed distributions whose versions are recorded.
    """

    module: str
    imports: tuple[str, ...]
    distributions: tuple[str, ...]


_KERAS = "benchmarks.frameworks.keras_"
_TORCH = Framework("benchmarks.frameworks.torch_", ("torch",), ("torch", "numpy"))

FRAMEWORKS: dict[str, Framework] = {
    "jaxdl": Framework(
        "benchmarks.frameworks.jaxdl_", ("jaxdl", "jax", "flax", "optax"), ("jax", "jaxlib", "flax", "optax", "numpy")
    ),
    "keras-tensorflow": Framework(_KERAS, ("keras", "tensorflow"), ("keras", "tensorflow", "numpy")),
    "keras-jax": Framework(_KERAS, ("keras", "jax"), ("keras", "jax", "jaxlib", "numpy")),
    "keras-torch": Framework(_KERAS, ("keras", "torch"), ("keras", "torch", "numpy")),
    "torch": _TORCH,
    "torch-compile": _TORCH,
    "flax": Framework(
        "benchmarks.frameworks.flax_", ("jax", "flax", "optax"), ("jax", "jaxlib", "flax", "optax", "numpy")
    ),
}


def named(name: str) -> list[str]:
    """Returns the frameworks for a name: the one with that name, and those with it as a part of theirs.

    ``torch`` is ``torch``, ``torch-compile`` and ``keras-torch``; ``keras`` is Keras on each backend.
    """
    return [framework for framework in FRAMEWORKS if name == framework or name in framework.split("-")]
