"""What training minimises: losses as pure functions of outputs and targets.

Outputs are the result of a model's last layer, (batch, ..., outputs). Every loss is returned in float32, whatever the
dtype of the outputs: the 8 significant bits of bfloat16 are too few for a logarithm of a sum.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from jaxdl import fields
from jaxdl.errors import UserError

_TINY = 1.2e-38  # the least normal number of float32


def softmax_cross_entropy(logits: ArrayLike, labels: ArrayLike, label_smoothing: ArrayLike = 0.0) -> jax.Array:
    """Cross-entropy between the softmax of logits and class labels or class probabilities.

    Args:
        logits: (..., classes), two classes or more.
        labels: integers (...), or one-hot rows or probabilities (..., classes).
        label_smoothing: fraction of the target probability that is spread evenly over all classes (Szegedy et al. 2016,
            arXiv:1512.00567, section 7); may be traced.

    Returns:
        (...) float32, in nats.

    Raises:
        UserError: the shapes do not match, or there is only one class.
    """
    logits, labels = _checked(logits, labels)
    losses: jax.Array
    if labels.shape == logits.shape:
        losses = optax.losses.safe_softmax_cross_entropy(logits, labels.astype(jnp.float32))
    else:
        losses = optax.losses.softmax_cross_entropy_with_integer_labels(logits, labels)
    if not fields.enabled(label_smoothing):
        return losses
    # The smoothed target is a mixture, so its cross-entropy is a mixture of two; no one-hot rows are needed.
    uniform = -jnp.mean(jax.nn.log_softmax(logits), axis=-1)
    share: Any = label_smoothing  # with some of its types the product is not declared to be an array of JAX
    smoothed: jax.Array = (1 - share) * losses + share * uniform
    return smoothed


def _checked(logits: ArrayLike, labels: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Returns logits, float32, and labels; raises `UserError` unless these are classes or probabilities for them."""
    logits, labels = jnp.asarray(logits, jnp.float32), jnp.asarray(labels)
    if logits.shape[-1] < 2:
        raise UserError(
            "softmax cross-entropy needs at least 2 outputs, one for each class, and integers or texts as labels; for "
            "yes or no take sigmoid_cross_entropy, for numbers mean_squared_error."
        )
    numbers = labels.shape == logits.shape[:-1] and jnp.issubdtype(labels.dtype, jnp.integer)
    if not numbers and labels.shape != logits.shape:
        raise UserError(
            f"softmax cross-entropy: outputs of shape {logits.shape} need integer targets of shape {logits.shape[:-1]} "
            f"or probabilities of shape {logits.shape}, not {labels.dtype} of shape {labels.shape}."
        )
    return logits, labels


def focal(logits: ArrayLike, labels: ArrayLike, gamma: ArrayLike = 2.0) -> jax.Array:
    """Softmax cross-entropy in which each class counts ``(1 - p) ** gamma``, p its predicted probability.

    Lin et al. 2017, arXiv:1708.02002, for several classes. `gamma` may be traced.

    Args:
        logits: (..., classes), two classes or more.
        labels: integers (...), or one-hot rows or probabilities (..., classes).
        gamma: at least 0; 0 is the cross-entropy.

    Returns:
        (...) float32, in nats.

    Raises:
        UserError: as `softmax_cross_entropy`.
    """
    logits, labels = _checked(logits, labels)
    if labels.shape == logits.shape:
        return jnp.sum(labels * _of_sure(-jax.nn.log_softmax(logits), gamma), -1)
    return _of_sure(softmax_cross_entropy(logits, labels), gamma)


def _of_sure(losses: jax.Array, gamma: ArrayLike) -> jax.Array:
    """Returns losses ``-log p`` times ``(1 - p) ** gamma``, with a gradient that is finite at p = 1."""
    wrong = jnp.maximum(-jnp.expm1(-losses), _TINY)
    return jnp.exp(gamma * jnp.log(wrong)) * losses


def kl_divergence(logits: ArrayLike, labels: ArrayLike) -> jax.Array:
    """Kullback-Leibler divergence of the softmax of logits from probabilities of classes; arguments as in `focal`."""
    logits, labels = _checked(logits, labels)
    if labels.shape != logits.shape:  # the entropy of a label is 0
        return softmax_cross_entropy(logits, labels)
    found: jax.Array = optax.losses.kl_divergence(jax.nn.log_softmax(logits), labels.astype(jnp.float32))
    return found


def multiclass_hinge(scores: ArrayLike, labels: ArrayLike) -> jax.Array:
    """The largest of all other classes' scores plus 1, less that of the label, but at least 0; arguments as in `focal`.

    Crammer and Singer 2001, "On the algorithmic implementation of multiclass kernel-based vector machines"; of
    probabilities the most probable class is the label.
    """
    scores, labels = _checked(scores, labels)
    labels = jnp.argmax(labels, -1) if labels.shape == scores.shape else labels
    found: jax.Array = optax.losses.multiclass_hinge_loss(scores, labels)
    return found


