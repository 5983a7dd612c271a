"""What a server says to those who send more than it takes."""

from __future__ import annotations

from jaxdl.inference.serving.limits import Limits, Refused, overloaded


def test_a_busy_server_says_what_is_full_and_what_to_do() -> None:
    refused = overloaded("9 examples wait")
    assert (refused.status, refused.message) == (503, "the server is busy: 9 examples wait; try again in a moment.")
    assert not refused.close and Refused(413, "", close=True).close


def test_one_request_never_fills_what_all_may_hold() -> None:
    assert Limits().body < Limits().held
