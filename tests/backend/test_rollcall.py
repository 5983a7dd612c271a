"""Processes find each other, name who is missing, and refuse who does not belong: each in a thread here."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from unittest import mock

import pytest

from jaxdl.backend.rollcall import await_others, call_first, differences, numbers_text, parts_of
from jaxdl.errors import UserError

OURS = {"experiment": "digits_mlp", "run_dir": "/runs/a", "jax": "0.10.2", "recipe batch_size": "32"}


def free_address() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{taken.getsockname()[1]}"


def meet(count: int, *others: tuple[int, dict[str, str]], seconds: float = 3.0) -> tuple[Any, list[Any], list[str]]:
    """Returns what process 0 ends with, what the others do, and what process 0 was told.

    The others call in order, each when the one before is connected. They would wait longer than process 0: with the
    same time they may give up first, and then they are missing.
    """
    address, told = free_address(), list[str]()
    connect, connected = socket.create_connection, threading.Event()

    def connecting(*arguments: Any, **options: Any) -> socket.socket:
        found = connect(*arguments, **options)
        connected.set()
        return found

    with ThreadPoolExecutor(len(others) + 1) as pool, mock.patch.object(socket, "create_connection", connecting):
        first: Future[None] = pool.submit(await_others, address, count, OURS, seconds, told.append)
        calls = []
        for number, theirs in others:
            connected.clear()
            calls.append(pool.submit(call_first, address, number, count, theirs, seconds + 30))
            assert connected.wait(60)
        return first.exception(), [call.exception() for call in calls], told


def test_all_that_belong_together_find_each_other() -> None:
    assert meet(3, (1, OURS), (2, OURS), seconds=20) == (None, [None, None], [])


def test_the_port_is_free_afterwards_and_may_be_called_before_it_is_open() -> None:
    address = free_address()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(call_first, address, 1, 2, OURS, 20.0)
        time.sleep(0.3)
        await_others(address, 2, OURS, 20.0, print)
        assert call.exception() is None
    with socket.create_server(("127.0.0.1", parts_of(address)[1])):
        pass


def test_who_is_missing_is_named_in_time() -> None:
    begin = time.monotonic()
    first, calls, _ = meet(4, (2, OURS))
    assert isinstance(first, UserError)
    assert "waited 3 s at 127.0.0.1" in str(first)
    assert "for processes 1 and 3 of 4" in str(first)
    assert isinstance(calls[0], UserError)
    assert str(calls[0]) == str(first)
    assert time.monotonic() - begin < 20


def test_a_process_that_waits_a_shorter_time_than_process_0_says_that_others_are_missing() -> None:
    address = free_address()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(await_others, address, 3, OURS, 8.0, print)
        with pytest.raises(UserError, match=r"process 2 waited 3 s .*it is there, but others are missing"):
            call_first(address, 2, 3, OURS, 3.0)
        assert "for processes 1 and 2 of 3" in str(first.exception())


def test_a_connection_that_ends_where_it_began_is_not_taken_for_process_0() -> None:
    """TCP connects a socket to itself where its own port, by chance, is the one that it calls."""
    refuses_what_answers(lambda said: said)


def test_a_coordinator_that_is_not_there_is_named_in_time() -> None:
    begin, address = time.monotonic(), free_address()
    with pytest.raises(UserError, match=rf"process 1 waited 0.5 s for process 0 at {address} \(connection refused\)"):
        call_first(address, 1, 2, OURS, 0.5)
    assert time.monotonic() - begin < 10


def test_another_program_at_the_port_is_not_taken_for_process_0() -> None:
    refuses_what_answers(lambda said: b"HTTP/1.1 400 Bad Request\r\n\r\n")


def refuses_what_answers(reply: Callable[[bytes], bytes]) -> None:
    """Has a process call at a port where something else answers, with what `reply` makes of what it says."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        over = threading.Event()

        def answer() -> None:
            while not over.is_set():
                try:
                    caller, _ = server.accept()
                except TimeoutError:
                    continue
                caller.sendall(reply(caller.recv(65536)))
                caller.close()

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(UserError, match="what answers there is not process 0 of this run"):
            call_first(f"127.0.0.1:{server.getsockname()[1]}", 1, 2, OURS, 1.0)
        over.set()
        thread.join()


