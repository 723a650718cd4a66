"""
The clock is set forward and back, that of the processes and that of the database, while they run: nothing stops, and
nothing is called missing. Each loop, session, limit and lease by itself is tested beside its module.
"""

import http.client
import json
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.clocks import JUMPS, let_clocks_be_set, set_clocks
from tests.receivers import Receiver
from tests.running import HOST, Running, eventually
from tests.trust.conftest import FULL, House, settled
from tests.trust.parcels import Packer, Parcel

PACKER = Packer(61)
# How long it is watched after each setting: longer than a loop may be silent without being missed, where all is tried.
WATCHED = 40.0 if FULL else 8.0


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One whose clocks can be set."""
    folder = tmp_path_factory.mktemp("clock")
    faults = folder / "faults"
    (faults / "taken").mkdir(parents=True)
    environ = {
        "WATCHKEEPER_FAULTS": str(faults),
        "WATCHKEEPER_WEBHOOK_NETWORKS": "127.0.0.0/8",
        "WATCHKEEPER_API_RATE": "100000",
    }
    with Running(folder / "data", environ) as running:
        let_clocks_be_set(running)
        assert eventually(running.is_ready, 15)
        yield settled(running, faults)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as serving:
        yield serving


def asked(house: House, method: str, path: str, said: Any = None) -> tuple[int, Any]:
    """What the API answers to the team's key."""
    connection = http.client.HTTPConnection(HOST, house.running.port, timeout=10)
    try:
        body = None if said is None else json.dumps(said)
        headers = {"X-API-Key": house.api_key, "Content-Type": "application/json"}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def declare(house: House, title: str) -> None:
    """An incident is declared, which is sent on."""
    said = {"severity": "minor", "type": "other", "error_message": "clock", "title": title}
    status, answer = asked(house, "POST", "/api/incidents", said)
    assert status == 201, answer


def watch(house: House, seconds: float) -> list[str]:
    """What was amiss with readiness and loops, asked over and over."""
    amiss, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        for path in ("/readyz", "/workz"):
            status, said = asked(house, "GET", path)
            if status != 200:
                amiss.append(said["error"]["message"])
        time.sleep(0.1)
    return amiss


def goes_on(house: House, receiver: Receiver, word: str) -> None:
    """Whether what arrives is applied, and what is done is sent, each soon."""
    tag = PACKER.tag("e")
    long_ago = {"dt": "2026-01-01T00:00:00.000Z"}  # by every clock
    parcel = Parcel(json.dumps(PACKER.event(tag, "monitor.down") | long_ago).encode(), [tag], {"accepted"})
    assert house.send(parcel) == "accepted"

    def is_fact() -> bool:
        with house.running.connect() as connection:
            query = "SELECT EXISTS (SELECT FROM timeline_timelineevent WHERE payload->>'message' LIKE %s)"
            [[there]] = connection.execute(query, [f"%tag={tag};"])
        return bool(there)

    declare(house, word)
    assert eventually(is_fact, 10)
    assert eventually(lambda: any(word in request.body.decode() for request in receiver.requests), 10)


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_nothing_stops_and_nothing_is_called_missing_when_the_clock_is_set(
    house: House, receiver: Receiver, jump: timedelta
) -> None:
    if not receiver.requests:
        status, _ = asked(house, "POST", "/api/endpoints", {"url": receiver.url()})
        assert status == 201
    goes_on(house, receiver, f"before {jump}")
    assert watch(house, 2) == []
    for by in (jump, timedelta(0)):
        set_clocks(house.running, house.faults, by)
        assert watch(house, WATCHED) == []
        _, said = asked(house, "GET", "/workz")
        assert all("The clock was set" in loop["detail"] for loop in said["data"]["loops"]), said
        goes_on(house, receiver, f"at {jump} by {by}")
