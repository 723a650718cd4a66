"""
S1, S2: the inbound door, as events a second beside one-row commits of pgbench.

Single events and arrays of 100, new ones, over 8 kept connections to the whole web server; every answer is 202, sent
after the commit. The worker is held still meanwhile (what it costs is the corridor's figure) and works off the rest
after each round.
"""

import argparse
import itertools
import json
import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg

from bench import ground, measure
from bench.load import Load, drive, request
from bench.measure import at_least, at_most, median, percentile
from tests.running import command_line, descendants, eventually

CONNECTIONS = 8
IN_AN_ARRAY = 100


def main(arguments: list[str]) -> None:
    """Measure both, and print them."""
    parser = argparse.ArgumentParser(prog="./watchkeeper bench door")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args(arguments)
    with ground.cluster() as cluster:
        url = ground.fresh(cluster, "door")
        team = ground.create_team(url)
        with ground.serving(url) as served:
            door = Door(served, team["webhook_path"], team["api_key"], options.seconds)
            door.single(), door.key(), door.arrays()  # each process has answered and prepared by now
            commits, singles, keys, arrays = measure.alternate(
                options.rounds,
                lambda: ground.pgbench(cluster, round(options.seconds)),
                lambda: door.single().rate,
                lambda: door.key().rate,
                lambda: door.arrays().rate * IN_AN_ARRAY,
            )
    reference = median(commits)
    measure.show(
        f"The inbound door, {CONNECTIONS} connections; pgbench: {reference:,.0f} one-row commits/s at 8 clients",
        [
            at_least("S1  single events, of pgbench's commits", 100 * median(singles) / reference, 8, "%"),
            at_most("S1  p99", percentile(door.latencies, 99) * 1000, 30, "ms"),
            measure.Line("    single events", f"{median(singles):,.0f} /s"),
            measure.Line("    single events with an API key", f"{median(keys):,.0f} /s"),
            at_least("S2  arrays of 100, events of pgbench's commits", 100 * median(arrays) / reference, 30, "%"),
            measure.Line("    arrays of 100", f"{median(arrays):,.0f} events/s"),
        ],
    )


class Door:
    """The door of one team, and what is sent through it."""

    def __init__(self, served: ground.Served, path: str, key: str, seconds: float) -> None:
        self.served = served
        self.path = path
        self.key_header = {"X_API_Key": key}
        self.seconds = seconds
        self.bodies = events()
        self.latencies: list[float] = []

    def single(self) -> Load:
        """Single events, by the token in the URL."""
        load = self.drive(request("POST", self.path, next(self.bodies)) for _ in itertools.count())
        self.latencies += load.latencies
        return load

    def key(self) -> Load:
        """Single events, by an API key."""
        path = self.path.rpartition("/")[0]
        return self.drive(request("POST", path, next(self.bodies), **self.key_header) for _ in itertools.count())

    def arrays(self) -> Load:
        """Arrays of 100 events."""
        return self.drive(request("POST", self.path, array(self.bodies)) for _ in itertools.count())

    def drive(self, requests: Iterator[bytes]) -> Load:
        """Send for a while with the worker held still, then let it catch up."""
        workers = workers_of(self.served)
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        try:
            load = drive(self.served.port, requests, connections=CONNECTIONS, seconds=self.seconds)
        finally:
            for pid in workers:
                os.kill(pid, signal.SIGCONT)
        assert set(load.statuses) == {202}, f"not all were accepted: {load.statuses} {load.last_body!r}"
        wait_until_applied(self.served.url)
        return load


def events() -> Iterator[bytes]:
    """New events without end: incidents of 50 monitors begin, are acknowledged and resolved."""
    begun = datetime.now(UTC) - timedelta(hours=1)
    for number in itertools.count(1):
        incident, step = divmod(number, 3)
        at = begun + timedelta(milliseconds=number)
        yield json.dumps(
            {
                "dt": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "event": f"incident.{('started', 'acknowledged', 'resolved')[step]}",
                "message": f'Incident "Shop {incident % 50} is down": event {number}',
                "organization_id": "org_123",
                "team_id": "team_456",
                "incident_id": incident,
                "incident_name": f"Shop {incident % 50} is down",
                "resource_type": "monitor",
                "resource_id": incident % 50,
                "resource_name": f"Shop {incident % 50}",
            }
        ).encode()


def array(bodies: Iterator[bytes]) -> bytes:
    """An array of the next 100 events."""
    return b"[" + b",".join(itertools.islice(bodies, IN_AN_ARRAY)) + b"]"


def workers_of(served: ground.Served) -> list[int]:
    """The process ids of the worker: the loaded parent's and that of the one that works."""

    def found() -> list[int]:
        return [pid for pid in descendants(served.pid) if "manage.py worker" in command_line(pid)]

    assert eventually(lambda: len(found()) == 2, 30), "no worker runs"
    return found()


def wait_until_applied(url: str) -> None:
    """Return when nothing that was received waits for the worker."""
    with psycopg.connect(url, autocommit=True) as connection:
        while connection.execute(
            "SELECT 1 FROM integrations_inbounddelivery WHERE status = 'received' LIMIT 1"
        ).rowcount:
            time.sleep(0.1)
