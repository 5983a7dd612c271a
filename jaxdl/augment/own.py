"""Augmentations of one's own: what `jaxdl.augmentation` makes of a function."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, overload

import jax
import jax.numpy as jnp

from jaxdl.augment.augmenter import Augmenter
from jaxdl.data.preprocess import Preprocess
from jaxdl.data.spec import Spec
from jaxdl.errors import UserError
from jaxdl.fields.function import FromFunction, Kind, kind_of


class FromAugmentation(FromFunction):
    """Base of the classes that `augmentation` makes.

    Attributes:
        each: whether the function is for one example, not for a batch.
        with_targets: whether it takes and returns the targets, too.
    """

    each: ClassVar[bool]
    with_targets: ClassVar[bool]

    def check(self, spec: Spec) -> None:
        """Takes examples of any kind: what does not fit shows when the step is compiled."""

    def apply(self, batch: Mapping[str, jax.Array], preprocess: Preprocess, key: jax.Array) -> dict[str, jax.Array]:
        """Returns the batch with its inputs preprocessed and then changed by the function.

        Raises:
            UserError: the function returns another shape.
        """
        changed = preprocess.of_batch(batch)
        names = ("inputs", "targets") if self.with_targets else ("inputs",)
        before = [changed[name] for name in names]
        run = functools.partial(self.function, **self.own_values)
        after = jax.vmap(run)(*before, jax.random.split(key, len(before[0]))) if self.each else run(*before, key)
        after = after if self.with_targets else (after,)
        if not isinstance(after, tuple) or len(after) != len(before):
            raise UserError(f"{self.place} must return the pair (inputs, targets).")
        for name, old, new in zip(names, before, map(jnp.asarray, after), strict=True):
            if new.shape != old.shape:
                raise UserError(f"{self.place} returned {name} of shape {new.shape} for {name} of shape {old.shape}.")
            changed[name] = new.astype(old.dtype)
        return changed


@overload
def augmentation(function: Callable[..., Any]) -> Kind[..., Augmenter]: ...


@overload
def augmentation(*, each: bool) -> Callable[[Callable[..., Any]], Kind[..., Augmenter]]: ...


def augmentation(function: Any = None, *, each: bool = False) -> Any:
    """Makes an augmentation of a function ``f(inputs, key, *, ...)`` that changes training batches at random.

    ``noise(sigma=0.2)`` is then a part for ``Experiment(augmentation=...)``, and ``noise.function`` the plain function.
    It runs inside the compiled step. Keyword arguments are its fields, as for `jaxdl.loss`.

    Args:
        function: takes the inputs of a batch, (batch, ...) as the model sees them, and a random key, another one in
            each step; returns inputs of the same shape. If its second argument is named ``targets``, it is
            ``f(inputs, targets, key, *, ...)``, and returns both.
        each: the function is for one example, and each gets a key of its own.

    Raises:
        UserError: the function takes other arguments.
    """
    if function is None:
        return functools.partial(augmentation, each=each)
    return _augmentation(function, each)


@functools.cache
def _augmentation(function: Callable[..., Any], each: bool) -> Kind[..., Augmenter]:
    with_targets = list(inspect.signature(function).parameters)[1:2] == ["targets"]
    arguments = ("inputs", "targets", "key") if with_targets else ("inputs", "key")
    about = {"each": each, "with_targets": with_targets}
    made: Any = kind_of(function, FromAugmentation, arguments, namespace=about)
    return made  # type: ignore[no-any-return]


def made(given: Any) -> Any:
    """Returns the augmentation of a function, or of what `augmentation` made of one; anything else as it is."""
    if isinstance(given, type) and issubclass(given, FromAugmentation):
        return given()
    if callable(given) and not isinstance(given, type | FromFunction):
        return augmentation(given)()
    return given
