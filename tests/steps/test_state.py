"""The training state, and what is carried beside the optimizer's own state."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

import jaxdl
from jaxdl.steps.state import parted, with_others
from tests.steps.test_functions import SPEC, batch, experiment


def test_what_is_carried_beside_the_optimizers_state_comes_apart_again() -> None:
    own = experiment(optimizer=jaxdl.Adam()).optimizer.transformation(10).init({"kernel": jnp.zeros(3)})
    others = {"loss_scale": jnp.ones(())}
    assert parted(with_others(own, others)) == (own, others)
    assert with_others(own, {}) is own
    assert parted(own) == (own, {})


def test_without_flags_a_state_and_its_step_have_nothing_more_than_before_there_were_flags() -> None:
    """Checkpoints of earlier runs have this structure, and no program computes more than they did."""
    recipe = experiment(optimizer=jaxdl.SGD(momentum=0.9))
    steps = jaxdl.make_steps(recipe, SPEC, 10)
    state = steps.init_state(0)
    names = [jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in jax.tree.leaves_with_path(state)]
    assert names == [
        "step",
        "params/output/bias",
        "params/output/kernel",
        "opt_state/2/0/trace/output/bias",
        "opt_state/2/0/trace/output/kernel",
        "opt_state/3/count",
        "key",
    ]
    program = jax.make_jaxpr(steps.train_step)(state, batch(), jaxdl.hyperparameters(recipe))
    assert {"loss", "accuracy"} == steps.train_step(state, batch(), jaxdl.hyperparameters(recipe))[1].keys()
    text = str(program)
    assert "scan" not in text and "checkpoint" not in text and "remat" not in text
    assert text.count("dot_general") == 2  # forwards and for the kernel's gradient


def test_a_state_holds_arrays_alone() -> None:
    state = jaxdl.make_steps(experiment(), SPEC, 10).init_state(0)
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(state))
    assert state.step.dtype == np.int32
