"""Schedules against formulas written out in NumPy, at every step of trainings of any length."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import jax
import numpy as np
import optax
import pytest
from hypothesis import given

from jaxdl import fields
from jaxdl.errors import UserError
from jaxdl.optim.schedules import (
    SCHEDULES,
    Constant,
    Cosine,
    CosineRestarts,
    Exponential,
    InverseSquareRoot,
    OneCycle,
    Piecewise,
    Plateau,
    Polynomial,
    Schedule,
)

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


def expected(after: np.ndarray, warmup: int, share: float = 0.0) -> np.ndarray:
    """A line from 0, or a share of it, to the first factor, then all factors that fit."""
    risen = np.arange(warmup) / max(warmup, 1)
    return np.concatenate([after[0] * (share + (1 - share) * risen), after])


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


@given(total=TOTALS, warmup=SHARES, share=SHARES, power=st.sampled_from([0.5, 1.0, 2.0]), final=st.floats(0, 1))
def test_polynomial_falls_as_a_power_and_a_warmup_may_rise_from_a_share(
    total: int, warmup: float, share: float, power: float, final: float
) -> None:
    steps = warmup_steps(warmup, total)
    left = 1 - np.arange(total + 1 - steps) / (total - steps)
    schedule = Polynomial(warmup, power, final, warmup_from=share)
    # Near the end optax's 1 - share is a rounding error in float32, about 6e-8, and its root is not small.
    close = 1e-5 if power >= 1 else 5e-4
    np.testing.assert_allclose(
        factors(schedule, total), expected(final + (1 - final) * left**power, steps, share), rtol=1e-4, atol=close
    )


@given(total=TOTALS, warmup=SHARES, timescale=st.none() | st.floats(0.01, 1))
def test_inverse_square_root_is_that_of_the_transformer(total: int, warmup: float, timescale: float | None) -> None:
    steps = warmup_steps(warmup, total)
    scale = max(1, steps if timescale is None else timescale * total)
    after = np.sqrt(scale / (scale + np.arange(total + 1 - steps)))
    np.testing.assert_allclose(factors(InverseSquareRoot(warmup, timescale), total), expected(after, steps), rtol=1e-5)
    if timescale is None and steps:  # min(step ** -0.5, step * warmup ** -1.5), over its largest value
        paper = [min(step**-0.5, step * steps**-1.5) * steps**0.5 for step in range(1, total + 1)]
        np.testing.assert_allclose(factors(InverseSquareRoot(warmup), total)[1:], paper, rtol=1e-5)


@pytest.mark.parametrize(("growth", "decay", "final"), [(1.0, 1.0, 0.0), (2.0, 0.5, 0.1)])
@pytest.mark.parametrize("total", [3, 30, 199])
def test_cosine_restarts_begin_again_as_those_of_pytorch(total: int, growth: float, decay: float, final: float) -> None:
    """The formula of ``CosineAnnealingWarmRestarts``, whose cycles grow by ``T_mult``, over whole steps."""
    lengths = np.array([growth**n for n in range(3)])
    ends = np.rint(total * np.cumsum(lengths) / lengths.sum()).astype(int)
    within = []
    for number, (begin, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        share = np.arange(end - begin) / (end - begin)
        within.extend(decay**number * (final + (1 - final) * (1 + np.cos(np.pi * share)) / 2))
    schedule = CosineRestarts(0.0, 3, growth, decay, final)
    np.testing.assert_allclose(factors(schedule, total)[:-1], within, rtol=1e-4, atol=1e-6)


def test_a_plateau_is_flat_in_the_program() -> None:
    np.testing.assert_allclose(factors(Plateau(warmup=0.5), 4), [0, 0.5, 1, 1, 1])


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


@pytest.mark.slow
def test_a_compiled_staircase_steps_down_exactly_where_a_share_is_done() -> None:
    """Whole numbers for every length: XLA turns a division by a constant into a product, and 41 * (1 / 41) < 1."""
    totals = range(1, 130)
    counts = np.arange(130, dtype=np.int32)

    @jax.jit
    def compiled(counts: jax.Array) -> list[jax.Array]:
        schedule = Exponential(rate=0.5, every=0.25, staircase=True)
        return [jax.vmap(schedule.factor(total))(counts) for total in totals]

    for total, found in zip(totals, compiled(counts), strict=True):
        steps = max(1, round(0.25 * total))
        within = [np.float32(0.5 ** (count // steps)) for count in range(total + 1)]
        np.testing.assert_array_equal(found[: total + 1], within)


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


def of_pytorch(count: int, total: int, start: float, divisor: float, final_divisor: float) -> float:
    """``torch.optim.lr_scheduler.OneCycleLR`` with a largest rate of 1, as its documentation and source have it."""

    def cosine(begin: float, end: float, share: float) -> float:
        return end + (begin - end) / 2 * (math.cos(math.pi * share) + 1)

    first, peak, last = 1 / divisor, start * total - 1, total - 1
    if count <= peak and peak > 0:
        return cosine(first, 1, count / peak)
    begin = max(peak, 0)  # PyTorch divides by zero, or by a negative number, where there is no rise
    return cosine(1, first / final_divisor, min(1, (count - begin) / (last - begin)) if last > begin else 0)


@given(total=TOTALS, warmup=SHARES, start=SHARES, divisor=st.floats(2, 50), final=st.floats(10, 1e4))
def test_one_cycle_is_that_of_pytorch(total: int, warmup: float, start: float, divisor: float, final: float) -> None:
    steps = warmup_steps(warmup, total)
    after = [of_pytorch(count, total - steps, start, divisor, final) for count in range(total - steps)]
    schedule = OneCycle(warmup, start, divisor, final)
    np.testing.assert_allclose(factors(schedule, total)[:-1], expected(np.array(after), steps), rtol=2e-3, atol=3e-6)


def test_one_cycle_ends_with_its_last_rate_at_the_last_step() -> None:
    """With ten steps, PyTorch's last one has 0.0004 % of the peak."""
    values = factors(OneCycle(), 10)
    np.testing.assert_allclose(values[[0, 2, 9, 10]], [0.04, 1, 4e-6, 4e-6], rtol=0.03)
    with_warmup = factors(OneCycle(warmup=0.5), 20)
    np.testing.assert_allclose(with_warmup[[0, 10, 12, 19]], [0, 0.04, 1, 4e-6], rtol=0.03)