def test_a_process_of_another_run_is_refused_and_the_right_one_still_joins() -> None:
    stranger = OURS | {"run_dir": "/runs/b"}
    address, told = free_address(), list[str]()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(await_others, address, 2, OURS, 60.0, told.append)
        with pytest.raises(UserError) as refused:  # before the other calls: then process 0 would be gone
            call_first(address, 1, 2, stranger, 60.0)
        call_first(address, 1, 2, OURS, 60.0)
        assert first.exception() is None
    assert "belongs to another run than process 0: run_dir is /runs/b there and /runs/a here" in str(refused.value)
    assert told == [f"refused: {refused.value}"]


@pytest.mark.parametrize(
    ("name", "theirs", "said"),
    [
        ("jax", "0.12.0", "jax is 0.12.0 there and 0.10.2 here"),
        ("recipe batch_size", "64", "recipe batch_size is 64 there and 32 here"),
    ],
)
def test_other_versions_and_recipes_end_all(name: str, theirs: str, said: str) -> None:
    first, calls, _ = meet(3, (1, OURS), (2, OURS | {name: theirs}), seconds=20)
    for error in (first, *calls):
        assert isinstance(error, UserError)
        assert said in str(error)


def test_a_number_that_is_there_already_is_refused() -> None:
    first, calls, _ = meet(3, (1, OURS), (1, OURS))
    assert "for process 2 of 3" in str(first)
    assert "has the number of a process that is here already" in str(calls[1])


def test_a_process_that_ends_while_it_waits_may_come_again() -> None:
    address = free_address()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(await_others, address, 3, OURS, 20.0, print)
        gone = pool.submit(call_first, address, 1, 3, OURS, 0.5)  # it waits no longer than this
        assert isinstance(gone.exception(), UserError)
        again = [pool.submit(call_first, address, 1, 3, OURS, 20.0)]
        call_first(address, 2, 3, OURS, 20.0)
        assert (first.exception(), again[0].exception()) == (None, None)


def test_another_count_is_refused() -> None:
    address = free_address()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(await_others, address, 2, OURS, 3.0, print)
        call = pool.submit(call_first, address, 1, 3, OURS, 30.0)
        assert "has --num_processes=3, process 0 has 2" in str(call.exception())
        assert "has --num_processes=3, process 0 has 2" in str(first.exception())


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(UserError, match=f"cannot listen at port .* of --coordinator={address}"):
            await_others(address, 2, OURS, 0.5, print)


def test_what_is_no_jaxdl_does_not_disturb() -> None:
    address = free_address()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(await_others, address, 2, OURS, 20.0, print)
        time.sleep(0.3)
        with socket.create_connection(("127.0.0.1", parts_of(address)[1])) as other:
            other.sendall(b"\x00\xff PRI * HTTP/2.0\n")
        call = pool.submit(call_first, address, 1, 2, OURS, 20.0)
        assert (first.exception(), call.exception()) == (None, None)


@pytest.mark.parametrize("address", ["", "node1", "node1:", ":8476", "node1:0", "node1:70000", "node1:x"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(UserError, match="give HOST:PORT"):
        parts_of(address)


def test_addresses_numbers_and_differences() -> None:
    assert parts_of("[::1]:8476") == ("::1", 8476)
    assert parts_of("node1:8476") == ("node1", 8476)
    assert numbers_text([1]) == "process 1"
    assert numbers_text([1, 2]) == "processes 1 and 2"
    assert numbers_text([1, 2, 5]) == "processes 1, 2 and 5"
    assert numbers_text([*range(1, 64)]) == "63 processes, 1 the first of them,"
    assert differences(OURS | {"jax": "1"}, OURS) == ["jax"]
