"""
S1, S2: the inbound door, as events a second beside one-row commits of pgbench.

Single events and arrays of 100, new ones, over 8 kept connections to the whole web server; every answer is 202, sent
after the commit. The worker is held still meanwhile (what it costs is the corridor's figure) and works off the rest
after each round.
"""

import contextlib
import os
import signal
from collections.abc import Iterator

from bench import ground, measure, vendor
from bench.load import Load, drive, request
from bench.measure import at_least, at_most, median, percentile
from bench.watching import wait_until_applied
from tests.running import Running

CONNECTIONS = 8
IN_AN_ARRAY = 100


def main(arguments: list[str]) -> None:
    """Measure both, and print them."""
    options = measure.asked("door", arguments, rounds=3, seconds=5.0)
    with ground.cluster() as cluster:
        url = ground.fresh(cluster, "door")
        watchkeeper = ground.watchkeeper(url)
        team = watchkeeper.create_team("Bench")
        with watchkeeper as served:
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

    def __init__(self, served: Running, path: str, key: str, seconds: float) -> None:
        self.served = served
        self.path = path
        self.key_header = {"X_API_Key": key}
        self.seconds = seconds
        self.bodies = vendor.bodies()
        self.together = vendor.bodies(seed=2, together=IN_AN_ARRAY)
        self.latencies: list[float] = []

    def single(self) -> Load:
        """Single events, by the token in the URL."""
        load = self.drive(request("POST", self.path, body) for body in self.bodies)
        self.latencies += load.latencies
        return load

    def key(self) -> Load:
        """Single events, by an API key."""
        path = self.path.rpartition("/")[0]
        return self.drive(request("POST", path, body, **self.key_header) for body in self.bodies)

    def arrays(self) -> Load:
        """Arrays of 100 events."""
        return self.drive(request("POST", self.path, body) for body in self.together)

    def drive(self, requests: Iterator[bytes]) -> Load:
        """Send for a while with the worker held still, then let it catch up."""
        with held_still(self.served):
            load = drive(self.served.port, requests, connections=CONNECTIONS, seconds=self.seconds)
        assert set(load.statuses) == {202}, f"not all were accepted: {load.statuses} {load.last_body!r}"
        wait_until_applied(self.served.database_url)
        return load


@contextlib.contextmanager
def held_still(served: Running) -> Iterator[None]:
    """The worker does nothing for as long as the with block runs."""
    parts = served.pids
    pids = [pid for pid in (parts.worker_main, parts.worker) if pid]
    assert len(pids) == 2, "no worker runs"
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