def sigmoid_cross_entropy(logits: ArrayLike, targets: ArrayLike, label_smoothing: ArrayLike = 0.0) -> jax.Array:
    """Cross-entropy between the sigmoid of logits and yes-or-no targets; each output is a separate question.

    Args:
        logits: (..., outputs).
        targets: 0, 1 or a probability; (..., outputs), or (...) for a single output.
        label_smoothing: fraction by which targets move towards one half; may be traced.

    Returns:
        (...) float32, in nats, averaged over the outputs.

    Raises:
        UserError: the shapes do not match.
    """
    logits, targets = aligned(logits, targets)
    if fields.enabled(label_smoothing):
        targets = (1 - label_smoothing) * targets + label_smoothing / 2
    return jnp.mean(optax.losses.sigmoid_binary_cross_entropy(logits, targets), axis=-1)


def sigmoid_focal(logits: ArrayLike, targets: ArrayLike, gamma: ArrayLike = 2.0) -> jax.Array:
    """Sigmoid cross-entropy in which an answer counts less the surer it is, see `focal`; otherwise as there."""
    return jnp.mean(optax.losses.sigmoid_focal_loss(*aligned(logits, targets), gamma=gamma), axis=-1)


def hinge(scores: ArrayLike, targets: ArrayLike, squared: bool = False) -> jax.Array:
    """How far a score is from being above 1 for yes, or below -1 for no; shapes as in `sigmoid_cross_entropy`.

    Targets above one half are yes.
    """
    scores, targets = aligned(scores, targets)
    found = optax.losses.hinge_loss(scores, jnp.where(targets > 0.5, 1.0, -1.0))
    return jnp.mean(found**2 if squared else found, axis=-1)


def squared_error(outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
    """Squared difference.

    Args:
        outputs: (..., outputs).
        targets: (..., outputs), or (...) for a single output.

    Returns:
        (...) float32, averaged over the outputs.

    Raises:
        UserError: the shapes do not match.
    """
    return jnp.mean(optax.losses.squared_error(*aligned(outputs, targets)), axis=-1)


def absolute_error(outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
    """Absolute difference; shapes and errors as in `squared_error`."""
    outputs, targets = aligned(outputs, targets)
    return jnp.mean(jnp.abs(outputs - targets), axis=-1)


def absolute_percentage_error(outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
    """Absolute difference as a share of the target's size; shapes and errors as in `squared_error`.

    A target below 2.2e-16 counts as one of that size, as in scikit-learn.
    """
    outputs, targets = aligned(outputs, targets)
    return jnp.mean(jnp.abs(outputs - targets) / jnp.maximum(jnp.abs(targets), 2.220446e-16), axis=-1)


def huber(outputs: ArrayLike, targets: ArrayLike, delta: ArrayLike = 1.0) -> jax.Array:
    """Half the squared difference up to `delta`, and linear beyond it; shapes and errors as in `squared_error`.

    Huber 1964, "Robust estimation of a location parameter". `delta` has the unit of the targets and may be traced.
    """
    outputs, targets = aligned(outputs, targets)
    return jnp.mean(optax.losses.huber_loss(outputs, targets, delta=delta), axis=-1)


def log_cosh(outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
    """Logarithm of the hyperbolic cosine of the difference; shapes and errors as in `squared_error`."""
    return jnp.mean(optax.losses.log_cosh(*aligned(outputs, targets)), axis=-1)


def poisson(outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
    """``exp(output) - target * output``: for logarithms of expected counts; shapes and errors as in `squared_error`.

    Minus the logarithm of the Poisson distribution, less ``log(target!)``.
    """
    outputs, targets = aligned(outputs, targets)
    return jnp.mean(jnp.exp(outputs) - targets * outputs, axis=-1)


def cosine_distance(outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
    """One minus the cosine of the angle between outputs and targets, (..., outputs) each; (...) float32.

    A vector shorter than 1e-6 counts as one of that length, as in Keras.
    """
    found: jax.Array = optax.losses.cosine_distance(*aligned(outputs, targets), epsilon=1e-12)
    return found


def without_axis_of_one(outputs: ArrayLike) -> jax.Array:
    """Returns outputs (..., outputs) in float32; a single output has no last axis any more."""
    outputs = jnp.asarray(outputs, jnp.float32)
    return outputs[..., 0] if outputs.shape[-1] == 1 else outputs


def aligned(outputs: ArrayLike, targets: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Casts outputs and targets to float32 and reshapes both to (..., outputs).

    Args:
        outputs: (..., outputs), or (batch,).
        targets: as the outputs; a single output's last axis may be missing.

    Raises:
        UserError: the shapes do not match. Broadcasting (batch, 1) against (batch,) would silently compare
            every example with every other.
    """
    outputs, targets = jnp.asarray(outputs, jnp.float32), jnp.asarray(targets, jnp.float32)
    if outputs.ndim == 1:
        outputs = outputs[:, None]
    if outputs.shape == (*targets.shape, 1):
        targets = targets[..., None]
    if outputs.shape != targets.shape:
        raise UserError(
            f"outputs of shape {outputs.shape} do not fit targets of shape {targets.shape}: choose an objective and "
            "metrics for this kind of target, or another number of outputs."
        )
    return outputs, targets
