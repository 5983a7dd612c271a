"""Mixes each example of a batch with its neighbour: all over (mixup) or in a box (cutmix).

A batch is in random order, so its neighbour is a random other example; torchvision pairs examples in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jaxdl.augment import boxes
from jaxdl.fields import enabled


def mixed(
    batch: Mapping[str, jax.Array], mixup: Any, cutmix: Any, key_of: Callable[[int], jax.Array]
) -> dict[str, jax.Array]:
    """Returns a batch of images in which each is mixed with the one before it.

    With mixup (Zhang et al. 2018, arXiv:1710.09412) both are added with the shares s and 1 - s, where s is drawn from
    Beta(mixup, mixup); with cutmix (Yun et al. 2019, arXiv:1905.04899) a box with the share 1 - s of the area, s from
    Beta(cutmix, cutmix), is taken from the other. If both are enabled, each example gets one of them, with probability
    1/2, as in timm. In place of a permutation of the batch and, in the authors' code, one s for all of it, each example
    has its neighbour and its own s.

    Args:
        batch: ``inputs`` (batch, height, width, channels) float32; ``targets``, masks if they are (batch, height,
            width); optionally ``weights`` (batch,).
        mixup, cutmix: the parameters of the distributions, above 0 or not enabled; may be traced.
        key_of: returns the random key of a number, of which 13 to 16 are used here.

    Returns:
        The batch, with the mixed ``inputs`` and ``weights``. Labels are mixed by the objective: ``other_targets`` has
        the targets of the other examples and ``share`` float32 how much the own ones count: (batch,), which for cutmix
        is the part of the area that is left, or of masks (batch, height, width). With cutmix alone, masks are cut and
        pasted as images are.
    """
    inputs, targets = batch["inputs"], batch["targets"]
    share = _shares(inputs.shape[:3], mixup, cutmix, key_of)
    of_example = share.mean((1, 2))
    changed = {**batch, "inputs": _mean(share, inputs)}
    if "weights" in batch:
        changed["weights"] = _mean(of_example, batch["weights"])
    if is_mask(batch) and not enabled(mixup):
        return changed | {"targets": jnp.where(share > 0, targets, _other(targets))}
    return changed | {"other_targets": _other(targets), "share": share if is_mask(batch) else of_example}


def is_mask(batch: Mapping[str, jax.Array]) -> bool:
    """Returns whether the targets of a batch of images are masks: a number for each pixel."""
    targets = batch.get("targets")
    return targets is not None and targets.shape == batch["inputs"].shape[:3]


def _shares(shape: tuple[int, ...], mixup: Any, cutmix: Any, key_of: Callable[[int], jax.Array]) -> jax.Array:
    """Draws how much of each pixel is the image's own, (batch, height, width) float32."""
    batch, height, width = shape

    if enabled(mixup):
        added = jnp.broadcast_to(_beta(key_of(13), mixup, batch)[:, None, None], shape)
    if not enabled(cutmix):
        return added
    pasted = 1 - boxes.patches(key_of(15), 1 - _beta(key_of(14), cutmix, batch), height, width).astype(jnp.float32)
    if not enabled(mixup):
        return pasted
    adds = jax.random.bernoulli(key_of(16), jnp.float32(0.5), (batch, 1, 1))
    return jnp.where(adds, added, pasted)


def _beta(key: jax.Array, parameter: Any, count: int) -> jax.Array:
    """Draws from Beta(parameter, parameter), (count,) float32.

    With uniform u and v, ``sqrt(2 a (u ** (-1 / a) - 1)) cos(2 pi v)`` has Student's t distribution with 2 a degrees of
    freedom (Bailey 1994, Polar generation of random variates with the t-distribution), and ``1/2 + t / (2 sqrt(2 a + t
    ** 2))`` is then Beta(a, a) (Devroye 1996, Random variate generation in one line of code). `jax.random.beta` draws
    and rejects in a loop, which takes ten times as long to compile, and longer to run.
    """
    u, v = jax.random.uniform(key, (2, count), jnp.float32)
    cosine = jnp.cos(2 * jnp.pi * v)
    inverse = 1 / jnp.expm1(-jnp.log(u) / parameter)
    return 0.5 + 0.5 * cosine / jnp.sqrt(jnp.maximum(inverse + cosine**2, 1e-30))


def _mean(share: jax.Array, own: jax.Array) -> jax.Array:
    """Returns own values and those of the other examples, added with their shares."""
    share = share.reshape(share.shape + (1,) * (own.ndim - share.ndim))
    return share * own + (1 - share) * _other(own)


def _other(values: jax.Array) -> jax.Array:
    return jnp.roll(values, 1, 0)
