"""
Django's backend for PostgreSQL (settings.DATABASES names it), with some things changed: how a kept connection is looked
at before a request uses it, how moments are read, and what a connection pooler in between does not allow.

Django asks the server `SELECT 1`, a round trip for every request. A connection whose server went away tells so by
itself: its socket has something to read, the server's farewell or the end. A silent socket is good; only one with
something to read is worth the question. What this cannot see, a machine that fell silent, the question could only wait
for; the connection's keepalives and the statement itself find out.

Django reads moments in Python, so that they can be in any time zone. Our connections' is UTC, and the driver's own way
of reading takes a tenth of the time.
"""

import select
from datetime import UTC
from functools import cache
from typing import Any

import structlog
from django.db.backends.postgresql import base
from django.db.transaction import TransactionManagementError
from psycopg import adapters
from psycopg.abc import AdaptContext
from psycopg.adapt import AdaptersMap, Loader
from psycopg.pq import ConnStatus, Format

from config.postgresql.pooler import WITHOUT_PREPARED, Way, find_way

log = structlog.get_logger(__name__)

MOMENT = adapters.types["timestamptz"].oid


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection to PostgreSQL. `prepares`: statements can be prepared on it (config.statements does)."""

    prepares = False

    def is_usable(self) -> bool:
        """Whether the connection still has its server."""
        if self.connection is None:
            return False
        wire = self.connection.pgconn
        if wire.status != ConnStatus.OK:
            return False
        listening = select.poll()
        listening.register(wire.socket, select.POLLIN)
        return not listening.poll(0) or super().is_usable()

    def init_connection_state(self) -> None:
        """With a look at what stands between us and the server."""
        super().init_connection_state()
        with self.wrap_database_errors:
            self.prepares = find_way(self.connection) is not Way.POOLED_UNPREPARED
        if not self.prepares:
            tell_once(WITHOUT_PREPARED)

    def chunked_cursor(self) -> Any:
        """A cursor of the server's, which lives in its transaction only."""
        if not self.in_atomic_block:
            raise TransactionManagementError("A cursor of the server's has to be used in a transaction.")
        return super().chunked_cursor()

    def get_connection_params(self) -> dict[str, Any]:
        """With moments read by `Moments`."""
        parameters: dict[str, Any] = super().get_connection_params()
        return parameters | {"context": reading_moments(parameters["context"])}


@cache
def tell_once(what: str) -> None:
    """Tell the log, once for each process."""
    log.warning(what)


class Moments(Loader):
    """Reads moments in UTC as the driver does; Django asks its loader for the time zone, so it is a class of ours."""

    timezone = UTC

    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        super().__init__(oid, context)
        self.read = adapters.get_loader(MOMENT, Format.TEXT)(oid, context).load  # type: ignore[misc]

    def load(self, data: Any) -> Any:
        return self.read(data)


@cache
def reading_moments(given: AdaptersMap) -> AdaptersMap:
    """What connections are given to read and write values with, and our reader of moments."""
    adapted = AdaptersMap(given)
    adapted.register_loader(MOMENT, Moments)
    return adapted
