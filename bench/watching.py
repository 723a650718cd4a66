"""
Those who look on while events come in: people at the dashboard, and a watch that notes when each event can be seen.

Both are threads of their own with a connection of their own. Not here: sending, and what the times mean.
"""

import re
import threading
import time
from bisect import bisect_left
from collections.abc import Callable
from datetime import datetime
from functools import partial
from statistics import linear_regression
from types import TracebackType
from typing import Any, Self

import psycopg

from bench.browsing import Reader
from tests.running import Running

INCIDENT = re.compile(r'href="(/incidents/[0-9a-f-]{36})"')
PEOPLE = 2
# How often somebody loads a page.
LOOKS_EVERY = 1.0  # seconds
WATCHES_EVERY = 0.01
COUNTS_EVERY = 0.5

NEW_FACTS = "SELECT max(id), clock_timestamp() FROM timeline_timelineevent WHERE id > %s"
SOMETHING = "SELECT FROM integrations_inbounddelivery WHERE status = 'received'"
WAITING = f"SELECT count(*) FROM ({SOMETHING}) AS waiting"  # noqa: S608 - SQL of our own
# When each event of a team arrived at the door, by the fact it became.
ARRIVED = """
SELECT fact_id, received_at FROM integrations_inbounddelivery
WHERE fact_id > %s AND team_id = (SELECT id FROM teams_team WHERE public_id = %s)
"""


class Onlooker:
    """Something done over and over in a thread of its own, for as long as the with block runs."""

    def __init__(self, *works: Callable[[], None]) -> None:
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=[work], daemon=True) for work in works]
        self.trouble: list[BaseException] = []

    def run(self, work: Callable[[], None]) -> None:
        """Work until the end; trouble is told there."""
        try:
            while not self.ended.is_set():
                work()
        except BaseException as trouble:
            self.trouble.append(trouble)

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join()
        if self.trouble and error is None:
            raise self.trouble[0]


class Dashboard(Onlooker):
    """Two people, each looking at the overview, the list of incidents and an incident, a page a second."""

    def __init__(self, served: Running, team: dict[str, Any]) -> None:
        self.milliseconds: list[float] = []
        login = (team["admin_email"], team["admin_password"])
        people = [Reader(served.port).log_in(*login) for _ in range(PEOPLE)]
        super().__init__(*(partial(self.look, person) for person in people))

    def look(self, person: Reader) -> None:
        """One round of pages."""
        shown = ""
        for path in ("/", "/incidents"):
            shown = self.load(person, path)
        found = INCIDENT.search(shown)
        if found:
            self.load(person, found[1])

    def load(self, person: Reader, path: str) -> str:
        """One page, and a while of reading it."""
        seen = person.get(path)
        assert seen.status == 200, f"{path}: {seen.status}"
        self.milliseconds.append(seen.milliseconds)
        self.ended.wait(LOOKS_EVERY)
        return seen.text


class Watch(Onlooker):
    """Notes when facts can be seen by others, and how many events wait."""

    def __init__(self, url: str) -> None:
        super().__init__(self.look, self.count)
        self.facts, self.queue = (psycopg.connect(url, autocommit=True) for _ in range(2))
        self.begun = time.perf_counter()
        [self.first] = asked(self.facts, "SELECT coalesce(max(id), 0) FROM timeline_timelineevent")
        self.seen: list[tuple[int, datetime]] = []
        self.depths: list[tuple[float, int]] = []

    def __exit__(self, *trouble: Any) -> None:
        super().__exit__(*trouble)
        self.facts.close()
        self.queue.close()

    def look(self) -> None:
        """Note which facts are new."""
        last, now = asked(self.facts, NEW_FACTS, self.seen[-1][0] if self.seen else self.first)
        if last is not None:
            self.seen.append((last, now))
        self.ended.wait(WATCHES_EVERY)

    def count(self) -> None:
        """Note how many events wait."""
        [depth] = asked(self.queue, WAITING)
        self.depths.append((time.perf_counter() - self.begun, depth))
        self.ended.wait(COUNTS_EVERY)

    def wait_until_applied(self) -> float:
        """Return when nothing waits any more: how long that took from the beginning."""
        wait_until_applied(self.facts.info.dsn)
        elapsed = time.perf_counter() - self.begun
        # Once more, for those that became visible since.
        time.sleep(10 * WATCHES_EVERY)
        return elapsed

    def waits(self, team: str) -> list[float]:
        """How long each event of a team took from its arrival at the door until it was seen, in seconds."""
        with psycopg.connect(self.facts.info.dsn) as connection:
            arrived = connection.execute(ARRIVED.encode(), [self.first, team]).fetchall()
        seen = [last for last, _ in self.seen]
        return [(self.seen[bisect_left(seen, fact)][1] - at).total_seconds() for fact, at in arrived]

    def growth(self, seconds: float) -> float:
        """By how many waiting events a second the queue grew in the first seconds, as a straight line says it."""
        depths = [(at, depth) for at, depth in self.depths if at < seconds]
        return linear_regression(*zip(*depths, strict=True)).slope


def wait_until_applied(url: str) -> None:
    """Return when nothing that was received waits for the worker."""
    with psycopg.connect(url, autocommit=True) as connection:
        while asked(connection, f"SELECT EXISTS ({SOMETHING})") == (True,):
            time.sleep(WATCHES_EVERY)


def asked(connection: psycopg.Connection, sql: str, *parameters: Any) -> tuple[Any, ...]:
    """The one row that a query answers."""
    [row] = connection.execute(sql.encode(), parameters).fetchall()
    return row
