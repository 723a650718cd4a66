"""
Behind a PgBouncer in transaction mode, of the age that Debian has: everything can be read and done by many at once over
fewer sessions than there are clients, and what was acknowledged is stored and applied once.
"""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psycopg
import pytest

from config.embedded import Cluster
from tests import sweep
from tests.conftest import NOON, an_event
from tests.pooled import SESSIONS, pooled
from tests.readers import OverHTTP, entered
from tests.running import HOST, Running, eventually
from tests.trust.conftest import FULL
from timeline.events import VENDOR_EVENTS

pytestmark = pytest.mark.skipif(not FULL, reason="starts a PgBouncer and a whole instance: in the full run")

CLIENTS = 6
# More than a server's cursor reads at a time.
LONG = 1_200


@dataclass
class House:
    """A running Watchkeeper whose database is reached through a pooler; and the way past that one."""

    running: Running
    past: str
    team: dict[str, Any]

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and data of a call, by the API key."""
        headers = {"X-API-Key": self.team["api_key"], "Content-Type": "application/json"}
        with closing(HTTPConnection(HOST, self.running.port, timeout=30)) as line:
            line.request(method, path, None if body is None else json.dumps(body), headers)
            answer = line.getresponse()
            said = json.loads(answer.read())
            return answer.status, said.get("data") if isinstance(said, dict) else said

    def tell(self, events: list[dict[str, Any]]) -> int:
        """The status that an array of events is answered with."""
        return self.ask("POST", self.team["webhook_path"], events)[0]

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.past, autocommit=True) as straight:
            return straight.execute(sql.encode(), parameters).fetchall()

    def is_applied(self) -> bool:
        return not self.rows("SELECT FROM integrations_inbounddelivery WHERE status = 'received' LIMIT 1")

    @property
    def incident(self) -> str:
        """The UUID of the incident with the long history."""
        [(uuid,)] = self.rows("SELECT uuid::text FROM incidents_incident WHERE facts > %s", LONG)
        return str(uuid)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("pooled")
    cluster = Cluster(folder)
    cluster.start()
    try:
        with (
            pooled(cluster.url, folder) as url,
            Running(folder / "data", {"DATABASE_URL": url}) as running,
        ):
            made = House(running, cluster.url, running.create_team("Pooled"))
            events = [
                an_event(
                    "incident.started" if number == 0 else "incident.escalated",
                    NOON + timedelta(seconds=number),
                    targets=[{"type": "team", "name": f"Team {number}"}],
                )
                for number in range(LONG + 1)
            ]
            for first in range(0, len(events), 400):
                assert made.tell(events[first : first + 400]) == 202
            assert eventually(made.is_applied, 60)
            yield made
    finally:
        cluster.stop()


def by_many(work: list[Any]) -> list[Any]:
    """What each of many pieces of work came to, done by more clients than there are sessions."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        return [each.result() for each in [pool.submit(piece) for piece in work]]


def test_it_says_that_it_runs_without_prepared_statements(house: House):
    assert CLIENTS > SESSIONS
    said = house.running.said()
    assert "does not know prepared statements" in said
    assert "startup parameter" not in said


def test_check_says_so_too(house: House):
    checked = house.running.manage("check", "--fail-level", "WARNING")
    assert "no issues" not in checked


def test_everything_is_read_by_many_at_once(house: House):
    readers = entered(house.running.manage, house.team["team_id"])
    get = OverHTTP(house.running.port, readers)
    try:
        ground = sweep.Ground(get, house.rows, readers.team, at_once=CLIENTS)
        before = sweep.marks(ground)
        # The long history once is enough; of what comes now, everything is read.
        assert house.tell([an_event(name, incident_id=7) for name in sorted(VENDOR_EVENTS)]) == 202
        assert eventually(house.is_applied, 30)
        assert sweep.sweep(ground, before) == []
    finally:
        get.close()


def test_long_histories_are_read_as_they_were_while_others_correct_them_and_tell_more(house: House):
    uuid = house.incident
    page = house.ask("GET", f"/api/incidents/{uuid}/timeline?limit=100")[1]["events"]
    stop = threading.Event()
    heard: list[int] = []

    def read_on(number: int) -> None:
        paths = (
            "timeline?as_of=2026-05-13T12:10:00Z",
            "updates?as_of=9999-12-31T23:59:59Z&limit=50",
            "timeline",
            "comments",
        )
        while not stop.is_set():
            heard.append(house.ask("GET", f"/api/incidents/{uuid}/{paths[number % 4]}")[0])
            heard.append(house.ask("GET", "/api/deliveries")[0])

    readers = [threading.Thread(target=read_on, args=[number]) for number in range(4)]
    for reader in readers:
        reader.start()
    try:
        corrected = [
            house.ask(
                "POST",
                f"/api/incidents/{uuid}/timeline/{event['id']}/corrections",
                {"message": f"Corrected {number}", "reason": "a slip"},
            )[0]
            for number, event in enumerate(page[:10])
        ]
        noted = by_many(
            [
                lambda number=number: house.ask(
                    "POST", f"/api/incidents/{uuid}/updates", {"message": f"Note {number}"}
                )[0]
                for number in range(12)
            ]
        )
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert corrected == [201] * 10
    assert noted == [201] * 12
    # A bound on heavy reads may turn somebody away for a moment; nobody meets a fault.
    assert set(heard) <= {200, 429}
    assert heard.count(200) > 20


def test_long_lists_are_downloaded_whole_by_several_at_once(house: House):
    readers = entered(house.running.manage, house.team["team_id"])
    [(deliveries,)] = house.rows("SELECT count(*) FROM integrations_inbounddelivery")
    get = OverHTTP(house.running.port, readers)
    try:
        work = [lambda zone=zone: get("/deliveries.csv", zone) for zone in list(readers.sessions)[:3]]
        for answer in by_many(work):
            assert (answer.status, answer.body.count(b"\r\n")) == (200, deliveries + 1)
    finally:
        get.close()
    assert deliveries > LONG


def test_what_many_senders_were_acknowledged_is_kept_and_applied_once(house: House):
    def send(number: int) -> int:
        return house.tell([an_event("monitor.down", monitor_id=number % 7, message=f"pooled {number}")])

    assert by_many([lambda number=number: send(number) for number in range(120)]) == [202] * 120
    assert eventually(house.is_applied, 30)
    kept = "SELECT count(*), count(DISTINCT identity) FROM timeline_timelineevent WHERE payload ->> 'message' LIKE %s"
    assert house.rows(kept, "pooled %") == [(120, 120)]


def test_the_worker_reports_all_its_loops(house: House):
    assert house.ask("GET", "/workz")[0] == 200
    assert house.ask("GET", "/readyz")[0] == 200


def test_everything_folded_again_is_as_it_stands(house: House):
    assert eventually(house.is_applied, 30)
    house.running.manage("rebuild", "--check")


def test_nothing_of_it_was_a_fault(house: House):
    said = house.running.said()
    assert "Traceback" not in said
    assert "DuplicatePreparedStatement" not in said and "does not exist" not in said


def test_it_migrates_again_through_the_pooler(house: House, tmp_path: Path):
    house.running.manage("migrate", "--verbosity=0")
