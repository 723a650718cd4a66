"""
Statements that the server prepares: parsed and planned once for each connection, then only run.

For the few statements that nearly every request makes, where Django's ORM and the server's planner would cost more
than the work itself. All else goes through the ORM. In transactions and in errors such a statement is like any other.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections

Parameters = Mapping[str, Any] | Sequence[Any]


def fetch(sql: str, parameters: Parameters) -> list[tuple[Any, ...]]:
    """The rows that a statement returns. Raises what Django's cursors raise."""
    connection = connections[DEFAULT_DB_ALIAS]  # looked up once: what Django calls `connection` does it for each word
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    connection.validate_no_broken_transaction()
    if connection.queries_logged:  # who counts statements counts these, too
        connection.queries_log.append({"sql": sql, "time": "0"})
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        return cursor.execute(sql, parameters, prepare=True).fetchall()
