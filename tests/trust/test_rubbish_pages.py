"""
Rubbish for the API, the pages and admin, over sockets to a running Watchkeeper: every answer is the right one, none
is a 5xx, and afterwards everything can be read.

The cases are data (tests/corpus/rubbish). In a sample files go side by side, of most every second case, or every third
where they only ask; in the full run all cases go one after another, with a sweep behind each that left something.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from tests import readers, sweep
from tests.rubbish import Case, Ground, load
from tests.running import Running
from tests.trust.conftest import FULL

# The files that go side by side: none looks at what another changes.
FILES = (
    "admin-forms",
    "admin-queries",
    "api-endpoints",
    "api-histories",
    "api-incidents",
    "api-lists",
    "api-notes",
    "api-paths",
    "api-resources",
    "injection",
    "pages-forms",
    "pages-queries",
)
# Those whose cases change nothing and do not build on one another.
ONLY_ASKING = {"admin-queries", "api-lists", "api-paths", "pages-queries"}
# Those in which a case looks at what another left: they are sent whole.
BUILDING_ON_ONE_ANOTHER = {"admin-forms"}
AT_ONCE = 2
# Nobody is to be told to come again later: that is another test's. What is sent out goes to this machine, where nobody
# listens.
UNLIMITED = {
    "WATCHKEEPER_API_RATE": "1000000",
    "WATCHKEEPER_LOGIN_RATE": "1000000",
    "WATCHKEEPER_WEBHOOK_NETWORKS": "127.0.0.0/8",
}
FURNISH = "import json; from tests.scenery import furnish; print(json.dumps(furnish({team!r})))"


class Log:
    """The lines that a Watchkeeper has written since it was last asked."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.place = path.stat().st_size

    def __call__(self) -> list[str]:
        with self.path.open("rb") as file:
            file.seek(self.place)
            written = file.read()
        whole = written[: written.rfind(b"\n") + 1]
        self.place += len(whole)
        return whole.decode().splitlines()


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A running Watchkeeper with records of two teams, and all that the cases call by name."""
    with Running(tmp_path_factory.mktemp("rubbish-pages"), UNLIMITED) as running:
        ground = Ground(running)
        said = running.manage("shell", "--no-imports", "-c", FURNISH.format(team=ground.team["team_id"]))
        ground.names |= json.loads(said.splitlines()[-1]) | {"csrf": "c" * 32}
        with ground.database:
            yield ground


@pytest.fixture(scope="module")
def log(ground: Ground) -> Log:
    return Log(ground.running.log)


@pytest.fixture(scope="module")
def swept(ground: Ground) -> Iterator[sweep.Ground]:
    """The same for sweeps; in a sample run they read at most so many records of a kind, from the first to the last."""
    most = 1000 if FULL else 12
    running = ground.running
    who = readers.entered(running.manage, ground.team["team_id"])
    with running.connect() as database, closing(readers.OverHTTP(running.port, who)) as get:

        def ask(sql: str, *values: object) -> list[tuple[object, ...]]:
            rows = database.execute(sql, values).fetchall()
            return rows[:: len(rows) // most + 1]

        yield sweep.Ground(get, ask, who.team, at_once=AT_ONCE)


@pytest.fixture(scope="module")
def problems(ground: Ground, swept: sweep.Ground, log: Log) -> dict[str, list[str]]:
    """What went wrong with each case."""
    files = {name: chosen(name) for name in FILES}
    ground.open_doors([case for cases in files.values() for case in cases])
    if FULL:
        return ground.run([case for cases in files.values() for case in cases], sweeping(swept))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return {case: wrong for file in pool.map(ground.run, files.values()) for case, wrong in file.items()}


def chosen(name: str) -> list[Case]:
    """The cases of a file that are sent."""
    cases = load(f"{name}.jsonl")
    if FULL or name in BUILDING_ON_ONE_ANOTHER:
        return cases
    return cases[:: 3 if name in ONLY_ASKING else 2]


def sweeping(swept: sweep.Ground):
    """What to do after a case: read what it left, if it left anything."""
    read = sweep.marks(swept)

    def after(case: Case) -> list[str]:
        nonlocal read
        before, read = read, sweep.marks(swept)
        return [] if before == read else sweep.sweep(swept, before)

    return after


def test_every_answer_is_the_right_one(problems: dict[str, list[str]]) -> None:
    assert len(problems) > (900 if FULL else 350)
    assert {case: [each[:300] for each in wrong] for case, wrong in problems.items() if wrong} == {}


def test_everything_can_be_read_afterwards(problems: dict[str, list[str]], swept: sweep.Ground) -> None:
    assert sweep.sweep(swept, None if FULL else sweep.Marks(0, 0)) == []


def test_the_log_is_one_object_a_line_and_tells_of_no_fault(problems: dict[str, list[str]], log: Log) -> None:
    lines = log()
    assert len(lines) > (900 if FULL else 350)
    assert [line for line in lines if sweep.is_alarming(line)] == []
    assert all(isinstance(json.loads(line), dict) for line in lines)
    # What strangers wrote stands in none of them.
    assert [line for line in lines if "forged" in line or "<script>" in line or "\x1b" in line] == []
