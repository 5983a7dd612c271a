"""What a command prints or writes without an experiment: versions, and a new recipe."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from pathlib import Path

from jaxdl.errors import UserError
from jaxdl.files.atomic import named_cause

_RECIPE = '''"""One line that says what this experiment is.

    python {program} --experiment={name}
"""

from flax import linen as nn

import jaxdl
from jaxdl.fields import static, traced
from jaxdl.models.layers import Dropout


class Own(nn.Module):
    """A model of your own: its fields are flags, such as --units=64 and --dropout=0.5."""

    units: int = static(128, "units of the hidden layer")
    outputs: int | None = static(None, "size of the last layer; none: follows the data")
    dropout: float = traced(0.2, "fraction of the units that are dropped in training")

    @nn.compact
    def __call__(self, inputs, *, train=False, lengths=None):
        hidden = inputs.reshape(len(inputs), -1)
        hidden = nn.relu(nn.Dense(self.units)(hidden))
        hidden = Dropout(self.dropout)(hidden, train)
        return nn.Dense(self.outputs)(hidden)


def {name}() -> jaxdl.Experiment:
    """Returns the recipe."""
    return jaxdl.Experiment(
        name="{name}",
        data=jaxdl.Digits(),
        model=Own(),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(learning_rate=1e-3),
        training=jaxdl.Training(epochs=10, batch_size=32),
    )
'''


def version_text() -> str:
    """Returns the versions of jaxdl, JAX and Python, in one line."""
    own = sys.modules["jaxdl"].__version__  # that of an editable installation is of its day
    others = [f"{name} {importlib.metadata.version(name)}" for name in ("jax", "jaxlib", "flax", "optax")]
    return f"jaxdl {own} ({', '.join([*others, f'Python {platform.python_version()}'])})"


def write_recipe(name: str, folder: Path) -> str:
    """Writes a recipe to change; returns what to do next.

    Args:
        name: of the experiment, and of the file.
        folder: for the file; created where it is not there.

    Raises:
        UserError: the name is none that Python allows for a function, there is such a file, or it cannot be written.
    """
    from jaxdl.cli.argv import program

    if not name.isidentifier() or not name.isascii() or name.startswith("_"):
        raise UserError(f"--new={name}: must be a name of letters, digits and underscores, such as my_cnn.")
    path, start = folder / f"{name}.py", " ".join(program())
    with named_cause(path, "write"):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(_RECIPE.format(name=name, program=start))
        except FileExistsError as error:
            raise UserError(f"{path} is there already: take another name.") from error
    return f"{path} is written. Change it, and train: python {start} --experiment={name}"