def test_first_and_last_steps_are_those_of_optax() -> None:
    """Over n steps after the warm-up, the last step is n - 1: a cosine of optax, Keras and PyTorch ends after it."""
    total, warmup = 10, 4
    step = np.array([0, warmup, total - 1])
    peers = {
        Cosine(0.4, 0.1): optax.warmup_cosine_decay_schedule(0, 1, warmup, total, 0.1),
        Exponential(0.4, 0.1, 0.5): optax.warmup_exponential_decay_schedule(0, 1, warmup, 5, 0.1),
        Piecewise(0.4, (0.9,), (0.5,)): optax.join_schedules(
            [optax.linear_schedule(0, 1, warmup), optax.piecewise_constant_schedule(1.0, {5: 0.5})], [warmup]
        ),
    }
    for own, peer in peers.items():
        np.testing.assert_allclose(factors(own, total)[step], [peer(count) for count in step], rtol=1e-5, atol=1e-7)


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
        (Constant(), "warmup_from", 1.0),
        (Polynomial(), "power", 0.0),
        (CosineRestarts(), "cycles", 0),
        (CosineRestarts(), "decay", 1.5),
        (InverseSquareRoot(), "timescale", 0.0),
        (Plateau(), "wait", 0),
        (Plateau(), "cut", 1.0),
    ],
)
def test_checks_refuse_bad_values(schedule: Schedule, field: str, value: object) -> None:
    [declared] = [f for f in fields.own_fields(schedule) if f.path == field]
    with pytest.raises(UserError, match=field):
        fields.check_value(declared, value)
    fields.check_value(declared, declared.value)
