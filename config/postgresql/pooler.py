"""
Whether a connection pooler stands between us and PostgreSQL, and whether it knows prepared statements.

A pooler in transaction mode (PgBouncer's, and the like) gives each transaction whichever session is free. One that is
new enough translates prepared statements from session to session; with another they would be missing in one and there
already in the next, so that ours are then sent as they are.
"""

from enum import Enum
from typing import Any

import psycopg


class Way(Enum):
    """How a connection leads to PostgreSQL."""

    STRAIGHT = "straight"
    POOLED = "through a pooler that knows prepared statements"
    POOLED_UNPREPARED = "through a pooler that does not know prepared statements"


WITHOUT_PREPARED = (
    "The connection pooler before PostgreSQL does not know prepared statements; Watchkeeper runs without them, which "
    "is slower. PgBouncer knows them from 1.22 on, with max_prepared_statements above 0."
)

# Prepared, it finds itself, under the name that we gave it or under one of the pooler's own.
_MYSELF = "SELECT name FROM pg_prepared_statements WHERE statement LIKE '%looks for itself%' /* looks for itself */"


def find_way(connection: "psycopg.Connection[Any]") -> Way:
    """How a connection leads to PostgreSQL: asked once, when it is new and in no transaction."""
    # A pooler names a process to us that is none of the server's, for it has no one session behind it.
    [process] = connection.execute("SELECT pg_backend_pid()", prepare=False).fetchone() or [0]
    if process == connection.info.backend_pid:
        return Way.STRAIGHT
    return Way.POOLED if _translates(connection) else Way.POOLED_UNPREPARED


def _translates(connection: "psycopg.Connection[Any]") -> bool:
    """
    Whether the pooler gives prepared statements names of its own, and notes when all are dropped: the driver drops them
    after some errors, and where that is overlooked (PgBouncer 1.21), the next use of one fails.
    """
    usual, connection.prepare_threshold = connection.prepare_threshold, 5
    try:
        # Django's own cursors never prepare.
        with connection.transaction(), psycopg.Cursor(connection) as cursor:
            names = [name for (name,) in cursor.execute(_MYSELF, prepare=True)]
            cursor.execute("DEALLOCATE ALL", prepare=False)
            cursor.execute(_MYSELF, prepare=True)
            cursor.execute("DEALLOCATE ALL", prepare=False)
    except (psycopg.errors.DuplicatePreparedStatement, psycopg.errors.InvalidSqlStatementName):
        return False
    finally:
        connection.prepare_threshold = usual
    return not any(name.startswith("_pg3_") for name in names)
