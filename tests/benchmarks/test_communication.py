"""The model of what devices tell each other: by hand, and with the bytes of compiled programs."""

from __future__ import annotations

import pytest

from benchmarks.communication import LINKS, Link, counted, seconds, table
from tests.docs.pages import ROOT


def test_an_all_reduce_by_hand() -> None:
    link = Link("a link", bytes_per_second=100.0, hop_seconds=0.5)
    assert link.hops(8) == 6
    # Two devices: each sends half of 200 bytes, and then the other half back; two calls of two hops.
    assert seconds(200, 2, 2, link) == pytest.approx(200 / 100 + 2 * 2 * 0.5)
    assert Link("a torus", 1.0, 1.0, is_torus=True).hops(512) == 2 * 3 * 7


def test_the_counted_bytes_are_those_of_the_parameters_at_any_number_of_devices() -> None:
    found = counted()
    assert {*found} == {"mnist_mlp", "mnist_cnn", "mnist_rnn"}
    # The gradients in float32, and loss and accuracy.
    assert found["mnist_mlp"][0] == pytest.approx(38_440, rel=1e-2)


def test_the_table_of_the_page_is_the_models() -> None:
    page = (ROOT / "docs" / "distributed.md").read_text(encoding="utf-8")
    sizes = {f"`{name}`, digits": each for name, each in counted().items()} | {"`mnist_cnn`, MNIST": (4_799_536, 2)}
    for line in table(sizes).splitlines():
        assert line in page
    for link in LINKS:
        assert link.name in page
