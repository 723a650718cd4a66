"""
S3: from the vendor's request to the timeline, with the dashboard in use.

Single events over 8 connections to the whole of Watchkeeper: at 300 a second (how long until each is seen), at 1,000 a
second (whether the queue grows), and as many as it takes (what it accepts and applies together). Meanwhile two people
look at the overview, the list and an incident. With `--backlog N`, too: how long others wait while N events of a noisy
integration are worked off.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench import ground, measure, vendor
from bench.load import Load, drive, request
from bench.measure import Line, at_least, at_most, median, percentile
from bench.watching import Dashboard, Watch
from tests.running import Running

CONNECTIONS = 8
CALM, BUSY = 300, 1_000  # events a second
# A queue that grows by less than so many events a second does not grow.
STEADY = 10.0


def main(arguments: list[str]) -> None:
    """Measure and print."""
    options = measure.asked("corridor", arguments, rounds=3, seconds=10.0, backlog=0)
    with ground.cluster() as cluster:
        url = ground.fresh(cluster, "corridor")
        watchkeeper = ground.watchkeeper(url)
        team = watchkeeper.create_team("Bench")
        with watchkeeper as served, Dashboard(served, team) as dashboard:
            corridor = Corridor(served, team, options.seconds)
            corridor.passed(rate=CALM)
            dashboard.milliseconds.clear()
            calm, busy, flat = Passages(), Passages(), Passages()
            commits, *_ = measure.alternate(
                options.rounds,
                lambda: ground.pgbench(cluster, 5),
                lambda: calm.add(corridor.passed(rate=CALM)),
                lambda: busy.add(corridor.passed(rate=BUSY)),
                lambda: flat.add(corridor.passed()),
            )
            report(median(commits), calm, busy, flat, dashboard.milliseconds)
            if options.backlog:
                lines = behind(corridor, served.create_team("Quiet"), options.backlog)
                measure.show("While a backlog is worked off", lines)


@dataclass
class Passage:
    """What came of events sent for a while. Seconds; `growth` in waiting events a second."""

    load: Load
    waits: list[float]
    growth: float
    until_applied: float

    @property
    def rate(self) -> float:
        """Events a second, from the first request until the last was on the timeline."""
        return self.load.statuses[202] / self.until_applied

    @property
    def accepted(self) -> float:
        """Events a second that the door took."""
        return self.load.statuses[202] / self.load.elapsed


class Passages(list[Passage]):
    """The rounds of one measure."""

    def add(self, passage: Passage) -> float:
        """Keep one; its rate."""
        self.append(passage)
        return passage.rate

    @property
    def waits(self) -> list[float]:
        """How long each event took to be seen, in milliseconds."""
        return [1000 * wait for passage in self for wait in passage.waits]

    @property
    def growth(self) -> float:
        """The median of how the queue grew."""
        return median([passage.growth for passage in self])

    @property
    def rate(self) -> float:
        """The median rate."""
        return median([passage.rate for passage in self])


class Corridor:
    """The way of one team's events."""

    def __init__(self, served: Running, team: dict[str, Any], seconds: float) -> None:
        self.served = served
        self.team = team
        self.seconds = seconds
        self.bodies = vendor.bodies()

    def passed(self, rate: float | None = None) -> Passage:
        """Send single events for a while, at a rate or as fast as they are taken, and wait until all are seen."""
        with Watch(self.served.database_url) as watch:
            load = self.send(self.team, self.bodies, rate=rate, seconds=self.seconds)
            until_applied = watch.wait_until_applied()
            return Passage(load, watch.waits(self.team["team_id"]), watch.growth(self.seconds), until_applied)

    def send(
        self,
        team: dict[str, Any],
        bodies: Iterator[bytes],
        *,
        seconds: float,
        rate: float | None = None,
        connections: int = CONNECTIONS,
    ) -> Load:
        """Send for a while; everything is accepted, or refused as too much."""
        requests = (request("POST", team["webhook_path"], body) for body in bodies)
        load = drive(self.served.port, requests, connections=connections, seconds=seconds, rate=rate)
        assert set(load.statuses) <= {202, 503}, f"{load.statuses} {load.last_body[:200]!r}"
        return load


def report(commits: float, calm: Passages, busy: Passages, flat: Passages, pages: list[float]) -> None:
    """Print what came of the three measures."""
    taken = median([passage.accepted for passage in flat])
    measure.show(
        f"S3: the corridor, {CONNECTIONS} connections; pgbench: {commits:,.0f} one-row commits/s at 8 clients",
        [
            at_least("accepted and on the timeline", flat.rate, 1_000, "/s"),
            Line("    of pgbench's commits", f"{100 * flat.rate / commits:.1f} %"),
            Line("    accepted meanwhile", f"{taken:,.0f} /s"),
            at_most(f"at {CALM}/s: from arrival to seen, p99", percentile(calm.waits, 99), 300, "ms"),
            Line("    p50", f"{median(calm.waits):.0f} ms"),
            at_most("    growth of the queue", calm.growth, STEADY, "/s"),
            at_most(f"at {BUSY}/s: growth of the queue", busy.growth, STEADY, "/s"),
            Line("    accepted", f"{median([passage.accepted for passage in busy]):,.0f} /s"),
            Line("    from arrival to seen, p50", f"{median(busy.waits):.0f} ms"),
            Line("    p99", f"{percentile(busy.waits, 99):.0f} ms"),
            Line(f"{len(pages)} pages of the dashboard, p50", f"{median(pages):.0f} ms"),
            Line("    p99", f"{percentile(pages, 99):.0f} ms"),
        ],
    )


def behind(corridor: Corridor, quiet: dict[str, Any], events: int) -> list[Line]:
    """What others wait for while a noisy integration's backlog is worked off."""
    noisy, sent = vendor.bodies(seed=2, together=1_000), 0
    with Watch(corridor.served.database_url) as whole:
        while sent < events:
            sent += 1_000 * corridor.send(corridor.team, noisy, seconds=1, connections=2).statuses[202]
        with Watch(corridor.served.database_url) as watch:
            corridor.send(quiet, vendor.bodies(seed=3), seconds=10, rate=10, connections=1)
            time.sleep(1)
            waits = [1000 * wait for wait in watch.waits(quiet["team_id"])]
            _, left = watch.depths[-1]
        elapsed = whole.wait_until_applied()
    return [
        Line(f"{sent:,} events of one integration, until applied", f"{elapsed:.0f} s"),
        Line("    a second", f"{sent / elapsed:,.0f}"),
        Line("    still waiting when the others were done", f"{left:,.0f}"),
        Line("another integration's events, from arrival to seen, p50", f"{median(waits):.0f} ms"),
        Line("    p99", f"{percentile(waits, 99):.0f} ms"),
    ]
