"""
Long lists as files, from a whole Watchkeeper: however slowly they are read, others are answered, memory stays as it
is, and nobody reads on who may not.
"""

import contextlib
import csv
import http.client
import io
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from incidents.fold import VERSION
from tests.readers import Readers, entered
from tests.running import HOST, Running, eventually
from tests.slow import Reader
from tests.trust.conftest import FULL

ROWS = 100_000 if FULL else 30_000
# One more than threads would be enough; a team may have so many.
SLOW, THREADS = 4, 2
SOON = 15.0
FILL = """
INSERT INTO incidents_incident
    (uuid, team_id, title, status, severity, type, affected_regions, created_at, started_at, updated_at, resource_name,
     resource_type, concerns_native, provisional, is_live, facts, fold_version, words_version)
SELECT gen_random_uuid(), t.id, 'Row ' || n, 'resolved', 'major', 'other', ARRAY['eu'], now(),
    now() - n * interval '1 minute', now(), 'A resource with a name', 'monitor', false, false, false, 1, %s, 1
FROM generate_series(1, %s) n, teams_team t WHERE t.public_id = %s
"""


@dataclass
class Filled:
    """A Watchkeeper of one web process, with a team that has many incidents, and its readers."""

    running: Running
    readers: Readers

    def read(self, zone: str = "UTC", path: str = "/incidents.csv") -> Reader:
        """Somebody begins to read."""
        reader = Reader(self.running.port, path, self.readers.headers(zone))
        assert reader.status == 200
        return reader

    def memory(self) -> float:
        """MiB of all web processes."""
        return sum(
            int(line.split()[1]) / 1024
            for pid in self.running.pids.web_workers
            for line in Path(f"/proc/{pid}/status").read_text().splitlines()
            if line.startswith("VmRSS")
        )

    def get(self, path: str, zone: str = "UTC") -> tuple[int, bytes]:
        with contextlib.closing(http.client.HTTPConnection(HOST, self.running.port, timeout=30)) as line:
            line.request("GET", path, headers=self.readers.headers(zone))
            answer = line.getresponse()
            return answer.status, answer.read()

    def endings(self) -> list[str]:
        """How streams ended, by the log."""
        lines = [json.loads(line) for line in self.running.said().splitlines() if '"streamed"' in line]
        return [line["ending"] for line in lines]

    def is_idle(self) -> bool:
        """Whether all that was begun has ended, by the log."""
        begun = [line for line in self.running.said().splitlines() if '"route": "incidents.csv", "status": 200' in line]
        return len(begun) == len(self.endings())


@contextlib.contextmanager
def filled(folder: Path) -> Iterator[Filled]:
    environ = {"WATCHKEEPER_PROCESSES": "1", "WATCHKEEPER_THREADS": str(THREADS)}
    with Running(folder / "data", environ) as running:
        team = running.create_team("Streams")
        with running.connect() as connection:
            connection.execute(FILL, [VERSION, ROWS, team["team_id"]])
            connection.execute("ANALYZE incidents_incident")
        yield Filled(running, entered(running.manage, team["team_id"]))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    with filled(tmp_path_factory.mktemp("streams")) as made:
        yield made


@pytest.fixture(autouse=True)
def nothing_is_left(house: Filled) -> Iterator[None]:
    """Whatever a test opened ends soon after."""
    yield
    assert eventually(house.is_idle, SOON)


def test_a_long_list_comes_whole_and_memory_stays_as_it_is(house: Filled):
    house.get("/incidents.csv?q=Row+7")  # what is loaded and kept at the first
    before, most = house.memory(), 0.0
    with contextlib.closing(http.client.HTTPConnection(HOST, house.running.port, timeout=30)) as line:
        line.request("GET", "/incidents.csv", headers=house.readers.headers("UTC"))
        answer, read = line.getresponse(), io.BytesIO()
        while piece := answer.read(1024 * 1024):
            read.write(piece)
            most = max(most, house.memory())
    rows = list(csv.DictReader(io.StringIO(read.getvalue().decode(), newline="")))
    assert [row["title"] for row in rows] == [f"Row {number}" for number in range(1, ROWS + 1)]
    assert most - before < 16
    assert house.endings()[-1] == "done"


def test_slow_readers_keep_no_page_from_others(house: Filled):
    with contextlib.ExitStack() as stack:
        zones = list(house.readers.sessions)[:2]
        for number in range(SLOW):
            stack.enter_context(house.read(zones[number % 2]))
        before = house.memory()
        assert {house.get("/incidents")[0] for _ in range(20)} == {200}
        assert {house.get("/api/me")[0] for _ in range(5)} == {401}
        assert house.memory() - before < 16
        status, page = house.get("/incidents.csv")
        assert (status, b"are still open" in page and b"<html" in page) == (429, True)


def test_who_goes_away_ends_it(house: Filled):
    number = len(house.endings())
    with house.read():
        pass
    assert eventually(lambda: house.endings()[number:] == ["the client went away"], SOON)


# A reader who takes everything, and one who takes nothing more just now.
@pytest.mark.parametrize("reads_on", [True, False])
@pytest.mark.parametrize(
    "what_happens",
    [
        "DELETE FROM django_session",
        "DELETE FROM teams_membership WHERE user_id IN (SELECT id FROM teams_user WHERE email LIKE 'utc-%')",
        "UPDATE teams_user SET is_active = false WHERE email LIKE 'utc-%'",
        "UPDATE teams_team SET deactivated_at = now() WHERE name = 'Streams'",
    ],
)
def test_who_may_not_read_any_more_does_not_read_on(house: Filled, what_happens: str, reads_on: bool):
    number = len(house.endings())
    with house.running.connect(autocommit=False) as connection, house.read() as reader:
        kept = [
            (table, connection.execute(f"SELECT * FROM {table}").fetchall())
            for table in ("django_session", "teams_membership", "teams_user", "teams_team")
        ]
        if not reads_on:
            time.sleep(2)  # by then nothing more is made for them
        connection.execute(what_happens)
        connection.commit()
        try:
            if reads_on:
                assert not reader.ends_whole()
            assert eventually(lambda: house.endings()[number:] == ["the reader is not let in any more"], SOON)
            assert not reader.ends_whole()
        finally:
            for table, rows in kept:
                for row in rows:
                    restore(connection, table, row)
            connection.commit()


def restore(connection, table, row):
    """Put a row back as it was."""
    names = [
        each[0]
        for each in connection.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s ORDER BY ordinal_position",
            [table],
        ).fetchall()
    ]
    key, columns = names[0], ", ".join(names)
    marks = ", ".join(["%s"] * len(names))
    changes = ", ".join(f"{name} = EXCLUDED.{name}" for name in names)
    connection.execute(
        f"INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE VALUES ({marks}) "
        f"ON CONFLICT ({key}) DO UPDATE SET {changes}",
        list(row),
    )


def test_it_stops_in_good_time_though_somebody_reads_slowly(tmp_path: Path):
    with filled(tmp_path) as one, one.read() as reader:
        begun = time.monotonic()
        one.running.stop()
        assert time.monotonic() - begun < 10  # what the supervisor gives each of its parts
        assert not reader.ends_whole()
        assert "the server stops" in one.endings()
