"""Single parts that are lost, and how the others take it."""

import contextlib
import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import psycopg
import pytest
from django.conf import settings

from tests.running import Running, eventually, is_alive
from tests.trust.conftest import House
from tests.trust.parcels import Packer

PACKER = Packer(60)


def kill(pid: int | None) -> None:
    assert pid
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: not is_alive(pid), 5)


def applies(house: House, patience: float = 10) -> bool:
    """Whether a new event is accepted and becomes a fact."""
    parcel = PACKER.single()
    assert house.send(parcel) == "accepted"
    tag = f"tag={parcel.tags[0]};"

    def is_fact() -> bool:
        with house.running.connect() as connection:
            query = "SELECT EXISTS (SELECT FROM timeline_timelineevent WHERE payload->>'message' LIKE %s)"
            [[there]] = connection.execute(query, [f"%{tag}"])
        return bool(there)

    return eventually(is_fact, patience)


def test_a_web_worker_that_is_killed_again_and_again_is_replaced_and_the_others_serve_on(house: House) -> None:
    parent = house.running.pids.web
    for _ in range(4):
        kill(house.running.pids.web_workers[-1])
        assert eventually(house.running.is_ready, 5)  # a connection that was lost before is noticed by one answer
        assert eventually(lambda: len(house.running.pids.web_workers) == settings.PROCESSES, 15)
    assert house.running.pids.web == parent


def test_a_worker_that_is_killed_again_and_again_is_back_within_five_seconds_each_time(house: House) -> None:
    for _ in range(4):
        begun = time.monotonic()
        kill(house.running.pids.worker)
        assert applies(house, 5)
        assert time.monotonic() - begun < 5


def test_no_request_fails_twice_because_its_connection_to_the_database_was_ended(house: House) -> None:
    """Each web worker notices by itself: it says 503 at most once for each connection that it lost."""
    assert applies(house)
    with house.running.connect() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'watchkeeper'"
        )
    assert [house.running.is_ready() for _ in range(12)].count(False) <= settings.PROCESSES
    assert applies(house)


def test_a_worker_goes_on_after_a_database_that_froze_and_thawed(house: House) -> None:
    with frozen(house.running):
        time.sleep(1)
    assert applies(house, 15)


def test_a_frozen_database_that_is_killed_is_replaced_and_everything_goes_on(house: House) -> None:
    """Its processes hold the folder's lock until they are ended, and stopped ones don't end by themselves."""
    with frozen(house.running):
        kill(house.running.pids.postmaster)
        assert eventually(house.running.is_ready, 15)
        assert applies(house)


@contextlib.contextmanager
def frozen(running: Running) -> Iterator[None]:
    """All processes of the database, stopped until the block ends."""
    with running.connect() as connection:
        pids = [pid for (pid,) in connection.execute("SELECT pid FROM pg_stat_activity")]
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for pid in [*pids, running.pids.postmaster]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        if number == signal.SIGSTOP:
            yield


def test_a_database_restarted_read_only_is_named_and_refuses_with_503_until_it_is_writable_again(house: House) -> None:
    parcel = PACKER.single()
    try:
        restart_with(house.running, "ALTER SYSTEM SET default_transaction_read_only = on")
        assert "the database is read-only" in why_not_ready(house.running)
        assert house.send(parcel) == "503 UNAVAILABLE"
    finally:
        restart_with(house.running, "ALTER SYSTEM RESET default_transaction_read_only")
    assert eventually(house.running.is_ready, 15)
    assert house.send(parcel) == "accepted"
    assert applies(house)


def restart_with(running: Running, setting: str) -> None:
    """Change a setting of the server and end it in good order; its supervisor starts it again."""
    with running.connect() as connection:
        connection.execute(setting)
    postmaster = running.pids.postmaster
    assert postmaster
    os.kill(postmaster, signal.SIGINT)
    assert eventually(lambda: not is_alive(postmaster), 15)
    assert eventually(lambda: answers(running), 15)


def why_not_ready(running: Running) -> list[str]:
    """The faults that /readyz names."""
    with pytest.raises(urllib.error.HTTPError) as refused, urllib.request.urlopen(f"{running.base}/readyz", timeout=5):
        pass
    with refused.value as answer:
        assert answer.status == 503
        return list(json.loads(answer.read())["error"]["details"]["faults"])


def answers(running: Running) -> bool:
    try:
        with running.connect(connect_timeout=2) as connection:
            connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True
