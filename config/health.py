"""Is it well? Three questions that a supervisor, a load balancer and a pager ask, each without a login.

`/healthz`: does this process live. `/readyz`: can this process serve, which needs the database and nothing of
the worker. `/workz`: do the worker's loops run; upper storeys report them with `report_loop` and
`settings.WORKER_LOOPS` lists which there must be. Not for numbers over time: those are metrics.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import cache

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpResponse
from django.utils.module_loading import import_string
from rest_framework.request import Request

from config import canary, clock, database, faults, keyring
from config.api import APIView, ok
from config.errors import Unavailable
from config.statements import fetch

REPORTED = faults.point("loops: reported")

_FRESH = {"Cache-Control": "no-store"}


class _HealthView(APIView):
    """Open to everybody, and no part of the API's schema."""

    schema = None


class Healthz(_HealthView):
    """This process lives. Asks nobody else."""

    def get(self, request: Request) -> HttpResponse:
        return ok({"status": "ok"}, headers=_FRESH)


class Readyz(_HealthView):
    """This process can serve: the database answers, keeps what it acknowledges, and is migrated."""

    def get(self, request: Request) -> HttpResponse:
        faults = list(_faults_of_the_database())
        if faults:
            raise Unavailable("Not ready: " + "; ".join(faults) + ".", details={"faults": faults})
        return ok({"status": "ready"}, headers=_FRESH)


class Workz(_HealthView):
    """The worker's loops and how far behind they are; 503 names each that stopped."""

    def get(self, request: Request) -> HttpResponse:
        states = [replace(state, lag_seconds=lag(state.name)) for state in loops()]
        shown = [asdict(state) for state in states]
        for loop in shown:
            del loop["age"]
        stopped = [_complaint(state) for state in states if state.stopped]
        if stopped:
            raise Unavailable("; ".join(stopped) + ".", details={"loops": shown})
        return ok({"loops": shown}, headers=_FRESH)


# Readiness


def _faults_of_the_database() -> Iterator[str]:
    """Why this database will not do, in sentences. Raises OperationalError when it does not answer at all."""
    with connection.cursor() as cursor:
        cursor.execute(database.asking("transaction_read_only"))
        *settings, read_only = cursor.fetchone()
    yield from database.unfit(settings)
    if read_only == "on":
        yield "the database is read-only"
    if not _is_migrated():
        yield "migrations have not been applied"
    elif wrong := canary.complaint():
        yield f"{keyring.KEY} {wrong}"


class _NotYet(Exception):
    """Keeps `cache` from remembering that something has not happened yet."""


def _is_migrated() -> bool:
    try:
        return _migrated_once()
    except _NotYet:
        return False


@cache
def _migrated_once() -> bool:
    """True, and remembered; a database does not lose its migrations. Raises _NotYet."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise _NotYet
    return True


# The worker's loops
#
# They report by the database's clock, and are asked for by it, so that no two machines' clocks are compared. That one
# may be set, too: then this process goes by what it saw itself, from look to look, by a clock that nobody can set.

# A report from further ahead than this is none to be believed.
AHEAD_AT_MOST = 5.0


@dataclass(frozen=True)
class LoopState:
    """One loop: when it last finished a round (None: never), its age in seconds, how far behind, whether it stopped."""

    name: str
    ran_at: datetime | None
    age: float | None
    lag_seconds: float | None
    detail: str
    stopped: bool


@dataclass(frozen=True)
class _Sight:
    """What this process saw of a loop: its last report, when it looked last, and when the loop certainly ran. Ticks."""

    ran_at: datetime
    looked: float
    ran: float | None = None

    def again(self, ran_at: datetime, age: float | None, tick: float) -> "_Sight":
        """One look later. `age` is the report's by the clock; None: that can't be believed, or says too long ago."""
        if ran_at == self.ran_at:
            return replace(self, looked=tick)
        # A new report: the loop ran since the last look, whatever the clock says.
        return _Sight(ran_at, tick, max(self.looked, self.looked if age is None else tick - age))


_seen: dict[str, _Sight] = {}


def report_loop(name: str, at: datetime | None = None, detail: str = "") -> None:
    """Note that loop `name` finished a round now (for tests: at `at`), and what it has to say. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(_REPORT, [name, at or clock.held(), detail])
    REPORTED()


_REPORT = """
    INSERT INTO config_worker_loop (name, ran_at, detail) VALUES (%s, coalesce(%s, clock_timestamp()), %s)
    ON CONFLICT (name) DO UPDATE SET ran_at = excluded.ran_at, detail = excluded.detail
"""
_ASK = """
    SELECT name, ran_at, extract(epoch FROM coalesce(%s, clock_timestamp()) - ran_at)::float8, detail
    FROM config_worker_loop WHERE name = ANY(%s)
"""


def loops(at: datetime | None = None) -> list[LoopState]:
    """The loops of `settings.WORKER_LOOPS` (name → seconds without a report that make it a stopped one)."""
    found = fetch(_ASK, [at or clock.held(), list(settings.WORKER_LOOPS)])
    reports = {name: report for name, *report in found}
    return [_state(name, *reports.get(name, [None, None, ""])) for name in settings.WORKER_LOOPS]


def _state(name: str, ran_at: datetime | None, age: float | None, detail: str) -> LoopState:
    if ran_at is None or age is None:
        return LoopState(name, None, None, None, "", stopped=True)
    patience, tick = settings.WORKER_LOOPS[name], clock.tick()
    told = max(age, 0.0) if -AHEAD_AT_MOST <= age <= patience else None
    known = _seen.get(name)
    sight = known.again(ran_at, told, tick) if known else _Sight(ran_at, tick, None if told is None else tick - told)
    _seen[name] = sight
    if sight.ran is None:
        return LoopState(name, ran_at, age, None, detail, stopped=True)
    return LoopState(name, ran_at, tick - sight.ran, None, detail, stopped=tick - sight.ran > patience)


def lag(name: str) -> float:
    """How long what a loop has to do next has been waiting, in seconds: asked now, for a stopped loop knows nothing."""
    question = settings.WORKER_QUEUES.get(name)
    if question is None:
        return 0.0
    since: Callable[[], datetime | None] = import_string(question)
    oldest = since()
    return max(0.0, (clock.now() - oldest).total_seconds()) if oldest else 0.0


def _complaint(state: LoopState) -> str:
    if state.age is None:
        return f"the loop {state.name} has never run"
    if state.age < 0:
        return f"the loop {state.name} last ran {-state.age:.0f} s ahead of now: the clock was set back since"
    return f"the loop {state.name} last ran {state.age:.0f} s ago"
