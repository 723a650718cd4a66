"""
S11: what other teams' pages and API cost while somebody tries passwords, or one key asks for the heaviest reads.

A page and a list of the API of one team are read at a steady rate: in quiet; while 20 connections send wrong passwords,
each for another account and none limited; and while 4 connections of another team's key read all updates of an incident
of 20,000 facts (`--facts`) as of a moment. Rounds alternate; the figures are the p99 of each, as a ratio to the quiet
one.
"""

import itertools
import json
import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from bench import ground, measure
from bench.browsing import Reader
from bench.load import drive, request
from bench.vendor import event
from bench.watching import wait_until_applied
from tests.running import Running

WORST = 3.0
GUESSERS, READERS = 20, 4
# How often a second somebody of the other team looks.
RATE = 20.0
TOKEN = "t" * 32
NEW = "a new password of twenty"


def main(arguments: list[str]) -> None:
    """Measure and print."""
    asked = measure.asked("neighbours", arguments, rounds=3, seconds=8.0, facts=20_000)
    with ground.cluster() as cluster, ground.watchkeeper(ground.fresh(cluster, "neighbours")) as running:
        report(*Street(running, asked.facts).looked_at(asked.rounds, asked.seconds))


class Street:
    """Two teams on one Watchkeeper: who is loud, and who is looked at."""

    def __init__(self, running: Running, facts: int) -> None:
        self.port = running.port
        self.loud, quiet = running.create_team("Loud"), running.create_team("Quiet")
        reader = Reader(self.port).log_in(quiet["admin_email"], quiet["admin_password"])
        reader.post("/password", old_password=quiet["admin_password"], new_password1=NEW, new_password2=NEW)
        cookies = "; ".join(f"{name}={value}" for name, value in reader.cookies.items())
        self.page = request("GET", "/incidents", b"", Cookie=cookies)
        self.api = request("GET", "/api/incidents", b"", **{"X-API-Key": quiet["api_key"]})
        self.uuid = self.told(running, facts)

    def told(self, running: Running, facts: int) -> str:
        """The UUID of the loud team's incident, which has so many facts."""
        begun = datetime.now(UTC) - timedelta(days=1)
        events = [
            event("incident.escalated" if n else "incident.started", begun + timedelta(seconds=n), 1, 1, n)
            for n in range(facts)
        ]
        some = [json.dumps(events[first : first + 1000]).encode() for first in range(0, facts, 1000)]
        requests = iter([request("POST", self.loud["webhook_path"], each) for each in some])
        # As long as it takes, for there is nothing to send after the last.
        while (load := drive(self.port, requests, connections=1, seconds=5)).answered:
            assert set(load.statuses) == {202}
        wait_until_applied(running.database_url)
        with running.connect() as connection:
            row = connection.execute("SELECT uuid::text FROM incidents_incident ORDER BY facts DESC LIMIT 1").fetchone()
        assert row
        return str(row[0])

    def looked_at(self, rounds: int, seconds: float) -> tuple[list[float], list[float], list[float]]:
        """p99 in milliseconds, of each round: in quiet, beside guessers, beside heavy reads."""

        def look() -> float:
            load = drive(self.port, itertools.cycle([self.page, self.api]), connections=8, seconds=seconds, rate=RATE)
            wrong = {status for status in load.statuses if status != 200}
            if wrong:
                print(f"  also answered: { {status: load.statuses[status] for status in wrong} }")
            return 1000 * measure.percentile(load.latencies, 99)

        def beside(noise: Callable[..., None], *how: Any) -> Callable[[], float]:
            def looked() -> float:
                with going_on(noise, *how):
                    return look()

            return looked

        look()
        quiet, guessed, read = measure.alternate(
            rounds,
            look,
            beside(guess, self.port, seconds + 3),
            beside(read_heavily, self.port, seconds + 3, self.uuid, self.loud["api_key"]),
        )
        return quiet, guessed, read


@contextmanager
def going_on(noise: Callable[..., None], *how: Any) -> Iterator[None]:
    """Somebody else's load, from a process of its own, while the block runs."""
    other = multiprocessing.get_context("fork").Process(target=noise, args=how, daemon=True)
    other.start()
    try:
        yield
    finally:
        other.join()


def guess(port: int, seconds: float) -> None:
    """Log in with wrong passwords."""
    cookie = f"watchkeeper_csrf={TOKEN}"
    forms = (f"csrfmiddlewaretoken={TOKEN}&username={quote(f'{n}@example.com')}&password=x" for n in itertools.count())
    kind = "application/x-www-form-urlencoded"
    tries = (request("POST", "/login", form.encode(), Cookie=cookie, Content_Type=kind) for form in forms)
    drive(port, tries, connections=GUESSERS, seconds=seconds)


def read_heavily(port: int, seconds: float, uuid: str, key: str) -> None:
    """Read a long history as it was known at a moment, whole."""
    path = f"/api/incidents/{uuid}/updates?as_of=2199-01-01T00:00:00Z"
    drive(port, itertools.repeat(request("GET", path, X_API_Key=key)), connections=READERS, seconds=seconds)


def report(quiet: list[float], guessed: list[float], read: list[float]) -> None:
    """Print the figures."""
    calm = measure.median(quiet)
    measure.show(
        f"S11: others' pages and API, {RATE:g} a second, p99",
        [
            measure.Line("in quiet", f"{calm:.1f} ms"),
            measure.at_most(f"beside {GUESSERS} who guess passwords, × quiet", measure.median(guessed) / calm, WORST),
            measure.at_most(f"beside {READERS} heavy reads of one key, × quiet", measure.median(read) / calm, WORST),
        ],
    )
