"""Schedules against formulas written out in NumPy, at every step of trainings of any length."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import jax
import numpy as np
import pytest
from hypothesis import given

from jaxdl import fields
from jaxdl.errors import UserError
from jaxdl.optim.schedules import SCHEDULES, Constant, Cosine, Exponential, OneCycle, Piecewise, Schedule

SHARES = st.floats(0, 0.99)
LONGEST = 200
TOTALS = st.integers(1, LONGEST)


def factors(schedule: Schedule, total_steps: int) -> np.ndarray:
    """All factors of a training and the one after its last step, from one call on as many counts as any training has.

    The same shape each time lets JAX compile each operation once for all cases.
    """
    counts = np.arange(LONGEST + 1, dtype=np.int32)
    values = jax.vmap(schedule.factor(total_steps))(counts)
    return np.broadcast_to(np.asarray(values, np.float64), counts.shape)[: total_steps + 1]


def warmup_steps(share: float, total_steps: int) -> int:
    return min(round(share * total_steps), total_steps - 1)


def expected(after: np.ndarray, warmup: int) -> np.ndarray:
    """A line from 0 to the first factor, then all factors that fit."""
    return np.concatenate([after[0] * np.arange(warmup) / max(warmup, 1), after])


@given(total=TOTALS, warmup=SHARES)
def test_constant_is_a_line_from_zero_and_then_one(total: int, warmup: float) -> None:
    steps = warmup_steps(warmup, total)
    after = np.ones(total + 1 - steps)
    np.testing.assert_allclose(factors(Constant(warmup), total), expected(after, steps), atol=1e-6)


@given(total=TOTALS, warmup=SHARES, final=st.floats(0, 1))
def test_cosine_falls_along_half_a_cosine(total: int, warmup: float, final: float) -> None:
    steps = warmup_steps(warmup, total)
    share = np.arange(total + 1 - steps) / (total - steps)
    after = final + (1 - final) * (1 + np.cos(np.pi * share)) / 2
    np.testing.assert_allclose(factors(Cosine(warmup, final), total), expected(after, steps), atol=1e-6)


@given(total=TOTALS, warmup=SHARES, rate=st.floats(0.01, 1.5), every=st.floats(0.05, 1), staircase=st.booleans())
def test_exponential_multiplies_the_rate_in(
    total: int, warmup: float, rate: float, every: float, staircase: bool
) -> None:
    steps = warmup_steps(warmup, total)
    exponent = np.arange(total + 1 - steps) / max(1, round(every * total))
    after = rate ** (np.floor(exponent) if staircase else exponent)
    # Float32 rounds the exponent, by up to 20, before the power: hence a relative tolerance.
    schedule = Exponential(warmup, rate, every, staircase)
    np.testing.assert_allclose(factors(schedule, total), expected(after, steps), rtol=1e-4, atol=1e-12)


@pytest.mark.parametrize("total_steps", [41, 61, 121])
def test_a_compiled_staircase_steps_down_exactly_where_a_share_is_done(total_steps: int) -> None:
    factor = jax.jit(Exponential(rate=0.5, staircase=True).factor(total_steps))
    assert [float(factor(total_steps + offset)) for offset in (-1, 0, 1)] == [1, 0.5, 0.5]


@given(
    total=TOTALS,
    warmup=SHARES,
    pieces=st.lists(st.tuples(st.floats(0.01, 0.99), st.floats(0, 2)), max_size=4, unique_by=lambda piece: piece[0]),
)
def test_piecewise_changes_once_each_share_is_done(
    total: int, warmup: float, pieces: list[tuple[float, float]]
) -> None:
    pieces = sorted(pieces)
    schedule = Piecewise(warmup, tuple(b for b, _ in pieces), tuple(f for _, f in pieces))
    steps = warmup_steps(warmup, total)
    after = [([1.0] + [f for b, f in pieces if step >= b * total - 1e-6])[-1] for step in range(steps, total + 1)]
    np.testing.assert_allclose(factors(schedule, total), expected(np.array(after), steps), atol=1e-6)


def test_piecewise_factors_are_shares_of_the_peak_at_whole_steps() -> None:
    schedule = Piecewise(boundaries=(0.3, 0.7), factors=(0.5, 0.0))
    np.testing.assert_array_equal(factors(schedule, 10), [1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0, 0, 0, 0])
    of_a_hundred = factors(Piecewise(boundaries=(0.07,), factors=(0.5,)), 100)
    np.testing.assert_array_equal(of_a_hundred, [1] * 7 + [0.5] * 94)  # though 0.07 * 100 > 7


@given(total=TOTALS, warmup=SHARES, start=SHARES, divisor=st.floats(2, 50), final=st.floats(10, 1e4))
def test_one_cycle_rises_and_falls_along_cosines(
    total: int, warmup: float, start: float, divisor: float, final: float
) -> None:
    steps = warmup_steps(warmup, total)
    length = total - steps
    peak = int(start * length)
    count = np.arange(length + 1)

    def cosine(low: float, high: float, share: np.ndarray) -> np.ndarray:
        return high + (low - high) * (1 + np.cos(np.pi * share)) / 2

    rise = cosine(1 / divisor, 1, count / max(peak, 1))
    fall = cosine(1, 1 / (divisor * final), (count - peak) / (length - peak))
    after = np.where(count < peak, rise, fall)
    schedule = OneCycle(warmup, start, divisor, final)
    np.testing.assert_allclose(factors(schedule, total), expected(after, steps), atol=2e-6)


@pytest.mark.parametrize("name", SCHEDULES.members)
@pytest.mark.parametrize("total_steps", [1, 2, 3])
@pytest.mark.parametrize("warmup", [0.0, 0.5, 0.99])
def test_tiny_trainings_have_finite_factors_and_learn_something(name: str, total_steps: int, warmup: float) -> None:
    values = factors(SCHEDULES.members[name](warmup=warmup), total_steps)[:-1]
    assert np.all(values >= 0)  # so none is NaN
    assert np.all(values <= 1)
    assert values.max() > 0


@pytest.mark.parametrize("name", SCHEDULES.members)
def test_a_schedule_compiles_with_a_traced_count_and_starts_from_zero_with_warmup(name: str) -> None:
    factor = SCHEDULES.members[name](warmup=0.25).factor(8)
    compiled = jax.jit(factor)
    for count in range(9):
        assert float(compiled(count)) == pytest.approx(float(factor(count)), abs=1e-6)
    assert float(compiled(0)) == 0


def test_a_schedule_can_be_made_in_one_program_and_used_in_another() -> None:
    made = []
    jax.jit(lambda: made.append(OneCycle(warmup=0.5).factor(40)) or 0)()  # type: ignore[func-returns-value]
    assert math.isclose(float(jax.jit(made[0])(20)), 0.04, rel_tol=1e-5)


def test_piecewise_refuses_unequal_lists() -> None:
    with pytest.raises(UserError, match=r"schedule\.boundaries=0\.5 and schedule\.factors=0\.1,0\.01"):
        Piecewise(boundaries=(0.5,)).factor(10)


@pytest.mark.parametrize(
    ("schedule", "field", "value"),
    [
        (Constant(), "warmup", 1.0),
        (Constant(), "warmup", -0.1),
        (Cosine(), "final", -1.0),
        (Exponential(), "rate", 0.0),
        (Exponential(), "every", 0.0),
        (Exponential(), "staircase", 1),
        (Piecewise(), "boundaries", (0.7, 0.5)),
        (Piecewise(), "boundaries", (0.5, 1.0)),
        (Piecewise(), "factors", (-0.1,)),
        (OneCycle(), "start", 1.0),
        (OneCycle(), "divisor", 0.0),
        (OneCycle(), "final_divisor", -1.0),
    ],
)
def test_checks_refuse_bad_values(schedule: Schedule, field: str, value: object) -> None:
    [declared] = [f for f in fields.own_fields(schedule) if f.path == field]
    with pytest.raises(UserError, match=field):
        fields.check_value(declared, value)
    fields.check_value(declared, declared.value)
