"""What holds for every objective."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.objectives import OBJECTIVES
from jaxdl.objectives.objective import Objective


@pytest.mark.parametrize("name", OBJECTIVES.members)
def test_metrics_see_the_outputs_unless_they_stand_for_other_numbers(name: str) -> None:
    objective: Objective = OBJECTIVES.make(name)
    outputs = jnp.array([[0.5, -1.0], [2.0, 3.0]])
    expected = np.exp(outputs) if name == "poisson" else outputs
    np.testing.assert_allclose(objective.measured(outputs), expected, rtol=1e-6)
    assert objective.for_evaluation().kind == objective.kind
    assert objective.aligns == (name == "ctc")
    assert objective.standardizes == (name not in ("poisson", "cosine_similarity"))
