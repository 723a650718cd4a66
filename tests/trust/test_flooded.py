"""
Flooded: more than it can take, senders that crawl, a database that is away. Everybody hears something in good time,
what was acknowledged is stored, and afterwards all is as before.
"""

import itertools
import json
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest

from bench.load import drive, request
from tests.conftest import an_event
from tests.running import HOST, Running, descendants, eventually
from tests.trust.conftest import FULL, House

# What an answer may be under a flood. 0, a connection that broke, is none of them.
ANSWERS = {200, 202, 429, 503}
HANGS = 20.0  # seconds; who has waited that long has been left hanging
BACK_TO_NORMAL = 60.0


def bodies(tag: str) -> Iterator[bytes]:
    """New events without end, each with the tag in its message."""
    for number in itertools.count(1):
        yield json.dumps(an_event("monitor.down", monitor_id=number % 20, message=f"{tag} {number}")).encode()


def stored(running: Running, tag: str) -> int:
    """How many events with a tag are kept."""
    with running.connect() as connection:
        found = connection.execute(
            "SELECT count(*) FROM integrations_inbounddelivery WHERE position(%s::bytea IN body) > 0", [tag.encode()]
        ).fetchone()
    return int(found[0])


def nothing_waits(running: Running) -> bool:
    """Whether all that was received is applied."""
    with running.connect() as connection:
        waiting = "SELECT FROM integrations_inbounddelivery WHERE status = 'received' LIMIT 1"
        return not connection.execute(waiting).rowcount


def send(house: House, tag: str, connections: int, seconds: float) -> Counter[int]:
    """Send new events as fast as they are answered; the statuses of all answers. Nobody is left hanging."""
    requests = (request("POST", house.webhook_path, body) for body in bodies(tag))
    load = drive(house.running.port, requests, connections=connections, seconds=seconds)
    assert max(load.latencies) < HANGS
    assert sum(load.statuses.values()) >= connections
    return load.statuses


@contextmanager
def crawling(house: House, number: int) -> Iterator[list[socket.socket]]:
    """So many senders of one byte a second, each with the head of a request and a body that does not end."""
    head = f"POST {house.webhook_path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 4000\r\n\r\n".encode()
    senders = [socket.create_connection((HOST, house.running.port)) for _ in range(number)]
    done = threading.Event()

    def crawl() -> None:
        while not done.wait(1):
            for sender in senders:
                try:
                    sender.sendall(b" ")
                except OSError:
                    continue

    for sender in senders:
        sender.sendall(head)
    thread = threading.Thread(target=crawl)
    thread.start()
    try:
        yield senders
    finally:
        done.set()
        thread.join()
        for sender in senders:
            sender.close()


@contextmanager
def frozen(pids: set[int]) -> Iterator[None]:
    """Processes that neither work nor die."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.fixture
def tag() -> str:
    return uuid4().hex


def test_two_hundred_senders_of_one_byte_a_second_do_not_stop_the_others(house: House, tag: str):
    with crawling(house, 200):
        statuses = send(house, tag, connections=4, seconds=3)
        assert set(statuses) == {202}
        assert house.running.is_ready()
    assert stored(house.running, tag) == statuses[202]


@pytest.mark.skipif(not FULL, reason="waits a quarter of a minute; tests/config/test_front.py has it in small")
def test_who_sends_too_slowly_is_told_so_in_the_end(house: House):
    with crawling(house, 1) as [sender]:
        sender.settimeout(HANGS)
        answer = sender.recv(65536)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"came too slowly" in answer


def test_more_than_it_can_take_is_answered_202_429_or_503_and_what_was_acknowledged_is_stored(house: House, tag: str):
    statuses = send(house, tag, connections=800, seconds=4)
    assert set(statuses) <= ANSWERS
    assert statuses[202] > 0
    # Who heard 503 may have been kept all the same; who heard 202 was kept.
    assert stored(house.running, tag) >= statuses[202]
    assert eventually(lambda: nothing_waits(house.running), BACK_TO_NORMAL)
    assert set(send(house, uuid4().hex, connections=4, seconds=0.5)) == {202}


def test_a_refusal_says_when_to_come_again(house: House, tag: str):
    postmaster = house.running.pids.postmaster
    with frozen(descendants(postmaster) | {postmaster}):
        begun = time.monotonic()
        answer = ask(house, next(bodies(tag)))
        took = time.monotonic() - begun
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: " in answer.lower()
    assert b'"UNAVAILABLE"' in answer
    assert took < HANGS


def test_a_database_that_fell_silent_leaves_nobody_hanging_and_nothing_acknowledged_is_lost(house: House, tag: str):
    before = send(house, f"{tag} before", connections=8, seconds=0.5)
    postmaster = house.running.pids.postmaster
    with frozen(descendants(postmaster) | {postmaster}):
        during = send(house, f"{tag} during", connections=16, seconds=5)
        assert alive(house)
    assert set(during) <= {202, 503}
    assert during[503] > 0
    assert eventually(lambda: set(send(house, uuid4().hex, 2, 0.2)) == {202}, BACK_TO_NORMAL)
    assert stored(house.running, tag) >= before[202] + during[202]
    assert eventually(lambda: nothing_waits(house.running), BACK_TO_NORMAL)


def ask(house: House, body: bytes) -> bytes:
    """What an event is answered."""
    with socket.create_connection((HOST, house.running.port), timeout=HANGS) as connection:
        connection.sendall(request("POST", house.webhook_path, body, Connection="close"))
        pieces = iter(lambda: connection.recv(65536), b"")
        return b"".join(pieces)


def alive(house: House) -> bool:
    """Whether the web server's processes say that they live, which asks nobody else."""
    return set(drive(house.running.port, itertools.repeat(request("GET", "/healthz"), 6), seconds=1).statuses) == {200}
