"""
S5: how long the updates endpoint takes at one connection, and how that grows with the timeline.

`GET /api/incidents/{uuid}/updates` of incidents drawn at random, over HTTP with a key, from timelines of 1 M and of
10 M events (`--small`: of 100 k and 1 M; `--incidents=300k`: of 300 k and 3 M). A client asks, waits for the answer,
and asks for the next.
"""

from itertools import cycle
from statistics import median

from bench import load, measure, story
from bench.story import Story

ROUNDS = 5
SECONDS = 4.0
DRAWN = 2_000
# Drawn anew each time, but for all sizes and machines in the same way.
DRAW = """
SELECT uuid FROM incidents_incident WHERE team_id = %s AND facts {which} ORDER BY hashint8(id) LIMIT %s
"""


def main(arguments: list[str]) -> None:
    """Measure and print."""
    with story.two_served(arguments) as both:
        drives = [Drive(one, served.port) for one, served in both]
        measure.alternate(ROUNDS, *(drive.round for drive in drives))
        large, served = both[1]
        pages = Drive(large, served.port, which="> 1000")
        pages.round()
    report(drives, pages)


class Drive:
    """One client of one story, asking for incidents with so many facts."""

    def __init__(self, told: Story, port: int, which: str = "> 0") -> None:
        self.port = port
        self.events = told.events
        self.medians: list[float] = []
        self.slowest: list[float] = []  # all but one in a hundred were faster
        with told.connect() as connection:
            team = told.told["teams"]["Large"]["id"]
            found = connection.execute(DRAW.format(which=which).encode(), [team, DRAWN]).fetchall()
        paths = [f"/api/incidents/{row['uuid']}/updates" for row in found]
        self.requests = cycle([load.request("GET", path, X_API_Key=told.key()) for path in paths])
        load.drive(port, self.requests, connections=1, seconds=SECONDS / 2)

    def round(self) -> float:
        """Ask for a while; the median latency in milliseconds."""
        done = load.drive(self.port, self.requests, connections=1, seconds=SECONDS)
        assert set(done.statuses) == {200}, done.statuses
        self.medians.append(1000 * median(done.latencies))
        self.slowest.append(1000 * measure.percentile(done.latencies, 99))
        return self.medians[-1]


def report(drives: list[Drive], pages: Drive) -> None:
    """Print what came of it."""
    small, large = drives
    lines = []
    for drive in drives:
        what = f"{drive.events / 1e6:,.1f} M events"
        lines.append(measure.Line(f"{what}, median", f"{median(drive.medians):.2f} ms"))
        lines.append(measure.at_most(f"{what}, p99", median(drive.slowest), 5, "ms"))
    growth = measure.exponent(small.events, median(small.medians), large.events, median(large.medians))
    tail = measure.exponent(small.events, median(small.slowest), large.events, median(large.slowest))
    lines.append(measure.at_most("growth of the median, exponent", growth, 0.15))
    lines.append(measure.Line("growth of the p99, exponent", f"{tail:.2f}"))
    lines.append(measure.Line("1,000 updates in one answer, median", f"{median(pages.medians):.1f} ms"))
    measure.show("S5: the updates endpoint at one connection", lines)
