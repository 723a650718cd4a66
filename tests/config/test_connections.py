"""Tests of config.connections: the connection below an answer is found, and cut off. With granian: test_pump.py."""

import contextlib
import socket
from collections.abc import Iterator

import pytest

from config.connections import cut_connection


@pytest.fixture
def pairs() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    """Three connections of this process with itself: (ours, theirs)."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        made = []
        for _ in range(3):
            theirs = stack.enter_context(socket.create_connection(server.getsockname()))
            made.append((stack.enter_context(server.accept()[0]), theirs))
        yield made


def scope_of(ours: socket.socket) -> dict[str, tuple[str, str]]:
    """As granian tells it."""
    (here, port), (there, other) = ours.getsockname(), ours.getpeername()
    return {"server": (here, str(port)), "client": (there, str(other))}


def test_one_connection_is_cut_off_and_no_other(pairs):
    ours, theirs = pairs[1]
    theirs.settimeout(5)
    assert cut_connection(scope_of(ours))
    assert theirs.recv(1) == b""
    for ours, theirs in (pairs[0], pairs[2]):
        ours.sendall(b"x")
        assert theirs.recv(1) == b"x"


def test_one_that_is_gone_is_not_found(pairs):
    ours, theirs = pairs[0]
    scope = scope_of(ours)
    ours.close()
    theirs.close()
    assert not cut_connection(scope)
    assert not cut_connection({"client": None})
