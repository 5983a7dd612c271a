"""Several inputs: an augmentation for each."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import jax

from jaxdl.augment.augmenter import Augmenter
from jaxdl.augment.own import augmentation
from jaxdl.data.named import full_name, names_of, put_back, view
from jaxdl.data.preprocess import Preprocess
from jaxdl.data.spec import Spec
from jaxdl.errors import UserError, unknown
from jaxdl.fields.named import Named, named_class


class Several(Named):
    """An augmentation for each of several inputs, by their names; inputs that are not named stay as they are."""

    def check(self, spec: Spec) -> None:
        """Checks that each fits its input.

        Raises:
            UserError: one does not, or there is no such input.
        """
        inputs = dict(spec.inputs)
        for name, each in self.parts.items():
            if name not in inputs:
                raise unknown("input in augmentation:", name, inputs)
            each.check(inputs[name])

    def apply(self, batch: Mapping[str, jax.Array], preprocess: Preprocess, key: jax.Array) -> Mapping[str, jax.Array]:
        raise TypeError("each of several inputs has an augmentation of its own: see `augmented`")

    def __reduce__(self) -> Any:
        return augmentations, (self.parts,)


@functools.cache
def _kind(names: tuple[str, ...]) -> type:
    from jaxdl.augment import AUGMENTATIONS  # here, since it names this module

    return named_class(Several, AUGMENTATIONS, names)


def augmentations(parts: Mapping[str, Any]) -> Several:
    """Returns the augmentation of several inputs.

    Args:
        parts: an augmentation for each input that has one, by the name of the input; or the name of one, or a function
            as `jaxdl.augmentation` takes it.

    Raises:
        UserError: a part is no augmentation.
    """
    taken = {name: _taken(name, each) for name, each in parts.items()}
    made: Several = _kind(tuple(taken))(**taken)
    return made


def _taken(name: str, given: Any) -> Augmenter:
    from jaxdl.augment import AUGMENTATIONS  # here, since it names this module

    if isinstance(given, str):
        given = AUGMENTATIONS.make(given)
    elif isinstance(given, type) and issubclass(given, Augmenter):
        given = given()
    elif callable(given) and not isinstance(given, type | Augmenter):
        given = augmentation(given)()
    if isinstance(given, type | Several) or not isinstance(given, Augmenter):
        raise UserError(f"the augmentation of {name} must be one such as jaxdl.Augmentation(shift=2).")
    return given


def check_several(augmentation: Augmenter, none: Augmenter, spec: Spec) -> None:
    """Checks the augmentation of data with several inputs or targets.

    Args:
        augmentation: that of the recipe.
        none: one that changes nothing.
        spec: describes the data.

    Raises:
        UserError: it does not fit, or it would mix examples, whose targets are several.
    """
    if spec.inputs and not isinstance(augmentation, Several):
        if augmentation != none:
            names = ", ".join(name for name, _ in spec.inputs)
            raise UserError(f"augmentation: there are several inputs ({names}); give a dictionary by their names.")
        return
    augmentation.check(spec)
    for each in augmentation.parts.values() if isinstance(augmentation, Several) else [augmentation]:
        mixing = [name for name in ("mixup", "cutmix") if getattr(each, name, 0)]
        if mixing:
            raise UserError(
                f"augmentation.{mixing[0]}: examples of several inputs or targets are not mixed; leave it out."
            )


def augmented(
    augmentation: Augmenter, none: Augmenter, batch: Mapping[str, jax.Array], spec: Spec, key: jax.Array
) -> dict[str, jax.Array]:
    """Returns a batch of several inputs or targets, preprocessed and with the random changes of each input.

    Masks are moved with the images that they belong to. A batch of each input gets a key of its own.
    """
    parts = augmentation.parts if isinstance(augmentation, Several) else {}
    changed = dict(batch)
    inputs = spec.inputs or (("", spec),)
    for number, (name, of_input) in enumerate(inputs):
        own = parts.get(name, none) if spec.inputs else augmentation
        of_own = jax.random.fold_in(key, number)
        belonging = [target for target, each in spec.by_target.items() if each.of_input == name]
        for target in belonging or names_of(batch, "targets")[:1]:
            # The same key moves the images of each call in the same way; the compiler computes them once.
            given = view(batch, name, target)
            found = dict(own.apply(given, of_input.preprocess, of_own))
            targets = found.pop("targets")
            changed = put_back(changed, found, name)
            if belonging:
                changed[full_name("targets", target)] = targets
    return changed
