"""Is it well? Three questions that a supervisor, a load balancer and a pager ask, each without a login.

`/healthz`: does this process live. `/readyz`: can this process serve, which needs the database and nothing of
the worker. `/workz`: do the worker's loops run; upper storeys report them with `report_loop` and
`settings.WORKER_LOOPS` lists which there must be. Not for numbers over time: those are metrics.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpResponse
from rest_framework.request import Request

from config import canary, clock, database, faults, keyring
from config.api import APIView, ok
from config.errors import Unavailable
from config.models import WorkerLoop

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
        at = clock.now()
        states = loops(at)
        shown = [asdict(state) for state in states]
        stopped = [_complaint(state, at) for state in states if state.stopped]
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


@dataclass(frozen=True)
class LoopState:
    """One loop: when it last finished a round (None: never), how far behind, and whether it has stopped."""

    name: str
    ran_at: datetime | None
    lag_seconds: float | None
    detail: str
    stopped: bool


def report_loop(name: str, at: datetime, lag: float = 0.0, detail: str = "") -> None:
    """Note that loop `name` finished a round at `at`, `lag` seconds behind. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(_REPORT, [name, at, lag, detail])
    REPORTED()


_REPORT = """
    INSERT INTO config_worker_loop (name, ran_at, lag_seconds, detail) VALUES (%s, %s, %s, %s)
    ON CONFLICT (name) DO UPDATE
    SET ran_at = excluded.ran_at, lag_seconds = excluded.lag_seconds, detail = excluded.detail
"""


def loops(at: datetime) -> list[LoopState]:
    """The loops of `settings.WORKER_LOOPS` (name → seconds without a report that make it a stopped one)."""
    reports = {report.name: report for report in WorkerLoop.objects.filter(name__in=settings.WORKER_LOOPS)}
    return [_state(name, reports.get(name), at, patience) for name, patience in settings.WORKER_LOOPS.items()]


def _state(name: str, report: WorkerLoop | None, at: datetime, patience: float) -> LoopState:
    if report is None:
        return LoopState(name, None, None, "", stopped=True)
    stopped = (at - report.ran_at).total_seconds() > patience
    return LoopState(name, report.ran_at, report.lag_seconds, report.detail, stopped)


def _complaint(state: LoopState, at: datetime) -> str:
    if state.ran_at is None:
        return f"the loop {state.name} has never run"
    return f"the loop {state.name} last ran {(at - state.ran_at).total_seconds():.0f} s ago"
